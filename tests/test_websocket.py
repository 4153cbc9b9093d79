"""WebSocket: the handshake, messages and close codes that RFC 6455 asks for, and the limits, in memory."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socklab import Factory, MessageProtocol
from socklab.events import Closed, Cut, Failed, Opened
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer, WebSocketPeer, clientFrame
from socklab.transports.websocket.deflate import deflated

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10

REQUEST = (
    b"GET /path?q=1 HTTP/1.1\r\nHost: localhost:8000\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Origin: http://localhost\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def echo(**limits: float) -> tuple[MemoryServer, WebSocketPeer]:
    """Give an echo server and a peer that has shaken hands."""
    server = MemoryServer(EchoFactory(), limits=Limits(**limits))  # type: ignore[arg-type]
    return server, server.websocket()


def closeCode(peer: WebSocketPeer) -> int | None:
    """Give the code that the server closed with."""
    peer.frames()
    return peer.closeCode


def deflatedAlone(payload: bytes) -> bytes:
    """Give a message as who compresses no other one does."""
    press = zlib.compressobj(wbits=-15)
    return (press.compress(payload) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]


class TestHandshake:
    """Until the connection is open."""

    def test_answer(self) -> None:
        """The answer is the one of RFC 6455, 1.3."""
        peer = MemoryServer(EchoFactory()).rawWebsocket()
        peer.sendBytes(REQUEST)
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in peer.response
        assert b"Extensions" not in peer.response

    def test_at_every_split(self) -> None:
        """The request may come in any pieces, and the first frames with it."""
        whole = REQUEST + clientFrame(TEXT, b"hi")
        for cut in range(1, len(whole)):
            peer = MemoryServer(EchoFactory()).rawWebsocket()
            peer.sendBytes(whole[:cut])
            peer.sendBytes(whole[cut:])
            assert peer.hear() == ["hi"]

    def test_peer_is_known(self) -> None:
        """The protocol knows path, origin and headers of the handshake."""
        server = MemoryServer(EchoFactory())
        server.rawWebsocket().sendBytes(REQUEST)
        (opened,) = [each for each in server.events if isinstance(each, Opened)]
        assert (opened.peer.path, opened.peer.origin) == ("/path", "http://localhost")
        assert opened.peer.headers["host"] == "localhost:8000"

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
            (b"GET / HTTP/1.0\r\n\r\n", 426),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 426),
            (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
            (REQUEST.replace(b"Version: 13", b"Version: 7"), 426),
            (REQUEST.replace(b"GET ", b"PUT "), 405),
            (REQUEST.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
            (REQUEST.replace(b"Host: localhost:8000\r\n", b""), 400),
            (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nX: " + b"y" * 70000, 431),
        ],
    )
    def test_what_is_none(self, request_: bytes, status: int) -> None:
        """What is no handshake gets an HTTP answer that says so, and the connection ends."""
        server = MemoryServer(EchoFactory())
        peer = server.rawWebsocket()
        peer.sendBytes(request_)
        peer.frames()
        head, _, body = peer.response.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert (b"\r\nUpgrade: websocket\r\n" in head) == (status == 426)
        assert body.count(b"\n") == (0 if request_.startswith(b"HEAD") else 1)
        assert peer.finished
        assert [type(each) for each in server.events] == [Cut]

    def test_too_slow(self) -> None:
        """Who has not shaken hands within handshake_timeout is cut, even when it dribbles."""
        server = MemoryServer(EchoFactory(), limits=Limits(handshake_timeout=5))
        peer = server.rawWebsocket()
        for byte in REQUEST[:5]:
            assert not peer.closed
            peer.sendBytes(bytes([byte]))
            server.advance(1)
        assert peer.closed
        assert [each.reason for each in server.events if isinstance(each, Cut)] == [
            "no WebSocket handshake within 5 s"
        ]

    def test_head_is_bounded(self) -> None:
        """The limit is exact, and does not count what follows the head."""
        size = len(REQUEST)
        for limit, opened in ((size, True), (size - 1, False)):
            server = MemoryServer(EchoFactory(), limits=Limits(handshake_bytes=limit))
            peer = server.rawWebsocket()
            peer.sendBytes(REQUEST + clientFrame(BINARY, b"x" * 1000))
            assert (peer.receive() == [(b"x" * 1000, True)]) is opened

    def test_subprotocol(self) -> None:
        """The first of the client's subprotocols that the Factory knows is agreed on."""
        factory = EchoFactory()
        factory.subprotocols = ("b", "a")
        peer = MemoryServer(factory).websocket(subprotocols="x, a, b")
        peer.frames()
        assert b"\r\nSec-WebSocket-Protocol: a\r\n" in peer.response


