"""What is said at this node, on its way into the engine's log: queued, numbered, sent until it is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..counts import SECONDS, Histogram

Topic = tuple[str, str]
"""The service and the room."""

WINDOW: Final = 32
"""Batches on their way at once. With 1 each waits for the one before it; 64 are no faster than 32."""
_LINES: Final = 500
"""Of one batch."""
_BYTES: Final = 64 * 1024
"""Of one batch's lines; one line may be longer."""
_OVERHEAD: Final = 100
"""Bytes that a line that waits counts beside its text."""
_EXPANSION: Final = 8
"""Times its own length a text may take in an entry: JSON writes a control in six bytes."""
_OTHERS: Final = 2048
"""Bytes of an entry beside its topic and its lines, at most."""
_ROOMS: Final = 64
"""Together all rooms may have as much waiting as so many rooms."""
_PAUSE: Final = (0.25, 4.0)
"""Seconds until what failed is sent again: at first, and at most."""


class Line(NamedTuple):
    """Something that was said."""

    text: str
    keep: bool
    """Whether newcomers will be shown it."""


class _Batch(NamedTuple):
    number: int
    topic: Topic
    data: bytes
    lines: int
    size: int
    since: float


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
    """Lines wait here while the engine is away, bounded for each room, and leave in their order.

    Those that are taken while others are on their way leave together, in one entry of the log for each room.
    """

    def __init__(
        self,
        clock: Any,
        store: Callable[[Topic, int, bytes], Deferred[int]],
        encode: Callable[[Topic, int, int, Sequence[Line]], bytes],
        refused: Callable[[str], None],
        maxLines: int,
        maxBytes: int,
    ) -> None:
        """@param store: puts an entry of a number into the log.
        @param encode: gives an entry: its topic and number, the number before which all are there, its
            lines.
        @param refused: is told why entries fail, when they do again and again.
        @param maxLines: how many lines of one room may wait.
        @param maxBytes: bytes of them.
        """
        self._clock = clock
        self._store = store
        self._encode = encode
        self._refused = refused
        self._maxLines = maxLines
        self._maxBytes = maxBytes
        self._waiting: dict[Topic, deque[tuple[Line, float]]] = {}
        self._owed: dict[Topic, tuple[int, int]] = {}
        self._total = 0
        self._unsettled: dict[int, _Batch] = {}
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
        return sum(lines for lines, _ in self._owed.values())

    def say(self, topic: Topic, line: Line) -> bool:
        """Take a line; False if too much waits already."""
        size = _sizeOf(line)
        lines, total = self._owed.get(topic, (0, 0))
        if (
            lines >= self._maxLines
            or total + size > self._maxBytes
            or self._total + size > _ROOMS * self._maxBytes
            or not self._fits(topic, line, size)
        ):
            self.counts.dropped += 1
            return False
        self._owed[topic] = lines + 1, total + size
        self._total += size
        self.counts.lines += 1
        self._waiting.setdefault(topic, deque()).append((line, self._clock.seconds()))
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
        for batch in [*self._unsettled.values()]:
            self.counts.resent += batch.lines
            self._send(batch)
        self._flush()

    def _flush(self) -> None:
        while self._isUp and not self._isStuck and self._waiting and len(self._unsettled) < WINDOW:
            # Rooms take turns.
            topic = next(iter(self._waiting))
            queue = self._waiting.pop(topic)
            lines: list[Line] = []
            size, since = 0, queue[0][1]
            most = min(_BYTES, self.limit // _EXPANSION)
            while queue and len(lines) < _LINES and (not lines or size + _sizeOf(queue[0][0]) <= most):
                line, _ = queue.popleft()
                lines.append(line)
                size += _sizeOf(line)
            if queue:
                self._waiting[topic] = queue
            self._number += 1
            settled = next(iter(self._unsettled), self._number)
            data = self._encode(topic, self._number, settled, lines)
            batch = _Batch(self._number, topic, data, len(lines), size, since)
            self._unsettled[self._number] = batch
            self._send(batch)

    def _send(self, batch: _Batch) -> None:
        era, number = self._era, batch.number
        if len(batch.data) > self.limit:
            # It takes less than when this was said.
            self.counts.dropped += batch.lines
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

        self._store(batch.topic, number, batch.data).addCallbacks(stored, failed)

    def _retry(self) -> None:
        """When all that were on their way have come to an end, and one has failed, send anew."""
        if self._isStuck and not self._flying:
            era = self._era
            self._clock.callLater(self._pause, lambda: self._again() if era == self._era else None)
            self._pause = min(2 * self._pause, _PAUSE[1])

    def settle(self, number: int) -> None:
        """A batch is in the log."""
        if number in self._unsettled:
            self.counts.storing.observe(self._clock.seconds() - self._unsettled[number].since)
            self._settle(number)
            self._flush()

    def _settle(self, number: int) -> None:
        """Think of a batch no more."""
        batch = self._unsettled.pop(number)
        lines, size = self._owed[batch.topic]
        self._total -= batch.size
        if lines > batch.lines:
            self._owed[batch.topic] = lines - batch.lines, size - batch.size
        else:
            del self._owed[batch.topic]
        if not self._unsettled and not self._waiting:
            done, self._done = self._done, []
            for each in done:
                each.callback(None)

    def drained(self) -> Deferred[None]:
        """Fire when all is in the log."""
        deferred: Deferred[None] = Deferred()
        if self._unsettled or self._waiting:
            self._done.append(deferred)
        else:
            deferred.callback(None)
        return deferred


def _sizeOf(line: Line) -> int:
    return len(line.text.encode("utf-8", "surrogatepass")) + _OVERHEAD
