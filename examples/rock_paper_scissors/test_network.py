"""A game over the network, with trial: a player on TCP and one on UDP, in trial's own reactor."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import DeferredQueue
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IReactorUDP
from twisted.internet.protocol import DatagramProtocol, Protocol

from socklab.testing import ConfigTestCase


class TcpPlayer(Protocol):
    """A player whose lines end in LF."""

    def __init__(self) -> None:
        self.heard: DeferredQueue[str] = DeferredQueue()
        self._begun = b""

    def dataReceived(self, data: bytes) -> None:
        """Take lines apart."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self.heard.put(line.decode())

    def say(self, text: str) -> None:
        """Send a line."""
        assert self.transport is not None
        self.transport.write(text.encode() + b"\n")


class UdpPlayer(DatagramProtocol):
    """A player whose lines are datagrams."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.heard: DeferredQueue[str] = DeferredQueue()
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        """Take a line."""
        self.heard.put(datagram.decode())

    def say(self, text: str) -> None:
        """Send a line."""
        assert self.transport is not None
        self.transport.write(text.encode(), self._server)


class GameTest(ConfigTestCase):
    """What the config beside this file serves."""

    async def test_game(self) -> None:
        """One plays from TCP, the other from UDP."""
        server = self.serve("rock_paper_scissors.toml")
        alice = TcpPlayer()
        await connectProtocol(TCP4ClientEndpoint(reactor, *server.address("game", "tcp")), alice)
        bob = UdpPlayer(server.address("game", "udp"))
        self.addCleanup(IReactorUDP(reactor).listenUDP(0, bob, "127.0.0.1", 8192).stopListening)
        alice.say("alice")
        for line in ("What is your name?", "Hello, alice. Wait for somebody to play with."):
            assert await alice.heard.get() == line
        bob.say("bob")
        for line in ("What is your name?", "You play with alice.", "Rock, paper or scissors?"):
            assert await bob.heard.get() == line
        bob.say("rock")
        for line in ("You play with bob.", "Rock, paper or scissors?", "bob has moved."):
            assert await alice.heard.get() == line
        alice.say("paper")
        assert await alice.heard.get() == "alice: paper, bob: rock. It is 1:0."
        assert await bob.heard.get() == "bob: rock, alice: paper. It is 0:1."
        assert {entry.kind for entry in server.transcript("game")} == {"tcp", "udp"}
