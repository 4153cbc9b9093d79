"""Which answer belongs to which message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from socklab.client import until
from socklab.client.exchange import Answer, Exchange
from socklab.client.seam import End
from socklab.client.until import Kind, Until


class Wire:
    """A connection that keeps what is sent."""

    host, port, peer = "127.0.0.1:1", 1, "127.0.0.1:2"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.isAborted = False
        self.onSend: Callable[[], None] = lambda: None

    def send(self, payload: bytes, isBinary: bool) -> None:
        """Keep it."""
        self.sent.append(payload)
        self.onSend()

    def abort(self) -> None:
        """Note it."""
        self.isAborted = True


class Talk:
    """An exchange on a wire, with what became of each message."""

    def __init__(self, kind: Kind, wait: float = 5, inOrder: bool = True, number: int = 0) -> None:
        self.clock = Clock()
        self.exchange = Exchange(self.clock, Until(kind, number, 0.5), wait, inOrder)
        self.wire = Wire()
        wire: Any = self.wire
        self.exchange.connection = wire
        self.answers: dict[bytes, Answer] = {}
        self.unasked: list[bytes] = []
        self.exchange.unasked = lambda answer: self.unasked.append(answer.payload)

    def ask(self, payload: bytes) -> None:
        """Send a message."""
        asked = self.exchange.ask(payload, True, self.clock.seconds())
        asked.addCallback(lambda answer: self.answers.__setitem__(payload, answer))

    def said(self) -> dict[bytes, bytes | None]:
        """Give the answers; None for those that did not come whole."""
        return {key: each.payload if each.isWhole else None for key, each in self.answers.items()}


def test_in_order() -> None:
    """Lines answer in the order of the messages, in whatever pieces they come."""
    talk = Talk("line")
    talk.ask(b"1")
    talk.ask(b"2")
    for piece in (b"one", b"\ntwo\n", b"more\n"):
        talk.exchange.received(piece, True)
    assert talk.said() == {b"1": b"one\n", b"2": b"two\n"}
    assert talk.unasked == [b"more\n"]
    assert talk.wire.sent == [b"1", b"2"]


def test_seconds() -> None:
    """It counts how long the whole answer took, and silence that made it whole not."""
    talk = Talk("idle")
    talk.ask(b"1")
    talk.clock.advance(1)
    talk.exchange.received(b"a", True)
    talk.clock.advance(0.25)
    talk.exchange.received(b"b", True)
    assert talk.said() == {}
    talk.clock.advance(0.5)
    assert talk.said() == {b"1": b"ab"}
    assert talk.answers[b"1"].seconds == 1.25
    assert talk.answers[b"1"].reads == [1, 1]


def test_too_late_on_a_stream() -> None:
    """A line that comes too late is not taken for the answer of the next message."""
    talk = Talk("line")
    talk.ask(b"1")
    talk.clock.advance(3)
    talk.ask(b"2")
    talk.clock.advance(2)
    assert talk.said() == {b"1": None}
    talk.exchange.received(b"one\ntwo\n", True)
    assert talk.said() == {b"1": None, b"2": b"two\n"}
    assert talk.unasked == [b"one\n"]


def test_lost_datagram() -> None:
    """A datagram that was lost takes no other's place."""
    talk = Talk("message", inOrder=False)
    talk.ask(b"1")
    talk.clock.advance(5)
    talk.ask(b"2")
    talk.exchange.received(b"two", True)
    assert talk.said() == {b"1": None, b"2": b"two"}


def test_part() -> None:
    """What came of an answer that is not whole is kept."""
    talk = Talk("bytes", number=4)
    talk.ask(b"1")
    talk.exchange.received(b"abc", True)
    talk.clock.advance(5)
    assert talk.said() == {b"1": None}
    assert talk.answers[b"1"].payload == b"abc"


@pytest.mark.parametrize(
    ("kind", "came", "answer"),
    [("eof", b"", b""), ("eof", b"a", b"a"), ("idle", b"a", b"a"), ("line", b"a", b"a"), ("line", b"", None)],
)
def test_end(kind: Kind, came: bytes, answer: bytes | None) -> None:
    """The server's end makes an answer of what came, of nothing too if the end is waited for."""
    talk = Talk(kind)
    talk.ask(b"1")
    if came:
        talk.exchange.received(came, True)
    talk.exchange.ended(End("peer", "closed the connection"))
    assert talk.said() == {b"1": answer}
    assert not talk.clock.getDelayedCalls()


def test_reset() -> None:
    """What a reset cut off is no answer."""
    talk = Talk("eof")
    talk.ask(b"1")
    talk.exchange.received(b"a", True)
    talk.exchange.ended(End("peer", "reset the connection", clean=False))
    assert talk.said() == {b"1": None}


def test_refused_while_it_is_sent() -> None:
    """A refusal that comes of sending ends the message, too."""
    talk = Talk("message", inOrder=False)
    talk.wire.onSend = lambda: talk.exchange.ended(End("peer", "refused it", clean=False))
    talk.ask(b"1")
    assert talk.said() == {b"1": None}
    assert not talk.clock.getDelayedCalls()


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without an end is given up, and it is said that we did that."""
    monkeypatch.setattr(until, "ANSWER", 10)
    talk = Talk("eof")
    talk.ask(b"1")
    talk.exchange.received(b"x" * 11, True)
    assert talk.wire.isAborted
    talk.exchange.ended(End("us", "aborted the connection", clean=False))
    assert str(talk.exchange.end) == "we stopped reading: an answer of more than 0 MiB"
    assert talk.said() == {b"1": None}


def test_no_wait() -> None:
    """Without waiting, what is sent is done; what comes was not asked for."""
    talk = Talk("line", wait=0)
    talk.ask(b"1")
    assert talk.answers[b"1"].isWhole
    talk.exchange.received(b"one\n", True)
    assert talk.unasked == [b"one\n"]
