"""What is said at this node and is not in the engine's log yet: bounded, room by room, and given in batches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

Topic = tuple[str, str]
"""The service and the room."""

_LINES: Final = 500
"""Of one batch."""
_BYTES: Final = 64 * 1024
"""Of one batch's lines; one line may be longer."""
_OVERHEAD: Final = 100
"""Bytes that a line that waits counts beside its text."""
_ROOMS: Final = 64
"""Together all rooms may have as much waiting as so many rooms."""


class Line(NamedTuple):
    """Something that was said."""

    text: str
    keep: bool
    """Whether newcomers will be shown it."""

    @property
    def size(self) -> int:
        """Give what it counts, in bytes."""
        return len(self.text.encode("utf-8", "surrogatepass")) + _OVERHEAD


@dataclass(frozen=True)
class Queue:
    """What may wait while the engine is away, of one room."""

    lines: int = 10_000
    bytes: int = 1024 * 1024


class Batch(NamedTuple):
    """Lines of one room that leave together."""

    topic: Topic
    lines: list[Line]
    size: int
    since: float
    """When the first of them was said."""


class Waiting:
    """Lines in their order, which count until it is known that they are in the log."""

    def __init__(self, bounds: Queue) -> None:
        self.bounds = bounds
        self._lines: dict[Topic, deque[tuple[Line, float]]] = {}
        self._owed: dict[Topic, tuple[int, int]] = {}
        self._total = 0

    def __bool__(self) -> bool:
        """Whether there are some that are in no batch yet."""
        return bool(self._lines)

    @property
    def owed(self) -> int:
        """How many lines are not in the log yet."""
        return sum(lines for lines, _ in self._owed.values())

    def hasRoom(self, topic: Topic, size: int) -> bool:
        """Tell whether one line more of so many bytes may wait."""
        lines, total = self._owed.get(topic, (0, 0))
        return (
            lines < self.bounds.lines
            and total + size <= self.bounds.bytes
            and self._total + size <= _ROOMS * self.bounds.bytes
        )

    def add(self, topic: Topic, line: Line, size: int, now: float) -> None:
        """Take a line."""
        lines, total = self._owed.get(topic, (0, 0))
        self._owed[topic] = lines + 1, total + size
        self._total += size
        self._lines.setdefault(topic, deque()).append((line, now))

    def next(self, most: int) -> Batch:
        """Give the lines of one room that leave next; rooms take turns.

        @param most: bytes of them, unless one alone has more.
        """
        topic = next(iter(self._lines))
        queue = self._lines.pop(topic)
        lines: list[Line] = []
        size, since = 0, queue[0][1]
        most = min(_BYTES, most)
        while queue and len(lines) < _LINES and (not lines or size + queue[0][0].size <= most):
            line, _ = queue.popleft()
            lines.append(line)
            size += line.size
        if queue:
            self._lines[topic] = queue
        return Batch(topic, lines, size, since)

    def forget(self, batch: Batch) -> None:
        """It is in the log, or never will be."""
        lines, size = self._owed[batch.topic]
        self._total -= batch.size
        if lines > len(batch.lines):
            self._owed[batch.topic] = lines - len(batch.lines), size - batch.size
        else:
            del self._owed[batch.topic]
