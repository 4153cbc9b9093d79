"""Who is not let in learns it as the config says, and nobody else is disturbed. In memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Factory as TwistedFactory
from twisted.internet.protocol import Protocol
from twisted.protocols.wire import Echo

from socklab import Factory, MessageProtocol
from socklab.events import Closed, Dropped, Event, Failed, Opened, Refused
from socklab.framing import Int16
from socklab.limits import Limits
from socklab.policy.origin import PagePolicy
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer

BAD, GOOD = "10.0.0.5", "10.0.0.6"
ACCESS = [f"deny {BAD}", "allow all"]
STREAMS = ["tcp", "tls"]


def served(
    refusal: str = "close", factory: Any = None, access: list[str] = ACCESS, **limits: float
) -> MemoryServer:
    """Give an echo server that does not let BAD in."""
    given_ = Limits(**limits)  # type: ignore[arg-type]
    return MemoryServer(factory or EchoFactory(), access=access, refusal=refusal, limits=given_)


def refusals(server: MemoryServer) -> list[tuple[str, str, str]]:
    """Give transport, host and key of those that were refused."""
    return [(each.peer.kind, each.peer.host, each.rule) for each in server.events if isinstance(each, Refused)]


def kinds(server: MemoryServer, *which: type[Event]) -> int:
    """Give how many events of a kind there were."""
    return sum(isinstance(each, which) for each in server.events)


def plain() -> TwistedFactory:
    """Give a Factory that has never heard of socklab."""
    return TwistedFactory.forProtocol(Echo)


class TestStreams:
    """TCP, TLS and Unix sockets."""

    @pytest.mark.parametrize("transport", STREAMS)
    def test_close(self, transport: str) -> None:
        """By default it is closed at once, without a word, and its protocol is never built."""
        server = served()
        peer = getattr(server, transport)(BAD)
        assert (peer.closed, peer.received) == (True, b"")
        assert kinds(server, Opened, Closed) == 0
        assert refusals(server) == [("tcp", BAD, "access")]

    @pytest.mark.parametrize("transport", STREAMS)
    def test_reset(self, transport: str) -> None:
        """`reset` ends it with RST, which says not even that somebody was there to close."""
        server = served("reset")
        peer = getattr(server, transport)(BAD)
        assert (peer.closed, peer.finished, peer.received) == (True, False, b"")
        assert len(refusals(server)) == 1

    def test_tell(self) -> None:
        """`tell` sends one line, then FIN; what the peer sends is ignored, and its FIN ends it."""
        server = served("tell")
        peer = server.tcp(BAD)
        assert peer.received == b"! refused: access\n"
        assert (peer.finished, peer.closed) == (True, False)
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        peer.finish()
        server.advance(0)
        assert peer.closed
        assert peer.received == b"! refused: access\n"
        assert kinds(server, Opened, Closed, Failed) == 0

    def test_tell_over_tls(self) -> None:
        """Over TLS the line comes after the handshake."""
        server = served("tell")
        peer = server.tls(BAD)
        assert peer.received == b"! refused: access\n"
        assert peer.finished

    def test_tell_in_the_framing(self) -> None:
        """The line is a message of the listener's framing, so that a client can read it."""
        server = MemoryServer(EchoFactory(), framing=Int16, access=ACCESS, refusal="tell")
        assert server.tcp(BAD).received == b"\x00\x11! refused: access"

    def test_plain_factory_is_not_told(self) -> None:
        """What a plain Twisted Factory speaks nobody knows: its peers are closed without a word."""
        for style in ("close", "tell", "reset"):
            server = served(style, plain())
            peer = server.tcp(BAD)
            assert (peer.closed, peer.received) == (True, b"")
            other = server.tcp(GOOD)
            other.send(b"hello")
            assert other.receive() == b"hello"

    def test_unix(self) -> None:
        """A Unix peer is about `all` only."""
        server = MemoryServer(EchoFactory(), access=["allow 0.0.0.0/0", "deny all"], refusal="tell")
        assert server.unix().received == b"! refused: access\n"
        assert refusals(server) == [("unix", "", "access")]
        peer = served().unix()
        peer.say("hello")
        assert peer.hear() == ["hello"]

    def test_told_peer_may_not_stay(self) -> None:
        """Who was told and does not go is cut after two seconds."""
        server = served("tell")
        peer = server.tcp(BAD)
        server.advance(1.9)
        assert not peer.closed
        server.advance(0.1)
        assert peer.closed
        assert not server.clock.getDelayedCalls()

    def test_told_peer_may_not_flood(self) -> None:
        """Who was told and goes on sending is cut after 64 KiB."""
        server = served("tell")
        peer = server.tcp(BAD)
        peer.send(b"x" * 65536)
        assert not peer.closed
        peer.send(b"x")
        assert peer.closed
        assert not server.clock.getDelayedCalls()

    def test_only_a_hundred_are_told_at_a_time(self) -> None:
        """Of a flood a hundred are told at a time, the others closed without a word; then others are told."""
        server = served("tell")
        told = [server.tcp(BAD) for _ in range(150)]
        assert [bool(each.received) for each in told] == [True] * 100 + [False] * 50
        server.advance(2)
        assert all(each.closed for each in told)
        assert server.tcp(BAD).received

    def test_vanished_while_told(self) -> None:
        """Who is gone before it has read the line leaves nothing behind."""
        server = served("tell")
        for _ in range(300):
            peer = server.tcp(BAD)
            peer.stopReading()
            peer.reset()
        assert not server.clock.getDelayedCalls()
        assert all(server.tcp(BAD).received for _ in range(100))


