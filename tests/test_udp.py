"""Datagrams: whole, bounded, and no weapon against others, in memory."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from socklab import Factory, MessageProtocol, PeerError
from socklab.events import Closed, Cut, Dropped, Failed, Opened
from socklab.limits import Limits
from socklab.policy.access import Access
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import DatagramTestPeer, MemoryServer
from socklab.transports.guard import isLoopback, isOwnAddress
from socklab.transports.outbox import MAX_PAYLOAD

STRANGER = "203.0.113.7"


def drops(server: MemoryServer) -> list[str]:
    """Give the reasons that were told."""
    return [each.reason for each in server.events if isinstance(each, Dropped)]


def prove(peer: DatagramTestPeer) -> None:
    """Send back the code that the server sends."""
    peer.send(b"hello")
    (challenge,) = peer.receive()
    assert re.fullmatch(rb"/ok [0-9a-f]{8}", challenge)
    peer.send(challenge)


class TestWhole:
    """A datagram is a message."""

    @given(st.binary(max_size=2000))
    def test_any_bytes_come_back(self, data: bytes) -> None:
        """Echo gives back any datagram exact."""
        peer = MemoryServer(EchoFactory()).udp()
        peer.send(data)
        assert peer.receive() == [data]

    @pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, MAX_PAYLOAD])
    def test_any_size_comes_back(self, size: int) -> None:
        """Echo gives back the empty datagram and the longest one."""
        peer = MemoryServer(EchoFactory()).udp()
        peer.send(b"x" * size)
        assert peer.receive() == [b"x" * size]

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
    def test_line_end_as_the_peer_has_it(self, end: bytes) -> None:
        """A peer that ends its lines, as a terminal does, gets them ended so; one that does not, does not."""
        server = MemoryServer(ChatFactory(echo_self=True))
        peer = server.udp()
        peer.send("안녕".encode() + end)
        assert peer.receive() == ["user1: 안녕".encode() + end]


class TestPeers:
    """Who is remembered."""

    def test_idle_peer_is_forgotten(self) -> None:
        """A chat member leaves when nothing has come from it for udp_idle."""
        server = MemoryServer(ChatFactory(), limits=Limits(udp_idle=60))
        member, other = server.udp(), server.tcp()
        member.say("one")
        server.advance(59)
        member.say("two")
        server.advance(59)
        assert other.hear() == ["* user2 has joined", "user2: one", "user2: two"]
        server.advance(1)
        assert other.hear() == ["* user2 has left"]
        assert [each.reason for each in server.events if isinstance(each, Closed)] == ["silent for 60 s"]

    def test_forgotten_peer_joins_anew(self) -> None:
        """After that it is a newcomer."""
        server = MemoryServer(ChatFactory())
        member = server.udp()
        member.say("/who")
        server.advance(61)
        member.say("/who")
        assert member.hear() == ["* in lobby: user1 (you)", "* in lobby: user2 (you)"]

    def test_peers_leave_one_by_one(self) -> None:
        """Each leaves at its own time."""
        server = MemoryServer(ChatFactory())
        watcher = server.tcp()
        for _ in range(3):
            server.udp().say("/who")
            server.advance(10)
        watcher.hear()
        left = []
        for _ in range(6):
            server.advance(10)
            left.append(watcher.hear())
        assert left == [[], [], ["* user2 has left"], ["* user3 has left"], ["* user4 has left"], []]

    def test_one_leaves_with_another(self) -> None:
        """A peer whose leaving ends another one's conversation leaves the rest in order."""
        partners: list[MessageProtocol] = []

        class Partner(MessageProtocol):
            def connectionMade(self) -> None:
                partners.append(self)

            def connectionLost(self, reason: object = None) -> None:
                for each in partners:
                    each.transport.loseConnection()

        factory = Factory()
        factory.protocol = Partner
        server = MemoryServer(factory)
        for _ in range(3):
            server.udp().send(b"x")
        server.advance(61)
        assert len([each for each in server.events if isinstance(each, Closed)]) == 3

    def test_flood_leaves_others_their_turn(self) -> None:
        """After 100 datagrams the port reads no more in this turn of the reactor."""
        server = MemoryServer(EchoFactory())
        peer = server.udp()
        peer.send(b"x")
        (port,) = server._datagrams.values()
        for _ in range(99):
            port.protocol.datagramReceived(b"", ("127.0.0.1", 5000))
        assert port.maxThroughput == 0
        server.check()
        assert port.maxThroughput == 256 * 1024

    def test_as_many_as_udp_peers(self) -> None:
        """One peer more than udp_peers is not heard; that is told once."""
        server = MemoryServer(ChatFactory(), limits=Limits(udp_peers=2))
        peers = [server.udp() for _ in range(4)]
        for peer in peers:
            peer.say("/who")
        assert [peer.hear() for peer in peers] == [
            ["* in lobby: user1 (you)", "* user2 has joined"],
            ["* in lobby: user1, user2 (you)"],
            [],
            [],
        ]
        assert drops(server) == ["there are 2 peers already"]
        peers[0].say("/quit")
        peers[2].say("/who")
        assert len(peers[2].receive()) == 1

    def test_echo_and_oneshot_keep_nothing(self) -> None:
        """Nothing of a peer stays behind after its datagram, and no event tells of a beginning or an end."""
        for factory in (EchoFactory(), OneShotFactory()):
            server = MemoryServer(factory, limits=Limits(udp_peers=1))
            for number in range(5000):
                peer = server.udp(STRANGER, 1024 + number)
                peer.send(b"x")
                assert peer.receive() == [b"x"]
            (port,) = server._datagrams.values()
            assert port.protocol._peers == {}
            assert len(port.protocol._rate._slots) <= 1024
            assert not any(isinstance(each, Opened | Closed) for each in server.events)

    def test_greeting_has_the_peers_line_end(self) -> None:
        """What is sent before the first datagram is handled ends as that does."""
        server = MemoryServer(ChatFactory(greeting="hello"))
        terminal, program = server.udp(), server.udp()
        terminal.send(b"/who\n")
        program.send(b"/who")
        assert terminal.receive()[0] == b"hello\n"
        assert program.receive()[0] == b"hello"


