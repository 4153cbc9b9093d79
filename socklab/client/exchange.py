"""Messages and their answers, on one connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from .seam import Connection, End
from .until import TooMuch, Until


@dataclass
class Answer:
    """What became of one message."""

    payload: bytes = b""
    """All of the answer; of a message without one, what of it had come."""
    isBinary: bool = True
    isWhole: bool = False
    """Whether it was answered."""
    seconds: float = 0
    """From when it should have been sent until the last byte of its answer had come."""
    reads: list[int] = field(default_factory=list)
    """Bytes that each read brought, on a stream; of a message, its length."""


@dataclass
class _Waiting:
    since: float
    answered: Deferred[Answer]
    timer: IDelayedCall | None = None
    isGivenUp: bool = False


class Exchange:
    """Sends messages over a connection and pairs them with what comes back, in order (`seam.Receiver`)."""

    def __init__(self, clock: Any, until: Until, wait: float, inOrder: bool) -> None:
        """@param wait: seconds for an answer to come; 0 to wait for none.
        @param inOrder: whether no answer is ever lost or overtaken, so that one that is late is still the next.
        """
        self._clock = clock
        self._inOrder = inOrder
        self._until = until
        self._wait = wait
        self._waiting: deque[_Waiting] = deque()
        self._silence: IDelayedCall | None = None
        self._latest = 0.0
        self._isBinary = True
        self._reads: list[int] = []
        self._trouble: End | None = None
        self.connection: Connection
        self.end: End | None = None
        self.over: Deferred[End] = Deferred()
        self.unasked: Callable[[Answer], None] = lambda answer: None
        """Gets what came when nothing was asked."""

    def ask(self, payload: bytes, isBinary: bool, due: float) -> Deferred[Answer]:
        """Send a message; the answer may be one that never came.

        @param due: when it should have been sent, by the clock: that it had to wait is part of how long it took.
        @raise SendError: it cannot be sent.
        """
        asked = _Waiting(due, Deferred())
        if self.end is not None:
            asked.answered.callback(Answer())
            return asked.answered
        # Before it is sent: over UDP the refusal of an earlier one may come of it.
        self._waiting.append(asked)
        try:
            self.connection.send(payload, isBinary)
        except Exception:
            self._waiting.remove(asked)
            raise
        if not self._wait:
            self._waiting.remove(asked)
            asked.answered.callback(Answer(isWhole=True))
        elif asked in self._waiting:
            asked.timer = self._clock.callLater(self._wait, self._tooLate, asked)
        return asked.answered

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Take what came."""
        self._latest = self._clock.seconds()
        self._isBinary = isBinary
        self._reads.append(len(payload))
        try:
            for each in self._until.feed(payload):
                self._isWhole(each)
        except TooMuch as error:
            self._trouble = End("us", f"stopped reading: {error}", clean=False)
            self.connection.abort()
            return
        if self._until.kind == "idle" and (self._until.hasBegun or not payload):
            if self._silence is not None:
                self._silence.cancel()
            self._silence = self._clock.callLater(self._until.seconds, self._isSilent)

    def _isSilent(self) -> None:
        self._silence = None
        self._isWhole(self._until.rest())

    def _isWhole(self, payload: bytes) -> None:
        reads, self._reads = self._reads, []
        answer = Answer(payload, self._isBinary, True, 0, reads)
        if not self._waiting:
            self.unasked(answer)
            return
        asked = self._waiting.popleft()
        if asked.isGivenUp:
            # It had been given up; the answers behind it are those of the others.
            self.unasked(answer)
            return
        if asked.timer is not None:
            asked.timer.cancel()
        answer.seconds = self._latest - asked.since
        asked.answered.callback(answer)

    def _tooLate(self, asked: _Waiting) -> None:
        asked.timer, asked.isGivenUp = None, True
        part = self._until.rest() if asked is self._waiting[0] else b""
        if not (self._inOrder and self._until.isCounted):
            self._waiting.remove(asked)
        reads, self._reads = self._reads, []
        asked.answered.callback(Answer(part, self._isBinary, reads=reads))

    def ended(self, end: End) -> None:
        """Nothing more comes: what has come is the answer, if the end makes it one."""
        self.end = end = self._trouble or end
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        kind = self._until.kind
        if end.clean and (kind == "eof" or (kind in ("idle", "line") and self._until.hasBegun)):
            self._latest = self._clock.seconds()
            self._isWhole(self._until.rest())
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if each.timer is not None:
                each.timer.cancel()
            if not each.isGivenUp:
                part, reads = self._until.rest(), self._reads
                each.answered.callback(Answer(part, self._isBinary, reads=reads))
        self.over.callback(end)
