"""Whatever a peer sends, in whatever pieces: nothing raises, nothing is said twice, and it ends. In memory."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socklab.events import Failed
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer, WebSocketPeer, clientFrame
from tests import wire

from .violations import VIOLATIONS

LIMITS = Limits(message=300, fragments=5, pending=2000, handshake_bytes=600)
"""Small, so that they are met often."""

FRAMES = st.builds(
    clientFrame,
    st.one_of(st.sampled_from([0, 1, 2, 8, 9, 10]), st.integers(0, 15)),
    st.one_of(
        st.binary(max_size=130),
        st.text(max_size=40).map(str.encode),
        st.integers(200, 400).map(bytes),
        st.sampled_from([b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"/quit", b"/nick x", "한".encode()[:2]]),
    ),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, True, False]),
)
STREAMS = st.lists(st.one_of(FRAMES, FRAMES, FRAMES, st.binary(max_size=20)), min_size=1, max_size=12).map(
    b"".join
)

FACTORIES = {"echo": EchoFactory, "chat": ChatFactory, "oneshot": lambda: OneShotFactory("{request}", "line")}


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Cut bytes at some places."""
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[one:other] for one, other in pairwise(places)]


def finish(server: MemoryServer, peer: WebSocketPeer) -> None:
    """Have a peer say that it is done, and see that it ends: without a timer, nor anything that failed."""
    server.advance(1)
    peer.finish()
    for _ in range(8):
        server.advance(10)
    assert peer.closed
    assert server.gate.connections == 0
    assert not server.clock.getDelayedCalls()
    assert not [each for each in server.events if isinstance(each, Failed)]


def heard(factory: str, pieces: list[bytes], deflate: bool) -> bytes:
    """Send pieces after a handshake; give what comes back, up to the end."""
    server = MemoryServer(FACTORIES[factory](), limits=LIMITS, deflate=deflate)
    peer = server.websocket(headers="Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else "")
    before = len(peer._wire.received)
    for piece in pieces:
        if not peer.closed:
            peer.sendBytes(piece)
        server.advance(0)
    finish(server, peer)
    frames = peer.frames()
    closes = [index for index, each in enumerate(frames) if each.opcode == 8]
    assert len(closes) <= 1
    assert closes in ([], [len(frames) - 1])
    return bytes(peer._wire.received[before:])


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([*FACTORIES]), STREAMS, st.lists(st.integers(0, 3000), max_size=8), st.booleans())
def test_websocket(factory: str, data: bytes, at: list[int], deflate: bool) -> None:
    """Any frames, whole or mutated: what is answered does not depend on how the network cuts them."""
    assert heard(factory, cut(data, at), deflate) == heard(factory, [data], deflate)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation(name: str) -> None:
    """Each violation earns its close code at once, and what follows it is not heard."""
    data, code = VIOLATIONS[name]
    server = MemoryServer(EchoFactory())
    peer = server.websocket()
    peer.sendBytes(data + clientFrame(1, b"after"))
    assert not [each for each in peer.receive() if each[0]]
    assert (peer.closeCode, peer.finished) == (code, True)
    finish(server, peer)


HEAD = [*(wire.HANDSHAKE + b"Origin: http://localhost\r\n").splitlines(keepends=True), b"\r\n"]


@st.composite
def heads(draw: Any) -> bytes:
    """Give a handshake, with lines lost, doubled, changed or added."""
    lines = list(HEAD)
    for _ in range(draw(st.integers(0, 4))):
        index = draw(st.integers(0, len(lines) - 1)) if lines else 0
        what = draw(st.integers(0, 3))
        if what == 0 and lines:
            del lines[index]
        elif what == 1 and lines:
            lines.insert(index, lines[index])
        elif what == 2:
            lines.insert(index, draw(st.binary(max_size=40)) + b": " + draw(st.binary(max_size=700)) + b"\r\n")
        elif lines:
            line, at = lines[index], draw(st.integers(0, 60))
            lines[index] = line[:at] + draw(st.binary(max_size=3)) + line[at + draw(st.integers(0, 3)) :]
    return b"".join(lines)


@settings(deadline=None, max_examples=50)
@given(heads(), st.lists(st.integers(0, 1000), max_size=4), st.booleans())
def test_handshake(head: bytes, at: list[int], proxied: bool) -> None:
    """Any request: one answer at most, with a status, and an end in time for whoever has not shaken hands."""
    server = MemoryServer(EchoFactory(), limits=LIMITS)
    peer = server.rawWebsocket()
    for piece in cut(head, at):
        if not peer.closed:
            peer.sendBytes(piece)
    answer = bytes(peer._wire.received)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    if not answer.startswith(b"HTTP/1.1 101 "):
        # 5 s for the handshake; 20 s to close for one that was answered.
        server.advance(5)
        server.advance(20)
        assert peer.closed
    else:
        finish(server, peer)
    assert not [each for each in server.events if isinstance(each, Failed)]


DATAGRAMS = st.lists(
    st.tuples(
        st.sampled_from(["127.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        st.sampled_from([7, 19, 1023, 1024, 40000, 40001]),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"/nick me", b"/help\n", b"/quit", b"/who\r\n", b"", b"/ok 00000000", b"x" * 60000]),
            st.just(None),
        ),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([*FACTORIES]), DATAGRAMS)
def test_datagrams(factory: str, steps: list[tuple[str, int, bytes | None]]) -> None:
    """Any datagrams from anywhere: who has not proved its address is sent no more than it has sent.

    But for one code a second; None stands for an address that sends back the last one.
    """
    server = MemoryServer(FACTORIES[factory](), limits=LIMITS)
    codes: dict[tuple[str, int], bytes] = {}
    proved: set[tuple[str, int]] = set()
    challenged: Counter[tuple[str, int]] = Counter()
    for host, port, data in steps:
        source = (host, port)
        if data is None:
            data = codes.get(source, b"/ok")
            if source in codes:
                proved.add(source)
        sender = server.udp(host, port)
        sender.send(data)
        answers = sender.receive()
        if host == "127.0.0.1" or source in proved:
            continue
        assert not (port < 1024 and answers)
        assert len(answers) <= 1
        for answer in answers:
            if factory == "chat":
                assert answer.startswith(b"/ok ")
                codes[source] = answer
                challenged[(host, 0)] += 1
                assert challenged[(host, 0)] <= 1
            else:
                assert len(answer) <= len(data)
    assert not [each for each in server.events if isinstance(each, Failed)]
    for _ in range(3):
        server.advance(61)
    assert server.gate.connections == 0
    assert not server.clock.getDelayedCalls()
