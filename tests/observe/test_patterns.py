"""What is seen in conversations: one-shot or persistent, who closed, what was spoken, what WebSocket costs."""

from __future__ import annotations

import pytest

from socklab import Lines
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.records.frames import framesOf
from socklab.records.patterns import AddressPattern, addressPatterns, websocketPatterns
from socklab.testing import clientFrame
from socklab.transports.recognise import kindOf
from tests.observe.recordings import Tape


def only(tape: Tape) -> AddressPattern:
    """Give what the only address did."""
    (pattern,) = addressPatterns(tape.conversations())
    return pattern


def test_one_shot() -> None:
    """Five sends, five connections, five source ports: one-shot, and here it is the server that closes."""
    tape = Tape(OneShotFactory())
    for _ in range(5):
        peer = tape.server.tcp()
        peer.say("hello")
        peer.finish()
    found = only(tape)
    assert found.verdict == "one-shot"
    assert (found.connections, found.received, found.sent, found.ports) == (5, 5, 5, 5)
    assert found.closedBy == {"server": 5}
    assert found.began == {"lines": 5}


def test_persistent() -> None:
    """One connection and five messages: persistent; the peer closes."""
    tape = Tape(EchoFactory(), framing=Lines)
    peer = tape.server.tcp()
    for _ in range(5):
        peer.say("hello")
    peer.finish()
    found = only(tape)
    assert found.verdict == "persistent"
    assert (found.connections, found.received, found.ports, found.closedBy) == (1, 5, 1, {"peer": 1})


def test_neither() -> None:
    """A single message says nothing of what comes; some of both is mixed; who says nothing is silent."""
    tape = Tape(EchoFactory())
    tape.server.tcp("10.0.0.1").send(b"x")
    for times in (1, 3):
        peer = tape.server.tcp("10.0.0.2")
        for _ in range(times):
            peer.send(b"x")
    tape.server.tcp("10.0.0.3")
    found = {each.host: (each.verdict, dict(each.closedBy)) for each in addressPatterns(tape.conversations())}
    assert found == {
        "10.0.0.1": ("a single message", {"nobody": 1}),
        "10.0.0.2": ("mixed", {"nobody": 2}),
        "10.0.0.3": ("silent", {"nobody": 1}),
    }


def test_datagrams() -> None:
    """Datagrams have no connections; their source ports are counted."""
    tape = Tape(EchoFactory())
    for _ in range(3):
        tape.server.udp().send(b"x")
    found = only(tape)
    assert (found.verdict, found.received, found.ports, found.closedBy) == ("datagrams", 3, 3, {})


def test_refused() -> None:
    """Who was not let in has done nothing."""
    tape = Tape(EchoFactory(), access=["deny all"])
    tape.server.tcp()
    assert addressPatterns(tape.conversations()) == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "nothing"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request"),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "a WebSocket handshake"),
        (b"\x16\x03\x01\x00\xc5\x01\x00\x00\xc1\x03\x03" + bytes(40), "a TLS hello"),
        ("안녕\r\n".encode(), "lines"),
        ("한글\n".encode("cp949"), "lines"),
        (b"hello", "text"),
        (b"\x00\x05hello", "binary"),
        (b"\x1b[31mred", "text"),
    ],
)
def test_first_bytes(data: bytes, kind: str) -> None:
    """What a client speaks is recognised by its first bytes."""
    assert kindOf(data) == kind


def test_websocket() -> None:
    """Of WebSocket the handshake is there, each frame taken apart, and what each message cost."""
    tape = Tape(EchoFactory())
    peer = tape.server.websocket(path="/talk")
    peer.sendMessage(b"hello", False)
    peer.sendMessage(bytes(300), True)
    peer.close()
    (found,) = websocketPatterns(tape.conversations())
    assert found.request.startswith(b"GET /talk HTTP/1.1\r\n")
    assert found.answer.startswith(b"HTTP/1.1 101 ")
    assert found.answer.endswith(b"\r\n\r\n")
    frames = [(direction, each.opcode, each.fin, each.masked, each.length) for direction, each in found.frames]
    assert frames == [
        ("in", "text", True, True, 5),
        ("in", "binary", True, True, 300),
        ("in", "close", True, True, 2),
        ("out", "text", True, False, 5),
        ("out", "binary", True, False, 300),
        ("out", "close", True, False, 2),
    ]
    # RFC 6455, 5.2: two bytes, two more for a length from 126 on, four for a mask; the line has its LF.
    costs = [(each.direction, each.payload, each.websocket, each.line) for each in found.costs]
    assert costs == [("in", 5, 11, 6), ("out", 5, 7, 6), ("in", 300, 308, 301), ("out", 300, 304, 301)]


def test_fragments() -> None:
    """A message in several frames costs all of them; a ping between them is none of it."""
    tape = Tape(EchoFactory())
    peer = tape.server.websocket()
    peer.sendFrame(1, b"hel", fin=False)
    peer.sendFrame(9, b"still there?")
    peer.sendFrame(0, b"lo")
    (found,) = websocketPatterns(tape.conversations())
    cost = found.costs[0]
    assert (cost.payload, cost.websocket, cost.frames) == (5, 17, 2)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frame_lengths(size: int) -> None:
    """Frames of each form of length are read; half of one is none."""
    data = clientFrame(2, bytes(size))
    (frame,) = framesOf(data)
    assert (frame.length, frame.masked, len(frame.head) + size) == (size, True, len(data))
    assert [*framesOf(data[:-1])] == []
