"""WebSocket: the quick way of parsing does nothing that Autobahn's own would not do."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import fields
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from socklab import Factory, MessageProtocol, PeerError
from socklab.events import Event
from socklab.limits import Limits
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer, WebSocketPeer, clientFrame
from socklab.testing.wires import MemoryTransport
from socklab.transports.websocket import WebSocketFactory
from socklab.transports.websocket.connection import WebSocketConnection
from socklab.transports.websocket.masking import plainUnmask, unmask
from socklab.transports.websocket.reading import take
from tests.sealed import SealedPeer

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


WHOLE = [1 << 20]
"""The lengths of pieces: all at once."""
EACH: list[int] = []
"""None: each frame by itself."""


class PlainConnection(WebSocketConnection):
    """Has Autobahn parse every frame, and the handshake."""

    ordinary = staticmethod(lambda data, limit: None)

    dataReceived = take

    def deliver(self, data: bytes, position: int) -> int:
        """Take nothing."""
        return position

    def takeClose(self, data: bytes, position: int) -> int:
        """Take nothing."""
        return 0


class PlainFactory(WebSocketFactory):
    """Gives those."""

    protocol = PlainConnection


def frame(opcode: int, payload: bytes, fin: bool = True, mask: bytes = b"\x01\x82\x00\xff") -> bytes:
    """Give a frame with any mask."""
    plain = clientFrame(opcode, b"\x00" * len(payload), fin)
    head = plain[: len(plain) - len(payload) - 4]
    return head + mask + plainUnmask(payload, mask)


masks = st.binary(min_size=4, max_size=4)
sizes = st.sampled_from([0, 1, 2, 3, 5, 124, 125, 126, 127, 199, 200, 201, 300])
valid = st.one_of(
    st.builds(lambda text, mask: frame(TEXT, text.encode(), mask=mask), st.text(max_size=60), masks),
    st.builds(lambda size, mask: frame(BINARY, b"\xfe" * size, mask=mask), sizes, masks),
    st.builds(lambda size: frame(TEXT, b"a" * size), sizes),
)
control = st.one_of(
    st.builds(lambda payload: frame(PING, payload), st.binary(max_size=125)),
    st.builds(lambda payload: frame(PONG, payload), st.binary(max_size=125)),
)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """Give a message in several frames, which may be cut within a character and have others between them."""
    text = draw(st.text(min_size=1, max_size=20)).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    data = b""
    for index, piece in enumerate(pieces):
        data += frame(CONTINUED if index else TEXT, piece, fin=index == len(pieces) - 1)
        data += draw(st.one_of(st.just(b""), control)) if index < len(pieces) - 1 else b""
    return data


HOSTILE = [
    frame(TEXT, b"\xed\xa0\x80"),
    frame(TEXT, b"\xf4\x90\x80\x80"),
    frame(TEXT, b"\xc0\x80"),
    frame(TEXT, "한".encode()[:2]),
    frame(CLOSE, b""),
    frame(CLOSE, b"x"),
    frame(CLOSE, b"\x03\xe8bye"),
    # Lengths that could be written shorter, and one of 2**63.
    b"\x81\xfe\x00\x05\0\0\0\0hello",
    b"\x81\xfe\x00\x7c\0\0\0\0" + b"a" * 124,
    b"\x81\xfe\x00\x7d\0\0\0\0" + b"a" * 125,
    b"\x82\xff" + (300).to_bytes(8) + b"\0\0\0\0" + b"x" * 300,
    # Without a mask, and as long together with what follows as if there were one.
    clientFrame(BINARY, b"a" * 5, masked=False) + frame(TEXT, b"")[:4],
    clientFrame(BINARY, b"a" * 200, masked=False) + frame(TEXT, b"")[:4],
    b"\x82\xff\x80" + bytes(7) + b"mask",
    b"\x82\xff" + (70_000).to_bytes(8) + b"mask",
    b"\x82\xfe\xff\xff",
    # Text that goes wrong in the middle, at its end, and in a frame of which the rest never comes.
    frame(TEXT, b"a" * 300 + b"\xff" + b"a" * 300),
    frame(TEXT, "한".encode() * 100 + b"\xed\x95"),
    frame(TEXT, "한".encode() * 100 + b"\xed\xa0\x80" + b"a" * 300)[:-100],
    frame(TEXT, "한".encode() * 100)[:-1],
]
hostile = st.one_of(
    st.builds(lambda payload: frame(TEXT, payload), st.binary(max_size=20)),
    st.builds(lambda payload: clientFrame(TEXT, payload, masked=False), st.binary(max_size=130)),
    st.builds(lambda rsv: clientFrame(BINARY, b"x", rsv=rsv), st.integers(1, 7)),
    st.builds(lambda opcode, fin: clientFrame(opcode, b"x", fin), st.integers(0, 15), st.booleans()),
    st.builds(lambda code, why: frame(CLOSE, code.to_bytes(2) + why), st.integers(0, 5000), st.binary(max_size=9)),
    st.sampled_from(HOSTILE),
    st.binary(max_size=30),
)
streams = st.lists(st.one_of(valid, valid, valid, control, fragmented(), hostile), max_size=12)
actions = st.lists(
    st.sampled_from(["echo"] * 6 + ["say", "pause", "wait", "close", "abort", "raise", "blame", "big", "none"]),
    min_size=1,
    max_size=8,
)
limits = st.sampled_from(
    [{}, {}, {"message": 200, "fragments": 3}, {"message_rate": 2}, {"byte_rate": 100}, {"queue": 1}, {"idle": 2}]
)


class Odd(MessageProtocol):
    """Does something else with each message."""

    def __init__(self, actions: Iterator[str], seen: list[tuple[bytes, bool]]) -> None:
        self._actions = actions
        self._seen = seen

    def messageReceived(self, payload: bytes, isBinary: bool) -> Any:
        """Do it."""
        self._seen.append((payload, isBinary))
        send, clock = self.transport.sendMessage, self.transport.clock
        match next(self._actions):
            case "echo":
                send(payload, isBinary)
            case "say":
                send(payload, isBinary)
                send(b"more", False)
            case "pause":
                send(b"paused", False)
                self.transport.pauseProducing()
                clock.callLater(1, self.transport.resumeProducing)
            case "wait":
                later: Deferred[None] = Deferred()
                later.addCallback(lambda _: send(payload, isBinary))
                clock.callLater(1, lambda: later.called or later.callback(None))
                return later
            case "close":
                send(b"bye", False)
                self.transport.loseConnection()
                send(b"unheard", False)
            case "abort":
                send(b"bye", False)
                self.transport.abortConnection()
            case "raise":
                raise ZeroDivisionError
            case "blame":
                raise PeerError("nonsense")
            case "big":
                send(b"\0" * 70_000, True)
        return None


class OddFactory(Factory):
    """Gives those."""

    def __init__(self, actions: list[str]) -> None:
        self._actions = cycle(actions)
        self.seen: list[tuple[bytes, bool]] = []

    def buildProtocol(self, addr: object) -> MessageProtocol:
        """Give one."""
        return Odd(self._actions, self.seen)


def told(event: Event) -> list[object]:
    """Give an event as what can be compared."""
    said = [getattr(event, each.name) for each in fields(event)]
    return [type(event), *(repr(each.value) if isinstance(each, Failure) else each for each in said)]


def cut(stream: bytes, lengths: list[int]) -> Iterator[bytes]:
    """Give pieces of these lengths, again and again."""
    for length in cycle(lengths):
        if not stream:
            break
        yield stream[:length]
        stream = stream[length:]


def converse(
    kind: type[WebSocketFactory],
    frames: list[bytes],
    cuts: list[int],
    behaviour: list[str],
    bounds: dict[str, Any],
    deflate: bool = False,
    reads: bool = True,
    traffic: bool = True,
    counting: bool = False,
) -> tuple[object, ...]:
    """Give all that can be seen of a connection to which frames came in pieces of these lengths."""
    factory = OddFactory(behaviour)
    server = MemoryServer(factory, limits=Limits(**bounds), raising=False, deflate=deflate, traffic=traffic)
    address = IPv4Address("TCP", "127.0.0.1", 40001)
    wire = MemoryTransport(server.clock, address)
    serving = server._serving("utf-8")
    serving.counting = counting
    wire.accept(kind(serving, deflate).buildProtocol(address))
    peer = WebSocketPeer(server.check, wire)
    peer.sendBytes(HANDSHAKE)
    if not reads:
        peer.stopReading()
    for piece in cut(b"".join(frames), cuts) if cuts else frames:
        peer.sendBytes(piece)
    for _ in range(20):
        server.advance(1)
    peer.startReading()
    server.advance(1)
    code = peer.closeCode
    peer.finish()
    server.advance(30)
    counts = serving.counts
    counted = counts.received, counts.receivedBytes, counts.sent, counts.sentBytes, counts.handling.buckets()[-1]
    events = [*map(told, server.events)]
    return factory.seen, bytes(wire.received), code, wire.finished, peer.closed, counted, events


@given(
    frames=streams,
    cuts=st.sampled_from([WHOLE, EACH, EACH])
    | st.lists(st.integers(1, 40) | st.integers(100, 5000), min_size=1, max_size=4),
    behaviour=actions,
    bounds=limits,
    deflate=st.booleans(),
    reads=st.booleans(),
    traffic=st.booleans(),
    counting=st.booleans(),
)
@example([frame(TEXT, b"a")] * 300, WHOLE, ["echo"], {}, False, True, True, False)
@example([frame(TEXT, b"a")] * 5, WHOLE, ["echo", "pause"], {}, False, True, True, False)
@example([frame(TEXT, b"a")] * 5, WHOLE, ["echo", "close"], {}, False, True, True, False)
@example([frame(TEXT, b"a")] * 5, WHOLE, ["wait"], {"queue": 1}, False, True, True, False)
@example([frame(BINARY, b"b" * 201)] * 2, WHOLE, ["echo"], {"message": 200}, False, True, True, False)
@example([frame(BINARY, b"b" * 70_000)] * 3, [65536], ["echo"], {}, False, True, True, False)
@example([frame(BINARY, b"b" * 70_000)] * 3, WHOLE, ["echo"], {}, False, True, False, False)
@example([frame(TEXT, "한글 é".encode() * 9000)], [65537, 1], ["big"], {}, False, True, False, False)
@example(
    [frame(TEXT, b"a" * 150), frame(PING, b""), frame(TEXT, b"b")], [99], ["pause"], {}, False, True, True, False
)
@example([frame(TEXT, b"a")] * 300, EACH, ["echo"], {}, False, True, False, True)
@example([frame(TEXT, b"a")] * 9, EACH, ["echo", "pause", "wait", "say"], {}, False, True, False, True)
@example([frame(TEXT, b"a")] * 3, EACH, ["echo", "raise"], {}, False, True, False, False)
@example([frame(TEXT, b"a")] * 3, EACH, ["echo", "blame"], {}, False, True, False, False)
@example([frame(TEXT, b"a")] * 3, EACH, ["echo", "close"], {}, False, True, False, False)
@example(
    [frame(BINARY, b"b" * size) for size in (199, 200, 201)],
    EACH,
    ["echo"],
    {"message": 200},
    False,
    True,
    False,
    False,
)
@example(
    [frame(TEXT, b"a" * size) for size in (0, 1, 125, 126, 127, 65_535, 65_536)],
    EACH,
    ["echo"],
    {},
    False,
    True,
    False,
    True,
)
@example(
    [frame(TEXT, b"a"), frame(TEXT, "한".encode()), frame(TEXT, b"\xff")],
    EACH,
    ["echo"],
    {},
    False,
    True,
    False,
    True,
)
def test_the_same_as_autobahn(
    frames: list[bytes],
    cuts: list[int],
    behaviour: list[str],
    bounds: dict[str, Any],
    deflate: bool,
    reads: bool,
    traffic: bool,
    counting: bool,
) -> None:
    """Any stream, in any pieces, gives the same messages, bytes, close code, counts and events on both ways."""
    also = behaviour, bounds, deflate, reads, traffic, counting
    assert converse(WebSocketFactory, frames, cuts, *also) == converse(PlainFactory, frames, cuts, *also)


@pytest.mark.parametrize("stream", HOSTILE)
def test_the_same_fault(stream: bytes) -> None:
    """What is wrong is found on both ways, behind a message and before one, whole and in pieces; with nothing
    behind it, as soon."""
    for behind in (frame(TEXT, b"after"), b""):
        sent = [frame(TEXT, b"before"), stream, behind]
        for cuts in (WHOLE, EACH, [1], [100]):
            for traffic in (True, False):
                quick = converse(WebSocketFactory, sent, cuts, ["echo"], {}, traffic=traffic)
                assert quick == converse(PlainFactory, sent, cuts, ["echo"], {}, traffic=traffic)


@given(st.binary(max_size=3000), masks)
def test_unmasking(data: bytes, mask: bytes) -> None:
    """Both ways of unmasking are that of RFC 6455, 5.3."""
    expected = bytes(each ^ mask[index % 4] for index, each in enumerate(data))
    assert unmask(data, mask) == plainUnmask(data, mask) == expected


def test_answers_to_one_read_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a read asks for is answered in one write, in order, also when a ping or a close stands between."""
    peer = MemoryServer(EchoFactory()).websocket()
    writes: list[bytes] = []
    write = MemoryTransport.write

    def counted(wire: MemoryTransport, data: bytes) -> None:
        writes.append(data)
        write(wire, data)

    monkeypatch.setattr(MemoryTransport, "write", counted)
    peer.sendBytes(b"".join(frame(TEXT, b"%d" % number) for number in range(20)))
    assert len(writes) == 1
    peer.sendBytes(
        frame(TEXT, b"a") + frame(TEXT, b"b") + frame(PING, b"c") + frame(TEXT, b"d") + frame(CLOSE, b"")
    )
    answers = [(each.opcode, each.payload) for each in peer.frames()[20:]]
    assert answers == [(TEXT, b"a"), (TEXT, b"b"), (PONG, b"c"), (TEXT, b"d"), (CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_the_same_whoever_watches(size: int) -> None:
    """The shorter way that a message takes while nobody watches writes what the other one does."""
    wires = []
    for traffic in (True, False):
        peer = MemoryServer(EchoFactory(), traffic=traffic).websocket()
        peer.sendBytes(frame(BINARY, b"b" * size))
        peer.sendBytes(frame(TEXT, b"t" * size) * 2)
        wires.append([(each.opcode, each.payload) for each in peer.frames()])
    assert wires[0] == wires[1] == [(BINARY, b"b" * size), *[(TEXT, b"t" * size)] * 2]


@pytest.mark.parametrize("deliver", [WebSocketConnection.deliver, PlainConnection.deliver])
def test_held_in_the_middle_of_a_message(monkeypatch: pytest.MonkeyPatch, deliver: Any) -> None:
    """Who wants to hear nothing for now is not given a message that has begun; TLS may still hand on its end."""
    monkeypatch.setattr(WebSocketConnection, "deliver", deliver)
    heard: list[bytes] = []

    class Shy(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            """Remember it."""
            heard.append(payload)

    shy: Any = Shy()
    factory = Factory.forProtocol(Shy)
    factory.buildProtocol = lambda addr: shy
    peer = MemoryServer(factory).websocket()
    peer.sendBytes(frame(BINARY, b"message")[:8])
    shy.transport.pauseProducing()
    connection: Any = shy.transport._connection
    for piece in (frame(BINARY, b"message")[8:], frame(BINARY, b"another")):
        connection.dataReceived(piece)
    assert heard == []
    shy.transport.resumeProducing()
    assert heard == [b"message", b"another"]


def test_nothing_is_set_aside_for_what_was_announced() -> None:
    """Of a frame of 1 MiB that keeps coming byte by byte, there is here what has come, and little more."""
    tracemalloc.start()
    try:
        peer = MemoryServer(EchoFactory(), traffic=False).websocket()
        before = tracemalloc.get_traced_memory()[0]
        peer.sendBytes(frame(TEXT, b"a" * (1 << 20))[:14])
        for _ in range(1000):
            peer.sendBytes(b"a")
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("traffic", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_no_more_than_a_burst_at_once(traffic: bool, whole: bool, certificate: Path) -> None:
    """Of one read over TLS no more than 100 messages are handled before others have their turn, whether each is
    a record of its own, or in two; none is lost."""
    heard: list[bytes] = []

    class Ear(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            """Remember it."""
            heard.append(payload)

    server = MemoryServer(Factory.forProtocol(Ear), traffic=traffic)
    serving = server._serving("utf-8")
    peer = SealedPeer(serving, WebSocketFactory(serving), certificate)
    peer.send(HANDSHAKE)
    sent = [b"%d" % number for number in range(350)]
    counts: list[int] = []

    def turn() -> None:
        counts.append(len(heard))
        if len(counts) < 4:
            server.clock.callLater(0, turn)

    server.clock.callLater(0, turn)
    frames = [frame(BINARY, each) for each in sent]
    peer.send(*(frames if whole else [part for each in frames for part in (each[:3], each[3:])]))
    server.advance(0)
    assert counts == [100, 200, 300, 350]
    assert heard == sent
