"""Events as log lines: what an operator reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.address import IPv4Address
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from socklab.events import Closed, Cut, Dropped, Events, Failed, MessageReceived, MessageSent, Opened
from socklab.log import logEvent, tracer
from socklab.message import Peer

ADDRESS = IPv4Address("TCP", "127.0.0.1", 5000)
STREAM = Peer(ADDRESS, "tcp", "127.0.0.1", 5000)
PAGE = Peer(ADDRESS, "websocket", "127.0.0.1", 5000, path="/a", origin="http://x\x1b")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    found: list[str] = []

    def observe(event: dict[str, object]) -> None:
        if event.get("log_system") == "socklab":
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]
    yield found
    globalLogPublisher.removeObserver(observe)  # type: ignore[arg-type]


def test_trace_as_text(lines: list[str]) -> None:
    """Each message is one line: service, transport, address, direction, size, and the text, controls escaped."""
    trace = tracer("text")
    for event in (
        Opened("chat", STREAM),
        MessageReceived("chat", STREAM, "안녕\r\n\x00".encode(), True),
        MessageSent("chat", STREAM, b"\xff\x1b", True),
        Closed("chat", STREAM, "peer", "closed"),
        Opened("echo", PAGE),
        MessageReceived("echo", PAGE, b"hi", False),
        MessageSent("echo", PAGE, b"hi", True),
    ):
        trace(event)
    assert lines == [
        "chat: tcp 127.0.0.1:5000 opened",
        r'chat: tcp 127.0.0.1:5000 received 9 B "안녕\r\n\x00"',
        r'chat: tcp 127.0.0.1:5000 sent 2 B "\xff\x1b"',
        "chat: tcp 127.0.0.1:5000 closed by peer: closed",
        r'echo: websocket 127.0.0.1:5000 opened (path "/a", origin "http://x\x1b")',
        'echo: websocket 127.0.0.1:5000 received 2 B text "hi"',
        'echo: websocket 127.0.0.1:5000 sent 2 B binary "hi"',
    ]


def test_trace_in_the_peers_encoding(lines: list[str]) -> None:
    """The text of a cp949 listener is readable too."""
    peer = Peer(ADDRESS, "tcp", "127.0.0.1", 5000, "cp949")
    tracer("text")(MessageReceived("chat", peer, "한글".encode("cp949"), True))
    assert lines == ['chat: tcp 127.0.0.1:5000 received 4 B "한글"']


def test_trace_as_hex(lines: list[str]) -> None:
    """The hex trace shows every byte, and the ASCII among them."""
    tracer("hex")(MessageReceived("echo", STREAM, b"Hi\n\xff", True))
    assert lines == ["echo: tcp 127.0.0.1:5000 received 4 B 48 69 0a ff |Hi..|"]


def test_what_is_always_logged(lines: list[str]) -> None:
    """Without a trace the log tells who was cut and why, what was dropped, and what failed."""
    for event in (
        Opened("chat", STREAM),
        Cut("chat", STREAM, 'no\n"forged" line\x1b' + "x" * 300),
        Dropped("chat", STREAM, "too many"),
        Failed("chat", STREAM, Failure(ZeroDivisionError("ours"))),
        Closed("chat", STREAM, "server", "x"),
    ):
        logEvent(event)
    assert lines == [
        r'chat: tcp 127.0.0.1:5000 cut: no\n"forged" line\x1b' + "x" * 183 + "...",
        "chat: tcp 127.0.0.1:5000 dropped: too many (told once)",
        "chat: tcp 127.0.0.1:5000: the protocol failed",
    ]


def test_observer_that_fails() -> None:
    """An observer that raises keeps no event from the others."""
    seen: list[object] = []

    def broken(event: object) -> None:
        raise ZeroDivisionError

    events = Events()
    events.subscribe(broken)
    events.subscribe(seen.append)
    assert not events.traffic
    event = Opened("chat", STREAM)
    events.emit(event)
    assert seen == [event]