class TestWebSocket:
    """The answer to a refused handshake is one of HTTP."""

    @pytest.mark.parametrize(
        ("access", "limits", "status"),
        [
            (ACCESS, {}, 403),
            (["allow all"], {"per_address": 1}, 429),
            (["allow all"], {"max_connections": 1}, 503),
            (["allow all"], {"accept_rate_per_address": 1}, 429),
            (["allow all"], {"accept_rate": 1}, 503),
        ],
    )
    def test_tell(self, access: list[str], limits: dict[str, float], status: int) -> None:
        """`tell`: 403, 429 or 503, when the request has come, and which key decided, but nothing of others."""
        server = served("tell", access=access, **limits)
        if limits:
            server.websocket(BAD)
        peer = server.websocket(BAD)
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 %d " % status)
        assert (b"\r\nRetry-After: 5\r\n" in peer.response) == (status != 403)
        key = next(iter(limits), "access")
        assert peer.response.endswith(f"\r\n\r\nRefused: {key}.\n".encode())
        assert (peer.finished, peer.closed) == (True, False)
        assert refusals(server) == [("websocket", BAD, key)]

    def test_tell_waits_for_the_request(self) -> None:
        """An answer before the request would be none: nothing is sent until it has come, or two seconds."""
        server = served("tell")
        peer = server.rawWebsocket(BAD)
        server.advance(1.9)
        assert not peer.finished
        server.advance(0.1)
        assert peer.closed

    @pytest.mark.parametrize("style", ["close", "reset"])
    def test_others(self, style: str) -> None:
        """Else it is closed, or reset, before it has said a word."""
        peer = served(style).rawWebsocket(BAD)
        peer.frames()
        assert (peer.closed, peer.response) == (True, b"")

    @pytest.mark.parametrize("style", ["close", "tell", "reset"])
    @pytest.mark.parametrize(
        ("headers", "path", "status", "key"),
        [
            ("Origin: https://evil.com\r\n", "/chat", 403, "websocket.origins"),
            ("Origin: null\r\n", "/chat", 403, "websocket.origins"),
            ("", "/", 404, "websocket.paths"),
        ],
    )
    def test_pages(self, style: str, headers: str, path: str, status: int, key: str) -> None:
        """A page that is not welcome gets 403, another path 404, whatever the style, but for `reset`."""
        pages = PagePolicy(paths=["/chat"], loopback=True)
        server = MemoryServer(EchoFactory(), refusal=style, pages=pages)
        peer = server.websocket(path=path, headers=headers)
        peer.frames()
        if style == "reset":
            assert (peer.closed, peer.response) == (True, b"")
        else:
            assert peer.response.startswith(b"HTTP/1.1 %d " % status)
            assert peer.finished
        assert refusals(server) == [("websocket", "127.0.0.1", key)]
        assert kinds(server, Opened, Failed) == 0
        peer.reset()
        assert server.gate.connections == 0

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("Host: evil.com\r\n", 403),
            ("Host: evil.com:99999999\r\n", 400),
            ("Host: localhost:99999\r\n", 403),
            ("Host: localhost\r\nHost: localhost\r\n", 400),
            ("Host: localhost\r\nHost: evil.com\r\n", 400),
            ("", 400),
            ("Host:\r\n", 403),
        ],
    )
    def test_rebound_names(self, host: str, status: int) -> None:
        """A Host that is absent, doubled, no host, or another's ends the handshake."""
        server = served()
        peer = server.rawWebsocket()
        peer.sendBytes(
            f"GET / HTTP/1.1\r\n{host}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        peer.frames()
        assert peer.response[:12] in (b"HTTP/1.1 %d" % status, b"HTTP/1.1 400", b"HTTP/1.1 403")
        assert kinds(server, Opened) == 0
        peer.reset()
        assert server.gate.connections == 0

    def test_doubled_origin(self) -> None:
        """Two Origins are none."""
        server = served()
        peer = server.websocket(headers="Origin: http://localhost\r\nOrigin: https://evil.com\r\n")
        peer.frames()
        assert peer.response[:10] == b"HTTP/1.1 4"
        assert kinds(server, Opened) == 0

    def test_plain_factory(self) -> None:
        """A plain Factory behind WebSocket is refused in HTTP, too."""
        peer = served("tell", plain()).websocket(BAD)
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 403 ")


class TestDatagrams:
    """UDP has no connections: an address that is not welcome is not answered."""

    @pytest.mark.parametrize("style", ["close", "reset"])
    @pytest.mark.parametrize("factory", [EchoFactory, ChatFactory])
    def test_silence(self, style: str, factory: Callable[[], Any]) -> None:
        """Nothing is sent, and the refusal is an event."""
        server = served(style, factory())
        peer = server.udp(BAD)
        peer.send(b"x" * 1000)
        assert peer.receive() == []
        assert refusals(server) == [("udp", BAD, "access")]

    @pytest.mark.parametrize("factory", [EchoFactory, ChatFactory])
    def test_tell(self, factory: Callable[[], Any]) -> None:
        """`tell`: the word is shorter than what came, or there is none."""
        server = served("tell", factory())
        peer = server.udp(BAD)
        word = b"! refused: access"
        for size, answer in ((0, []), (len(word), []), (len(word) + 1, [word]), (1000, [word])):
            peer.send(b"x" * size)
            assert peer.receive() == answer

    def test_two_refuse_each_other(self) -> None:
        """What two servers tell each other ends: the word is not answered with a word."""
        server = served("tell")
        peer = server.udp(BAD)
        peer.send(b"x" * 100)
        (word,) = peer.receive()
        peer.send(word)
        assert peer.receive() == []

    def test_low_ports_and_the_rate(self) -> None:
        """Refusals are answers, too: none goes to a port below 1024, and `udp_rate` bounds them."""
        server = served("tell", udp_rate=2)
        low = server.udp(BAD, port=53)
        low.send(b"x" * 100)
        assert low.receive() == []
        peer = server.udp(BAD)
        for _ in range(10):
            peer.send(b"x" * 100)
        assert len(peer.receive()) == 2

    def test_members_are_counted(self) -> None:
        """A remembered datagram peer is a connection of the service; the one that is forgotten makes room."""
        server = MemoryServer(ChatFactory(), limits=Limits(max_connections=2, udp_idle=60))
        first, second, third = server.udp(), server.udp(), server.udp()
        for peer in (first, second, third):
            peer.say("hello")
        assert refusals(server) == [("udp", "127.0.0.1", "max_connections")]
        assert server.tcp().closed
        server.advance(60)
        assert server.gate.connections == 0
        third.say("hello")
        assert server.gate.connections == 1

    def test_stateless_are_not(self) -> None:
        """Who is answered and forgotten is no connection."""
        server = served(max_connections=1)
        for _ in range(5):
            peer = server.udp(GOOD)
            peer.send(b"hello")
            assert peer.receive() == [b"hello"]
        assert server.gate.connections == 0


class Refusing(MessageProtocol):
    """Fails where it is told to."""

    where = ""

    def connectionMade(self) -> None:
        """Begin."""
        if self.where == "connectionMade":
            raise ZeroDivisionError

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Take a message."""
        raise ZeroDivisionError


class FaultyFactory(Factory):
    """Fails in each way that a Factory can."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def buildProtocol(self, addr: Any) -> Any:
        """Fail, or build what will."""
        if self.fault == "raises":
            raise ZeroDivisionError
        if self.fault == "none":
            return None
        if self.fault == "nonsense":
            return object()
        protocol = Refusing()
        protocol.where = self.fault
        return protocol


class TestCounts:
    """Whatever happens to a connection, it is counted out once."""

    @pytest.mark.parametrize("fault", ["raises", "none", "nonsense", "connectionMade", "messageReceived"])
    @pytest.mark.parametrize("transport", ["tcp", "tls", "unix", "udp", "websocket"])
    def test_faulty_protocols(self, fault: str, transport: str) -> None:
        """A protocol that fails is no connection any more."""
        server = MemoryServer(FaultyFactory(fault), raising=False, limits=Limits(max_connections=1))
        for _ in range(3):
            peer = getattr(server, transport)()
            peer.send(b"hello") if hasattr(peer, "send") else peer.sendMessage(b"hello", True)
            server.advance(0)
            if hasattr(peer, "reset"):
                peer.reset()
            assert server.gate.connections == 0
        assert not refusals(server)

    @pytest.mark.parametrize("fault", ["raises", "none"])
    def test_faulty_plain_factories(self, fault: str) -> None:
        """A plain Factory that fails, too."""

        class Faulty(TwistedFactory):
            def buildProtocol(self, addr: Any) -> Any:
                if fault == "raises":
                    raise ZeroDivisionError

        server = MemoryServer(Faulty(), limits=Limits(max_connections=1))
        for _ in range(3):
            if fault == "raises":
                with pytest.raises(ZeroDivisionError):
                    server.tcp()
            else:
                assert server.tcp().closed
        assert server.gate.connections == 0

    def test_plain_protocol_that_hears_it_twice(self) -> None:
        """A plain protocol whose connectionLost is called twice, or fails, is counted out once."""

        class Fails(Protocol):
            def connectionLost(self, reason: Any = None) -> None:
                raise ZeroDivisionError

        server = MemoryServer(TwistedFactory.forProtocol(Fails))
        kept = server.tcp()
        for _ in range(2):
            peer = server.tcp()
            with pytest.raises(ZeroDivisionError):
                peer.reset()
        assert server.gate.connections == 1
        protocol = kept._wire._protocol
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                protocol.connectionLost()
        assert server.gate.connections == 0

    def test_plain_protocol_without_room(self) -> None:
        """A plain protocol that cannot be told of its end is an error, and no connection."""

        class Slots:
            __slots__ = ()

            def connectionLost(self, reason: Any = None) -> None:
                """End."""

        class Builds(TwistedFactory):
            def buildProtocol(self, addr: Any) -> Any:
                return Slots()

        server = MemoryServer(Builds())
        with pytest.raises(AttributeError):
            server.tcp()
        assert server.gate.connections == 0

    def test_handshakes_that_never_end(self) -> None:
        """Who has connected and not shaken hands is counted, and counted out when it is cut."""
        server = served(max_connections=2)
        first, second = server.rawWebsocket(), server.rawWebsocket()
        assert server.tcp().closed
        server.advance(5)
        assert first.closed
        assert second.closed
        assert server.gate.connections == 0

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), max_size=60))
    def test_churn(self, steps: list[tuple[int, int]]) -> None:
        """In any order of coming, talking and going, the counts are exact, and in the end nothing is left."""
        server = MemoryServer(
            ChatFactory(), access=ACCESS, refusal="tell", limits=Limits(max_connections=6, per_address=3)
        )
        inside: list[Any] = []
        for action, number in steps:
            host = f"10.0.0.{5 + number % 4}"
            if action < 5:
                room = server.gate.connections < 6
                before = server.gate.connections
                if action == 0:
                    inside.append(server.tcp(host))
                elif action == 1:
                    inside.append(server.websocket(host))
                elif action == 2:
                    inside.append(server.rawWebsocket(host))
                elif action == 3:
                    inside.append(server.unix())
                else:
                    inside.append(server.websocket(host, headers="Origin: https://evil.com\r\n"))
                assert server.gate.connections - before in ((0, 1) if room else (0,))
            elif inside:
                peer = inside[number % len(inside)]
                if action == 5:
                    peer.reset()
                elif action == 6:
                    peer.finish()
                elif action == 7:
                    peer.dribble(b"GET / HTTP/1.1\r\n\r\n")
                elif action == 8:
                    server.advance(number / 8)
                elif hasattr(peer, "close"):
                    peer.close()
                else:
                    peer.dribble(b"/quit\n")
            assert 0 <= server.gate.connections <= 6
        for peer in inside:
            peer.reset()
        assert (server.gate.connections, server.gate._perAddress) == (0, {})
        server.advance(5)
        assert not [each for each in server.clock.getDelayedCalls() if each.getTime() < server.clock.seconds()]


class TestOthers:
    """Nobody else is disturbed."""

    @pytest.mark.parametrize("style", ["close", "tell", "reset"])
    def test_members_talk_on(self, style: str) -> None:
        """While a flood is refused on every transport, members of a chat hear each other, and nothing else."""
        server = served(style, ChatFactory())
        members = [server.tcp(GOOD), server.websocket(GOOD), server.unix()]
        for member in members:
            member.hear()
        for _ in range(200):
            for come in (server.tcp, server.tls, server.websocket, server.rawWebsocket):
                come(BAD)
            server.udp(BAD).send(b"x" * 100)
        for member in members:
            member.say("hello")
        assert {len(member.hear()) for member in members} == {2}
        server.advance(10)
        assert kinds(server, Opened) == 3
        assert kinds(server, Closed, Failed, Dropped) == 0
        assert server.gate.connections == 3

    def test_refused_ones_are_no_connections(self) -> None:
        """Who is told does not keep the server from stopping."""
        server = served("tell")
        server.tcp(BAD)
        assert len(server.connections) == 0
