"""A client at the wrong port is told so, and the log tells the operator; a right one is never taken for it."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab import Factory, Framing, MessageProtocol
from socklab.events import Closed, Cut, MessageReceived
from socklab.framing import CrLines, Int8, Int16, Int32, Lines, Netstring, Raw
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer, splits
from socklab.transports.recognise import isTlsHello, onFramed, onWebSocket
from tests import wire

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: localhost\r\nupgrade: WebSocket\r\n\r\n"


def tlsHello() -> bytes:
    """Give what a real client sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = wire.trusting(None).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


HELLO = tlsHello()


class RepeatProtocol(MessageProtocol):
    """Send back what comes."""

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        self.transport.sendMessage(payload, isBinary)


class RepeatFactory(Factory):
    """Repeat."""

    protocol = RepeatProtocol
    framing = Lines


def cuts(server: MemoryServer) -> list[str]:
    """Give why peers were cut."""
    return [each.reason for each in server.events if isinstance(each, Cut)]


FRAMINGS = pytest.mark.parametrize(
    ("framing", "spoken"),
    [
        (Lines, "lines"),
        (CrLines, "lines"),
        (Netstring, "netstrings"),
        (Int8, "int8 messages"),
        (Int16, "int16 messages"),
        (Int32, "int32 messages"),
    ],
)


