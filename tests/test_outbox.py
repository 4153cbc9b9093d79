"""Datagrams that leave together: each peer gets the same as if they had left one by one, on real sockets."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import udp

from socklab import Factory, MessageProtocol
from socklab.events import Dropped, Failed
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer
from socklab.transports.outbox import MAX_PAYLOAD, Outbox
from socklab.transports.udp import DatagramPeers

USUAL = udp.Port.maxThroughput
PATIENCE = 30
ADDRESS = ("127.0.0.1", 5001)


class Reactor:
    """What a port needs of a reactor: it is the tests that have it read."""

    def __init__(self) -> None:
        self.native: set[object] = set()
        self.turn = SimpleNamespace(serving=None)
        self.loop = SimpleNamespace(add_reader=lambda *given: None, remove_reader=lambda *given: None)

    def addReader(self, port: object) -> None:
        """Watch a port."""

    def removeReader(self, port: object) -> None:
        """Watch it no more."""

    removeWriter = removeReader


def twisteds() -> Any:
    """Give Twisted's own kind of port."""
    return udp.Port


def ours() -> Any:
    """Give the reactor's."""
    pytest.importorskip("uvloop")
    from socklab.reactor.datagrams import DatagramPort

    return DatagramPort


@contextmanager
def opened(
    server: MemoryServer, kind: Callable[[], Any] = twisteds, interface: str = "127.0.0.1", clients: int = 1
) -> Iterator[tuple[Any, list[socket.socket]]]:
    """Open a datagram port of a server, with clients that are connected to it."""
    protocol = DatagramPeers(server._serving("utf-8"))
    port = kind()(0, protocol, interface, 65536, Reactor())
    port.startListening()
    with ExitStack() as open_:
        open_.callback(port.connectionLost)
        peers = []
        for _ in range(clients):
            peer = open_.enter_context(socket.socket(port.addressFamily, socket.SOCK_DGRAM))
            peer.settimeout(PATIENCE)
            peer.connect((interface, port.getHost().port))
            peers.append(peer)
        yield port, peers


def hasSomething(source: Any, seconds: float = 0) -> bool:
    """Tell whether something can be read."""
    return bool(select.select([source], [], [], seconds)[0])


def serve(server: MemoryServer, port: Any, until: Callable[[], bool]) -> None:
    """Have a port read until something is so."""
    while not until():
        assert hasSomething(port, PATIENCE)
        port.doRead()
        server.advance(0)


def hear(client: socket.socket, number: int) -> list[bytes]:
    """Give the next so many datagrams."""
    return [client.recv(65536) for _ in range(number)]


@pytest.mark.parametrize("interface", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [twisteds, ours])
@settings(max_examples=30, deadline=None)
@given(
    said=st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=3) | st.sampled_from([b"x" * 700, b"y" * 9000])))
)
def test_each_gets_its_own(kind: Callable[[], Any], interface: str, said: list[tuple[int, bytes]]) -> None:
    """What several peers send at once, of any length, comes back whole and in order to each; all is counted."""
    server = MemoryServer(EchoFactory(), traffic=False)
    with opened(server, kind, interface, clients=3) as (port, clients):
        serving = port.protocol.serving
        serving.counting = True
        for who, data in said:
            clients[who].send(data)
        serve(server, port, lambda: serving.counts.received == len(said))
        for number, client in enumerate(clients):
            mine = [data for who, data in said if who == number]
            assert hear(client, len(mine)) == mine
        assert (serving.counts.sent, serving.counts.sentBytes) == (len(said), sum(len(data) for _, data in said))
        assert port.protocol.drops == 0


def test_members_hear_all() -> None:
    """Members of a chat hear lines that came together in order, each once; so does one that ends its lines."""
    server = MemoryServer(ChatFactory(announce=False), traffic=False)
    with opened(server, clients=3) as (port, (speaker, program, terminal)):
        for member, end in ((speaker, b""), (program, b""), (terminal, b"\r\n")):
            member.send(b"/who" + end)
            serve(server, port, partial(hasSomething, member))
            hear(member, 1)
        lines = [b"%d" % number for number in range(150)]
        for line in lines:
            speaker.send(line)
        serve(server, port, lambda: not hasSomething(port))
        assert hear(program, 150) == [b"user1: " + line for line in lines]
        assert hear(terminal, 150) == [b"user1: " + line + b"\r\n" for line in lines]


@pytest.mark.parametrize("data", [b"x", b""])
@pytest.mark.parametrize("kind", [twisteds, ours])
def test_flood_leaves_others_their_turn(kind: Callable[[], Any], data: bytes) -> None:
    """A port reads 100 datagrams, empty ones too, in a turn of the reactor; the rest in the next."""
    server = MemoryServer(EchoFactory(), traffic=False)
    with opened(server, kind) as (port, (client,)):
        for _ in range(150):
            client.send(data)
        port.protocol.serving.counting = True
        counts = port.protocol.serving.counts
        port.doRead()
        assert counts.received <= 100
        serve(server, port, lambda: counts.received == 150)
        hear(client, 150)
        server.advance(0)
        assert port.maxThroughput == USUAL