class TestMessages:
    """Data frames."""

    @given(st.text(max_size=300), st.binary(max_size=300))
    def test_kinds_are_kept_apart(self, text: str, data: bytes) -> None:
        """Text comes back as text, binary as binary."""
        _, peer = echo()
        peer.sendMessage(text.encode(), False)
        peer.sendMessage(data, True)
        assert peer.receive() == [(text.encode(), False), (data, True)]

    @pytest.mark.parametrize("size", [0, 125, 126, 127, 65535, 65536, 1024 * 1024])
    def test_sizes(self, size: int) -> None:
        """Each form of the length works, both ways."""
        _, peer = echo()
        peer.sendMessage(b"x" * size, True)
        assert peer.receive() == [(b"x" * size, True)]

    def test_fragments(self) -> None:
        """A fragmented message, with a ping between its frames, is one message; its text may be cut anywhere."""
        _, peer = echo()
        text = "한글".encode()
        peer.sendFrame(TEXT, text[:1], fin=False)
        peer.sendFrame(PING, b"still there?")
        peer.sendFrame(CONTINUED, text[1:4], fin=False)
        peer.sendFrame(CONTINUED, text[4:])
        assert [(each.opcode, each.payload) for each in peer.frames()] == [(PONG, b"still there?"), (TEXT, text)]

    def test_byte_by_byte(self) -> None:
        """Frames may come in any pieces."""
        _, peer = echo()
        for byte in clientFrame(TEXT, "안녕".encode()) + clientFrame(BINARY, b"\x00\xff"):
            peer.sendBytes(bytes([byte]))
        assert peer.receive() == [("안녕".encode(), False), (b"\x00\xff", True)]

    def test_many_lines_in_one_message(self) -> None:
        """A message of very many lines is relayed whole, a hundred lines at a time."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False))
        sender, reader = server.websocket(), server.tcp()
        seen: list[int] = []
        later = server.clock.callLater
        # What is said to all in two turns leaves then.
        later(0, later, 0, later, 0, lambda: seen.append(reader.received.count(b"\n")))
        sender.say("\n".join(map(str, range(5000))))
        sender.say("after")
        assert seen == [200]
        assert reader.hear() == [*map(str, range(5000)), "after"]


class TestLimits:
    """What goes too far."""

    def test_message_limit_is_exact(self) -> None:
        """A message of exactly the limit passes; one byte more is 1009, in one frame or in several."""
        for pieces in ([1000], [500, 500], [1001], [1000, 1], [0, 1001]):
            server, peer = echo(message=1000)
            for index, size in enumerate(pieces):
                peer.sendFrame(CONTINUED if index else BINARY, b"x" * size, fin=index == len(pieces) - 1)
            if sum(pieces) <= 1000:
                assert peer.receive() == [(b"x" * 1000, True)]
            else:
                assert peer.receive() == []
                assert (peer.closeCode, peer.finished) == (1009, True)
                assert [type(each) for each in server.events].count(Cut) == 1

    def test_announced_length_is_enough(self) -> None:
        """A frame whose header announces too much is refused before its payload comes."""
        _, peer = echo()
        peer.sendBytes(struct.pack("!BBQ", 0x82, 0x80 | 127, 64 * 1024 * 1024) + b"mask")
        assert closeCode(peer) == 1009

    def test_flood_after_1009_is_cut(self) -> None:
        """Who goes on sending after 1009 is heard for 256 KiB more, and nothing of it is kept."""
        _, peer = echo()
        peer.sendBytes(struct.pack("!BBQ", 0x82, 0x80 | 127, 64 * 1024 * 1024) + b"mask")
        for _ in range(5):
            peer.sendBytes(b"x" * 65536)
        assert peer.closed

    @pytest.mark.parametrize("payload", [b"", b"x"])
    def test_fragments_are_counted(self, payload: bytes) -> None:
        """A message in more than `fragments` frames is 1008, even when they are empty."""
        _, peer = echo(fragments=10)
        peer.sendFrame(TEXT, payload, fin=False)
        for _ in range(8):
            peer.sendFrame(CONTINUED, payload, fin=False)
        peer.sendFrame(CONTINUED, payload)
        assert peer.receive() == [(payload * 10, False)]
        peer.sendFrame(TEXT, payload, fin=False)
        for _ in range(10):
            peer.sendFrame(CONTINUED, payload, fin=False)
        assert closeCode(peer) == 1008

    def test_silent_peer_is_cut(self) -> None:
        """A ping after ping_interval; who sends nothing within ping_timeout after it is cut."""
        server, peer = echo(ping_interval=25, ping_timeout=20)
        server.advance(25)
        assert [each.opcode for each in peer.frames()] == [PING]
        server.advance(19)
        assert not peer.closed
        server.advance(1)
        assert peer.closed

    def test_any_sign_of_life_counts(self) -> None:
        """A pong keeps a peer, and so does a message; the pings go on."""
        server, peer = echo(ping_interval=25, ping_timeout=20)
        for sign in (PONG, TEXT, PONG):
            server.advance(20)
            server.advance(5)
            peer.sendFrame(sign, b"")
            server.advance(20)
        assert not peer.closed
        server.advance(25)
        server.advance(20)
        assert peer.closed
        assert [each.opcode for each in peer.frames()].count(PING) == 4

    def test_ping_flood_is_held_back(self) -> None:
        """Pings whose pongs are not read are answered until the buffer is full, then not read."""
        _, peer = echo()
        peer.stopReading()
        for _ in range(2000):
            peer.sendFrame(PING, b"x" * 125)
        assert peer.heldBack
        peer.startReading()
        assert len([each for each in peer.frames() if each.opcode == PONG]) == 2000

    def test_who_does_not_read_is_cut(self) -> None:
        """A chat member that does not read is cut when more than `pending` waits for it."""
        server = MemoryServer(ChatFactory(format="{text}"), limits=Limits(pending=100_000))
        slow, sender = server.websocket(), server.tcp()
        slow.stopReading()
        for _ in range(400):
            sender.say("z" * 999)
        assert slow.closed
        assert not sender.closed


class TestClosing:
    """The closing handshake."""

    def test_peer_closes(self) -> None:
        """A close is answered with a close, then the server ends the connection."""
        server, peer = echo()
        peer.close(1000)
        assert closeCode(peer) == 1000
        assert peer.finished
        peer.finish()
        server.check()
        assert [(each.by, each.reason) for each in server.events if isinstance(each, Closed)] == [
            ("peer", "closed, code 1000")
        ]

    def test_peer_says_why(self) -> None:
        """What the peer gives as its reason is told with the code."""
        server, peer = echo()
        peer.sendBytes(clientFrame(8, b"\x0f\xa1" + "점심".encode()))
        peer.finish()
        server.check()
        assert server.events[-1] == Closed("test", server.events[-1].peer, "peer", "closed, code 4001: 점심")

    def test_server_closes(self) -> None:
        """The server closes with 1000, and ends the connection when that is answered."""
        peer = MemoryServer(OneShotFactory()).websocket()
        peer.say("q")
        assert peer.hear() == ["q"]
        assert (peer.closeCode, peer.finished) == (1000, False)
        peer.close(1000)
        assert peer.finished

    def test_close_frame_waits_for_no_limit(self) -> None:
        """A close behind more than `pending` is sent in its turn, and nothing before it is lost."""
        factory = OneShotFactory(reply="x" * 300_000)
        server = MemoryServer(factory, limits=Limits(pending=1000))
        peer = server.websocket()
        peer.stopReading()
        peer.sendFrame(PING, b"a")
        peer.say("q")
        assert not peer.closed
        peer.startReading()
        assert [len(each) for each, _ in peer.receive()] == [300_000]
        assert peer.closeCode == 1000

    def test_closing_while_paused(self) -> None:
        """A protocol that has paused its peer and closes still hears the answer to its close."""

        class Pausing(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.pauseProducing()
                self.transport.loseConnection()

        factory = Factory()
        factory.protocol = Pausing
        peer = MemoryServer(factory).websocket()
        peer.say("x")
        assert closeCode(peer) == 1000
        peer.close()
        assert peer.finished

    def test_close_that_is_not_answered(self) -> None:
        """Who does not answer a close within the close timeout is cut."""
        server = MemoryServer(OneShotFactory(), closeTimeout=20)
        peer = server.websocket()
        peer.say("q")
        server.advance(20)
        assert peer.closed

    def test_shutdown(self) -> None:
        """On shutdown the code is 1001, and what was sent before comes first."""
        server, peer = echo()
        peer.say("last")
        server.shutDown()
        assert peer.hear() == ["last"]
        assert peer.closeCode == 1001

    def test_unfinished_handshake_on_shutdown(self) -> None:
        """A connection that has not shaken hands is closed too."""
        server = MemoryServer(EchoFactory())
        peer = server.rawWebsocket()
        gone = server.shutDown()
        server.check()
        assert peer.closed
        assert gone.called

    def test_half_close_without_close_frame(self) -> None:
        """A client that ends its stream without a close frame still gets all that it asked for."""
        server, peer = echo()
        peer.stopReading()
        peer.sendMessage(b"x" * 100_000, True)
        peer.say("last")
        peer.finish()
        server.check()
        peer.startReading()
        assert peer.receive() == [(b"x" * 100_000, True), (b"last", False)]
        assert peer.closed
        assert [(each.by, each.reason) for each in server.events if isinstance(each, Closed)] == [
            ("peer", "closed without a close frame (1006)")
        ]

    def test_half_close_after_a_plain_request(self) -> None:
        """`printf ... | ncat` gets its 426 although FIN comes with the request, and so does half a handshake."""
        server = MemoryServer(EchoFactory())
        peer = server.rawWebsocket()
        peer.stopReading()
        peer.sendBytes(b"GET / HTTP/1.0\r\n\r\n")
        peer.finish()
        peer.startReading()
        peer.frames()
        assert peer.response.startswith(b"HTTP/1.1 426 ")
        half = server.rawWebsocket()
        half.sendBytes(b"GET / HT")
        half.finish()
        server.check()
        assert peer.closed
        assert half.closed
        assert len(server.connections) == 0

    def test_peer_vanishes(self) -> None:
        """A connection that ends without a close frame is told as such."""
        server, peer = echo()
        peer.reset()
        assert [(each.by, each.reason) for each in server.events if isinstance(each, Closed)] == [
            ("peer", "reset without a close frame (1006)")
        ]

    def test_failing_protocol(self) -> None:
        """A protocol that raises closes with 1011; nobody else is affected."""

        class Broken(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                if payload == b"break":
                    raise ZeroDivisionError
                self.transport.sendMessage(payload, isBinary)

        factory = Factory()
        factory.protocol = Broken
        server = MemoryServer(factory, raising=False)
        peer, other = server.websocket(), server.websocket()
        peer.say("break")
        assert closeCode(peer) == 1011
        assert [type(each) for each in server.events if isinstance(each, Failed | Cut)] == [Failed]
        other.say("fine")
        assert other.hear() == ["fine"]


class TestDeflate:
    """permessage-deflate (RFC 7692)."""

    OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

    def deflated(self, payload: bytes) -> bytes:
        """Give a compressed message as its frame."""
        return clientFrame(TEXT, deflatedAlone(payload), rsv=4)

    def inflated(self, payload: bytes) -> bytes:
        """Give what a compressed frame of the server says."""
        return zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")

    def test_off_by_default(self) -> None:
        """Without the setting the offer is not taken."""
        peer = MemoryServer(EchoFactory()).websocket(headers=self.OFFER)
        peer.frames()
        assert b"Extensions" not in peer.response

    def test_both_ways(self) -> None:
        """A compressed message is answered compressed; each one stands for itself."""
        peer = MemoryServer(EchoFactory(), deflate=True).websocket(headers=self.OFFER)
        peer.frames()
        assert b"permessage-deflate" in peer.response
        for _ in range(2):
            peer.sendBytes(self.deflated(b"hello " * 100))
        frames = peer.frames()
        assert [each.rsv for each in frames] == [4, 4]
        for each in frames:
            assert self.inflated(each.payload) == b"hello " * 100
            assert len(each.payload) < 60

    @given(
        st.lists(
            st.binary(max_size=300) | st.integers(0, 3).map(lambda count: b"hello " * 500 * count), max_size=9
        )
    )
    @example([b"", b"", b"a", b"a"])
    def test_none_needs_another(self, payloads: list[bytes]) -> None:
        """Each message is as short as one alone, and inflates without any that was sent before it, to anybody."""
        for payload in payloads:
            small = deflated(payload, 15)
            assert self.inflated(small) == payload
            assert len(small) == len(deflatedAlone(payload))

    def test_bomb(self) -> None:
        """A message that inflates beyond the limit is 1009, and nothing of it is delivered."""
        peer = MemoryServer(EchoFactory(), deflate=True).websocket(headers=self.OFFER)
        peer.sendBytes(self.deflated(b"\x00" * 64 * 1024 * 1024))
        assert peer.receive() == []
        assert peer.closeCode == 1009

    def test_corrupt(self) -> None:
        """What cannot be inflated is 1007."""
        peer = MemoryServer(EchoFactory(), deflate=True).websocket(headers=self.OFFER)
        peer.sendFrame(TEXT, b"\xff\xff\xff\xff", rsv=4)
        assert closeCode(peer) == 1007

    def test_fan_out(self) -> None:
        """A chat line reaches members with and without compression."""
        server = MemoryServer(ChatFactory(), deflate=True)
        small, plain, sender = server.websocket(headers=self.OFFER), server.websocket(), server.tcp()
        plain.receive()
        small.receive()
        sender.say("안녕")
        assert plain.hear() == ["user3: 안녕"]
        assert [self.inflated(each.payload).decode() for each in small.frames()] == ["user3: 안녕"]