class TestFramed:
    """Ports that speak lines, netstrings, or messages with their length before them."""

    @FRAMINGS
    def test_http(self, framing: Callable[[int], Framing], spoken: str) -> None:
        """An HTTP request is answered with 400 and what the port speaks, and closed; the protocol sees nothing."""
        server = MemoryServer(RepeatFactory(), framing=framing)
        peer = server.tcp()
        peer.send(GET)
        assert peer.received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        body = f'This port speaks {spoken} over TCP (service "test"), not HTTP.\n'.encode()
        assert peer.received.endswith(b"\r\n\r\n" + body)
        assert peer.finished
        assert cuts(server) == [
            f"this is an HTTP request, and the port speaks {spoken} over TCP: for browsers listen on ws:"
        ]
        # Who looks sees what was asked, whole.
        assert [each.payload for each in server.events if isinstance(each, MessageReceived)] == [GET]
        peer.send(b"more")
        peer.finish()
        assert peer.closed
        assert [each.by for each in server.events if isinstance(each, Closed)] == ["server"]

    def test_head(self) -> None:
        """The answer to HEAD has no body."""
        peer = MemoryServer(RepeatFactory()).tcp()
        peer.send(b"HEAD / HTTP/1.1\r\n\r\n")
        assert peer.received.endswith(b"\r\n\r\n")

    def test_websocket(self) -> None:
        """A WebSocket handshake is called so."""
        server = MemoryServer(RepeatFactory())
        peer = server.tcp()
        peer.send(UPGRADE)
        assert peer.received.endswith(b"not WebSocket.\n")
        assert cuts(server) == ["this is a WebSocket handshake, and the port speaks lines over TCP: listen on ws:"]

    def test_within_tls(self) -> None:
        """The same within TLS."""
        server = MemoryServer(RepeatFactory())
        peer = server.tls()
        peer.send(GET)
        assert peer.received.endswith(b'lines over TLS (service "test"), not HTTP.\n')

    @FRAMINGS
    def test_tls(self, framing: Callable[[int], Framing], spoken: str) -> None:
        """A TLS hello is told in the clear that no TLS is spoken."""
        server = MemoryServer(RepeatFactory(), framing=framing)
        peer = server.tcp()
        peer.send(HELLO)
        assert peer.received == f"! this port speaks {spoken} without TLS\n".encode()
        assert peer.finished
        assert cuts(server) == [
            f"this is a TLS hello, and the port speaks plain {spoken}: connect without TLS, or listen on ssl:"
        ]

    def test_chat_hears_nothing_of_it(self) -> None:
        """A page that posts to a chat says nothing in it."""
        server = MemoryServer(ChatFactory(announce=False))
        member, page = server.tcp(), server.tcp()
        page.send(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n/nick eve\nhello\n")
        assert member.hear() == []

    def test_only_the_first_bytes(self) -> None:
        """What comes later is not looked at."""
        peer = MemoryServer(RepeatFactory()).tcp()
        peer.send(b"hello\n")
        peer.send(b"GET / HTTP/1.1\n")
        assert peer.hear() == ["hello", "GET / HTTP/1.1"]

    @given(st.binary(max_size=200))
    def test_lines_that_are_not(self, data: bytes) -> None:
        """Random bytes are never taken for either."""
        assert onFramed("x", Lines(1000), False, data) is None

    @given(st.binary(max_size=1000), st.sampled_from([Int8, Int16, Int32, Netstring]))
    def test_messages_that_are_not(self, payload: bytes, framing: Callable[[int], Framing]) -> None:
        """Nor are messages."""
        if framing is Int8:
            payload = payload[:255]
        made = framing(100_000)
        assert onFramed("x", made, False, made.frame(payload)) is None

    @pytest.mark.parametrize(
        "line", [b"GET", b"GET / ", b"get / HTTP/1.1", b"say GET / HTTP/1.1", b"GET / HTTP/1.1 ?"]
    )
    def test_lines_that_are_nearly(self, line: bytes) -> None:
        """Nor are lines that only speak of it."""
        peer = MemoryServer(RepeatFactory()).tcp()
        peer.send(line + b"\n")
        assert peer.hear() == [line.decode()]


class TestTakers:
    """Ports where anything is right."""

    @pytest.mark.parametrize("data", [GET, HELLO])
    def test_raw(self, data: bytes) -> None:
        """Echo sends it back."""
        peer = MemoryServer(EchoFactory()).tcp()
        peer.send(data)
        assert peer.received == data

    def test_framing_raw(self) -> None:
        """So does any protocol of which the config says that it is raw."""
        peer = MemoryServer(RepeatFactory(), framing=Raw).tcp()
        peer.send(GET)
        assert peer.received == GET

    @pytest.mark.parametrize("until", ["http", "line", "read"])
    def test_oneshot(self, until: str) -> None:
        """A one-shot answers it, whatever its request is."""
        server = MemoryServer(OneShotFactory(until=until, reply="yes"))  # type: ignore[arg-type]
        peer = server.tcp()
        peer.send(GET)
        assert peer.received.endswith(b"yes")
        assert cuts(server) == []

    def test_factory_that_says_so(self) -> None:
        """A Factory that speaks something like HTTP in lines says so."""

        class HttpLikeFactory(RepeatFactory):
            takesAnything = True

        peer = MemoryServer(HttpLikeFactory()).tcp()
        peer.send(b"GET / HTTP/1.1\n")
        assert peer.hear() == ["GET / HTTP/1.1"]


class TestWebSocket:
    """WebSocket ports."""

    @pytest.mark.parametrize(
        "data",
        [b"hello\n", b"hello world\n", b"\n", b"\r\n", b"\x81\x05hello", b"\x00", "안녕".encode(), b"x" * 40],
    )
    def test_raw_bytes(self, data: bytes) -> None:
        """What cannot become HTTP is answered at once, and not after the time for a handshake."""
        server = MemoryServer(EchoFactory())
        peer = server.rawWebsocket()
        peer.sendBytes(data)
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert peer.response.endswith(
            b'This port speaks WebSocket (service "test"): use new WebSocket("ws://...").\n'
        )
        assert peer.finished
        assert cuts(server) == [
            "this is no HTTP, with which WebSocket begins: use a WebSocket client, or listen without ws:"
        ]

    def test_tls(self) -> None:
        """A TLS hello is told so."""
        server = MemoryServer(EchoFactory())
        peer = server.rawWebsocket()
        peer.sendBytes(HELLO)
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert cuts(server) == [
            "this is a TLS hello, and the port speaks WebSocket without TLS: use ws://, or listen on ws:ssl:"
        ]

    def test_wss(self) -> None:
        """Within TLS it is wss: that is spoken."""
        foreign = onWebSocket("x", True, b"hello\n")
        assert foreign is not None
        assert b'"wss://..."' in foreign.answer

    def test_handshakes_in_parts(self) -> None:
        """A handshake is one, wherever the network cuts it."""
        for first, rest in splits(UPGRADE):
            assert not first or onWebSocket("x", False, first) is None, first
            assert onWebSocket("x", False, first + rest) is None

    def test_byte_by_byte(self) -> None:
        """A handshake that dribbles in is answered."""
        peer = MemoryServer(EchoFactory()).rawWebsocket()
        peer.dribble(
            b"GET /"
            + b"x" * 2000
            + b" HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 101 ")


def test_hello_in_parts() -> None:
    """Ten bytes of a hello are enough, and as many as are needed."""
    for first, _ in splits(HELLO):
        assert isTlsHello(first) == (len(first) >= 10)