class Socket:
    """A socket that notes what is sent, and can be told what not to take."""

    def __init__(self, cuts: bool = True, refuses: int = 0, fails: bytes | None = None) -> None:
        """@param cuts: whether the system knows of UDP_SEGMENT.
        @param refuses: errno of all that is to be cut, if it is not.
        @param fails: the datagram that is not taken.
        """
        self.cuts, self.refuses, self.fails = cuts, refuses, fails
        self.sent: list[list[bytes]] = []

    def getsockopt(self, level: int, option: int) -> int:
        """Tell an option."""
        if not self.cuts:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        return 0

    def sendto(self, data: bytes, address: object) -> None:
        """Send one."""
        if data == self.fails:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        self.sent.append([data])

    def sendmsg(self, data: list[bytes], more: object, flags: int, address: object) -> None:
        """Send some."""
        if self.refuses:
            raise OSError(self.refuses, "no")
        self.sent.append(data)


def outboxOn(port: Socket) -> tuple[MemoryServer, Outbox]:
    """Give what sends through a socket, of a server that counts."""
    server = MemoryServer(EchoFactory())
    serving = server._serving("utf-8")
    serving.counting = True
    peers = DatagramPeers(serving)
    peers.outbox.open(cast(socket.socket, port), lambda data, address: None)
    return server, peers.outbox


def lengths(port: Socket) -> list[list[int]]:
    """Give the lengths of what left together."""
    return [[len(each) for each in some] for some in port.sent]


def test_what_leaves_together() -> None:
    """Datagrams of one length that follow each other to an address: at most 64, of 65,507 bytes together."""
    port = Socket()
    _, outbox = outboxOn(port)
    outbox.gather()
    for size in (*[5] * 70, 6, *[0] * 2, *[20_000] * 4, *[MAX_PAYLOAD + 1] * 2):
        outbox.sendSoon(b"x" * size, ADDRESS)
    assert port.sent == []
    outbox.flush()
    assert lengths(port) == [[5] * 64, [5] * 6, [6], [0], [0], [20_000] * 3, [20_000], *[[MAX_PAYLOAD + 1]] * 2]
    outbox.sendSoon(b"later", ADDRESS)
    assert port.sent[-1] == [b"later"]


@pytest.mark.parametrize("port", [Socket(cuts=False), Socket(refuses=errno.EMSGSIZE), Socket(refuses=errno.EIO)])
def test_system_that_does_not(port: Socket) -> None:
    """Where the system cannot send them together they leave one by one, and what it does not take is dropped."""
    port.fails = b"3"
    server, outbox = outboxOn(port)
    outbox.gather()
    for number in range(5):
        outbox.sendSoon(b"%d" % number, ADDRESS)
    outbox.flush()
    assert port.sent == [[b"0"], [b"1"], [b"2"], [b"4"]]
    counts = outbox._serving.counts
    assert (counts.sent, counts.sentBytes, counts.dropped) == (4, 4, 1)
    assert [each.reason for each in server.events if isinstance(each, Dropped)] == [
        "the system did not send it: No buffer space available"
    ]


def test_nothing_overtakes() -> None:
    """What is sent at once, as a code is, leaves after what waits for the same address."""
    port = Socket()
    _, outbox = outboxOn(port)
    outbox.gather()
    for data in (b"1", b"2"):
        outbox.sendSoon(data, ADDRESS)
    outbox.send(b"now", ADDRESS)
    outbox.flush()
    assert port.sent == [[b"1", b"2"], [b"now"]]


def test_what_waits_is_bounded() -> None:
    """No more than 1 MiB waits, of which each datagram takes 50 bytes."""
    port = Socket()
    _, outbox = outboxOn(port)
    outbox.gather()
    for number in range(1000):
        outbox.sendSoon(b"x" * 1000, ("127.0.0.1", 5000 + number))
    assert len(port.sent) == 999


def test_text_is_a_mistake() -> None:
    """A protocol that sends what is no bytes has failed at that datagram; the others are answered."""

    class Careless(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            self.transport.sendMessage(cast(bytes, "text") if payload == b"bug" else payload, isBinary)

    factory = Factory()
    factory.protocol = Careless
    factory.keepsPeers, factory.sharesProtocol = False, True
    server = MemoryServer(factory, traffic=False, raising=False)
    with opened(server) as (port, (client,)):
        for data in (b"1", b"2", b"bug", b"3"):
            client.send(data)
        port.protocol.serving.counting = True
        serve(server, port, lambda: port.protocol.serving.counts.received == 4)
        assert hear(client, 3) == [b"1", b"2", b"3"]
    (failed,) = (each for each in server.events if isinstance(each, Failed))
    assert failed.failure.getErrorMessage() == "sendMessage takes bytes, got str"