class TestSharedProtocol:
    """A Factory with `sharesProtocol`: one protocol answers all."""

    def test_each_gets_its_own(self) -> None:
        """Each answer goes to whoever has sent the datagram, and `peer` is that one."""
        built: list[MessageProtocol] = []

        class Who(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(b"%b from %d" % (payload, self.transport.peer.port), isBinary)

        class WhoFactory(Factory):
            keepsPeers = False
            sharesProtocol = True

            def buildProtocol(self, addr: object) -> Who:
                built.append(Who())
                return built[-1]  # type: ignore[return-value]

        factory = WhoFactory()
        factory.protocol = Who
        server = MemoryServer(factory, traffic=False)
        peers = [server.udp(port=port) for port in (5001, 5002)]
        for _ in range(3):
            for peer in peers:
                peer.send(b"hello")
        assert [peer.receive() for peer in peers] == [[b"hello from 5001"] * 3, [b"hello from 5002"] * 3]
        # One for the first datagram of each, before it is known that it may be answered.
        assert len(built) == 3

    def test_rules_hold_from_their_change_on(self) -> None:
        """An address that was answered is not when a reload forbids it, or when a port of ours has it."""
        server = MemoryServer(EchoFactory(), traffic=False)
        peer, other = server.udp(port=5001), server.udp(port=5002)
        for each in (peer, other, peer, other):
            each.send(b"x")
        (port,) = server._datagrams.values()
        port.protocol.serving.udpPorts.add(5002)
        for each in (peer, other):
            each.send(b"y")
        server.gate.configure(Access(["deny all"]), Limits())
        peer.send(b"z")
        assert (peer.receive(), other.receive()) == ([b"x", b"x", b"y"], [b"x", b"x"])

    def test_stranger_gets_no_more_than_it_sent(self) -> None:
        """An answer to an unproved address is at most one, no longer than the request, 1000 in a second."""

        class Longer(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(payload[1:], isBinary)
                self.transport.sendMessage(payload, isBinary)
                self.transport.sendMessage(payload * 2, isBinary)

        factory = Factory()
        factory.protocol = Longer
        factory.keepsPeers, factory.sharesProtocol = False, True
        server = MemoryServer(factory, traffic=False)
        stranger, neighbour = server.udp(STRANGER), server.udp()
        for _ in range(1500):
            stranger.send(b"ab")
        neighbour.send(b"ab")
        neighbour.send(b"ab")
        assert stranger.receive() == [b"b"] * 1000
        assert neighbour.receive() == [b"b", b"ab", b"abab"] * 2

    def test_answers_that_take_long_are_bounded(self) -> None:
        """No more than udp_peers datagrams are being answered at once."""

        class Slow(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> Deferred[None]:
                return Deferred()

        factory = Factory()
        factory.protocol = Slow
        factory.keepsPeers, factory.sharesProtocol = False, True
        server = MemoryServer(factory, traffic=False, limits=Limits(udp_peers=3))
        peer = server.udp()
        for _ in range(10):
            peer.send(b"x")
        assert len(server.connections) == 3
        assert drops(server) == ["3 datagrams are being answered already"]

    def test_one_that_does_more_is_left_alone(self) -> None:
        """A protocol that raises, waits or closes harms no other datagram; each still gets its own answer."""

        class Busy(MessageProtocol):
            async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                if payload == b"bug":
                    raise ZeroDivisionError
                later: Deferred[None] = Deferred()
                self.transport.clock.callLater(1, later.callback, None)
                await later
                self.transport.sendMessage(payload, isBinary)

        class Closing(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(payload, isBinary)
                self.transport.loseConnection()

        for kind in (Busy, Closing):
            factory = Factory()
            factory.protocol = kind
            factory.keepsPeers, factory.sharesProtocol = False, True
            server = MemoryServer(factory, traffic=False, raising=False)
            peers = [server.udp() for _ in range(3)]
            for word in (b"1", b"2", b"bug", b"3"):
                for peer in peers:
                    peer.send(word)
            server.advance(1)
            wanted = [b"1", b"2", b"3"] if kind is Busy else [b"1", b"2", b"bug", b"3"]
            assert [peer.receive() for peer in peers] == [wanted] * 3


class TestNoWeapon:
    """Answers to addresses that are not proved."""

    def test_answer_never_exceeds_the_request(self) -> None:
        """A longer answer is not sent but counted, and told once; loopback is trusted."""
        server = MemoryServer(OneShotFactory(reply="{request}{request}"))
        stranger, neighbour = server.udp(STRANGER), server.udp()
        for _ in range(3):
            stranger.send(b"abc")
            neighbour.send(b"abc")
        assert stranger.receive() == []
        assert neighbour.receive() == [b"abcabc"] * 3
        assert drops(server) == ["an answer to an unproved address would exceed its request"]

    def test_amplification_can_be_allowed(self) -> None:
        """udp_amplification = 2.0 lets an answer be twice as long."""
        server = MemoryServer(OneShotFactory(reply="{request}{request}"), limits=Limits(udp_amplification=2.0))
        stranger = server.udp(STRANGER)
        stranger.send(b"abc")
        assert stranger.receive() == [b"abcabc"]

    def test_one_answer_for_each_datagram(self) -> None:
        """A protocol that answers twice is heard once."""

        class Twice(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(b"1", isBinary)
                self.transport.sendMessage(b"2", isBinary)

        factory = Factory()
        factory.protocol = Twice
        factory.keepsPeers = False
        stranger = MemoryServer(factory).udp(STRANGER)
        stranger.send(b"hello")
        assert stranger.receive() == [b"1"]

    @pytest.mark.parametrize("host", [STRANGER, "2001:db8::7"])
    def test_chat_wants_a_proof(self, host: str) -> None:
        """A stranger joins when it has sent back the code; before that it says nothing to anybody."""
        server = MemoryServer(ChatFactory())
        member, stranger = server.tcp(), server.udp(host)
        prove(stranger)
        stranger.say("here")
        assert member.hear() == ["* user2 has joined", "user2: here"]

    def test_faults_are_told_once(self) -> None:
        """Where each datagram has a conversation of its own, the same fault makes one event, not one for each."""

        class Fussy(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                if payload == b"bug":
                    raise ZeroDivisionError
                raise PeerError("nonsense")

        factory = Factory()
        factory.protocol = Fussy
        factory.keepsPeers = False
        server = MemoryServer(factory, raising=False)
        for _ in range(100):
            server.udp(STRANGER).send(b"x")
            server.udp(STRANGER).send(b"bug")
        assert [type(each) for each in server.events if isinstance(each, Cut | Failed)] == [Cut, Failed]

    def test_one_code_a_second(self) -> None:
        """An address gets at most one code a second, whatever its ports."""
        server = MemoryServer(ChatFactory())
        first, second = server.udp(STRANGER), server.udp(STRANGER)
        for _ in range(10):
            first.say("x")
            second.say("x")
        assert (len(first.receive()), len(second.receive())) == (1, 0)
        server.advance(1)
        second.say("x")
        assert len(second.receive()) == 1

    def test_code_of_another_address_proves_nothing(self) -> None:
        """A code is good for the address and port that it was sent to, and for two minutes at most."""
        server = MemoryServer(ChatFactory())
        stranger, thief = server.udp(STRANGER), server.udp("198.51.100.1")
        stranger.say("x")
        (code,) = stranger.receive()
        thief.send(code)
        assert thief.receive() != []
        assert not any(isinstance(each, Opened) for each in server.events)
        server.advance(121)
        stranger.send(code)
        assert not any(isinstance(each, Opened) for each in server.events)

    def test_no_answer_to_services_of_old(self) -> None:
        """No answer goes to a source port below 1024 elsewhere: echo and chargen would answer it, for ever."""
        server = MemoryServer(EchoFactory())
        chargen, local = server.udp(STRANGER, 19), server.udp(port=19)
        chargen.send(b"x")
        local.send(b"x")
        assert (chargen.receive(), local.receive()) == ([], [b"x"])

    def test_no_answer_to_itself(self) -> None:
        """A datagram whose source is this very port is not answered: it would be its own client for ever."""
        server = MemoryServer(EchoFactory())
        itself, elsewhere = server.udp(port=7), server.udp(STRANGER, 1234)
        itself.send(b"x")
        elsewhere.send(b"x")
        assert (itself.receive(), elsewhere.receive()) == ([], [b"x"])
        assert drops(server) == ["its source is a port of this server: the answers would never end"]

    def test_rate(self) -> None:
        """A peer elsewhere gets at most 1000 answers a second; on loopback there is no limit unless one is set."""
        server = MemoryServer(EchoFactory())
        stranger, neighbour = server.udp(STRANGER), server.udp()
        for _ in range(1500):
            stranger.send(b"x")
            neighbour.send(b"x")
        assert (len(stranger.receive()), len(neighbour.receive())) == (1000, 1500)
        server.advance(0.5)
        for _ in range(1500):
            stranger.send(b"x")
        assert len(stranger.receive()) == 500
        strict = MemoryServer(EchoFactory(), limits=Limits(udp_rate=10))
        neighbour = strict.udp()
        for _ in range(50):
            neighbour.send(b"x")
        assert len(neighbour.receive()) == 10


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Loopback addresses are known in each of their forms."""
    assert isLoopback(host) is loopback


def test_own_address() -> None:
    """An address is the machine's own if a socket can be bound to it."""
    assert isOwnAddress("127.0.0.1")
    assert not isOwnAddress("203.0.113.7")
