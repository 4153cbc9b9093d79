"""What is said at this node, on its way into the engine's log: numbered, and sent until it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..counts import SECONDS, Histogram
from .waiting import Batch, Line, Queue, Topic, Waiting

WINDOW: Final = 32
"""Batches on their way at once. With 1 each waits for the one before it; 64 are no faster than 32."""
_EXPANSION: Final = 8
"""Times its own length a text may take in an entry: JSON writes a control in six bytes."""
_OTHERS: Final = 2048
"""Bytes of an entry beside its topic and its lines, at most."""
_PAUSE: Final = (0.25, 4.0)
"""Seconds until what failed is sent again: at first, and at most."""


class _Entry(NamedTuple):
    number: int
    batch: Batch
    data: bytes


class OutboxCounts:
    """What was counted."""

    def __init__(self) -> None:
        self.lines = 0
        """Taken."""
        self.dropped = 0
        """Not taken: too much was waiting."""
        self.resent = 0
        """Sent once more, because nobody knew whether they had come."""
        self.storing = Histogram(SECONDS)
        """Seconds from the moment a line was said until it was in the log: the first of each batch."""


class Outbox:
    """Lines wait here while the engine is away, and leave in their order.

    Those that are taken while others are on their way leave together, in one entry of the log for each room.
    """

    def __init__(
        self,
        clock: Any,
        store: Callable[[Topic, int, bytes], Deferred[int]],
        encode: Callable[[Topic, int, int, Sequence[Line]], bytes],
        refused: Callable[[str], None],
        bounds: Queue,
    ) -> None:
        """@param store: puts an entry of a number into the log.
        @param encode: gives an entry: its topic and number, the number before which all are there, its
            lines.
        @param refused: is told why entries fail, when they do again and again.
        """
        self._clock = clock
        self._store = store
        self._encode = encode
        self._refused = refused
        self.waiting = Waiting(bounds)
        self._unsettled: dict[int, _Entry] = {}
        self._flying: set[int] = set()
        self._number = 0
        self._era = 0
        self._isUp = self._isDue = self._isStuck = self._isRefused = False
        self._pause = _PAUSE[0]
        self._done: list[Deferred[None]] = []
        self.limit = 1024 * 1024
        """Bytes of the largest entry."""
        self.counts = OutboxCounts()

    @property
    def owed(self) -> int:
        """How many lines are not in the log yet."""
        return self.waiting.owed

    def say(self, topic: Topic, line: Line) -> bool:
        """Take a line; False if too much waits already."""
        size = line.size
        if not (self.waiting.hasRoom(topic, size) and self._fits(topic, line, size)):
            self.counts.dropped += 1
            return False
        self.waiting.add(topic, line, size, self._clock.seconds())
        self.counts.lines += 1
        if not self._isDue and self._isUp:
            self._isDue = True
            self._clock.callLater(0, self._turnEnds)
        return True

    def _fits(self, topic: Topic, line: Line, size: int) -> bool:
        """Tell whether an entry can hold a line."""
        if _EXPANSION * (size + len(topic[0]) + len(topic[1])) <= self.limit:
            return True
        return len(self._encode(topic, 1, 1, [line])) + _OTHERS <= self.limit

    def _turnEnds(self) -> None:
        self._isDue = False
        self._flush()

    def up(self, limit: int) -> None:
        """The engine can be reached: send what nobody knows of once more, then what waits.

        @param limit: bytes of the largest entry.
        """
        self.limit = limit
        self._isUp = True
        self._pause = _PAUSE[0]
        self._again()

    def down(self) -> None:
        """The engine cannot be reached: send no more."""
        self._isUp = self._isStuck = False
        self._era += 1
        self._flying.clear()

    def _again(self) -> None:
        self._isStuck = False
        for entry in [*self._unsettled.values()]:
            self.counts.resent += len(entry.batch.lines)
            self._send(entry)
        self._flush()

    def _flush(self) -> None:
        while self._isUp and not self._isStuck and self.waiting and len(self._unsettled) < WINDOW:
            batch = self.waiting.next(self.limit // _EXPANSION)
            self._number += 1
            settled = next(iter(self._unsettled), self._number)
            data = self._encode(batch.topic, self._number, settled, batch.lines)
            entry = self._unsettled[self._number] = _Entry(self._number, batch, data)
            self._send(entry)

    def _send(self, entry: _Entry) -> None:
        era, number = self._era, entry.number
        if len(entry.data) > self.limit:
            # It takes less than when this was said.
            self.counts.dropped += len(entry.batch.lines)
            self._settle(number)
            return
        self._flying.add(number)

        def stored(sequence: int) -> None:
            if era == self._era:
                self._flying.discard(number)
                self._pause = _PAUSE[0]
                self._isRefused = False
            self.settle(number)
            if era == self._era:
                self._retry()

        def failed(failure: Failure) -> None:
            if era == self._era:
                self._flying.discard(number)
                # What comes after it is not sent until it has been: the log shall have it in order.
                self._isStuck = self._isStuck or number in self._unsettled
                if self._pause == _PAUSE[1] and not self._isRefused:
                    self._isRefused = True
                    self._refused(str(failure.value))
                self._retry()

        self._store(entry.batch.topic, number, entry.data).addCallbacks(stored, failed)

    def _retry(self) -> None:
        """When all that were on their way have come to an end, and one has failed, send anew."""
        if self._isStuck and not self._flying:
            era = self._era
            self._clock.callLater(self._pause, lambda: self._again() if era == self._era else None)
            self._pause = min(2 * self._pause, _PAUSE[1])

    def settle(self, number: int) -> None:
        """A batch is in the log."""
        if number in self._unsettled:
            self.counts.storing.observe(self._clock.seconds() - self._unsettled[number].batch.since)
            self._settle(number)
            self._flush()

    def _settle(self, number: int) -> None:
        """Think of a batch no more."""
        self.waiting.forget(self._unsettled.pop(number).batch)
        if not self._unsettled and not self.waiting:
            done, self._done = self._done, []
            for each in done:
                each.callback(None)

    def drained(self) -> Deferred[None]:
        """Fire when all is in the log."""
        deferred: Deferred[None] = Deferred()
        if self._unsettled or self.waiting:
            self._done.append(deferred)
        else:
            deferred.callback(None)
        return deferred
