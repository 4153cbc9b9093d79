"""What is counted of each service and transport: plain integers, which the transports add to and metrics read."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

SECONDS: Final = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Bounds of what is timed: an echo takes some ten microseconds, a handler that asks a database milliseconds."""


class Histogram:
    """How many values lay below each of some bounds."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        """@param bounds: ascending; a value on a bound counts below it."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> list[tuple[float, int]]:
        """Give each bound, infinity the last, with how many values lay below it or on it."""
        below = 0
        found = []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            found.append((bound, below))
        return found

    @property
    def sum(self) -> float:
        """All values together."""
        return self._sum


class Counts:
    """What was counted of one service on one transport since the process began."""

    __slots__ = (
        "accepted",
        "cut",
        "dropped",
        "failed",
        "handling",
        "open",
        "received",
        "receivedBytes",
        "refused",
        "sent",
        "sentBytes",
    )

    def __init__(self, timed: bool = False) -> None:
        """@param timed: whether to take the time of each message, which costs two looks at the clock."""
        self.open = 0
        """Connections, and datagram peers that are remembered."""
        self.accepted = 0
        """The same, all that there were."""
        self.refused: Counter[str] = Counter()
        """Newcomers that were not let in, by the rule that decided."""
        self.cut = 0
        """Conversations that the server ended because of what the peer did."""
        self.failed = 0
        """How often the protocol raised."""
        self.dropped = 0
        """Datagrams that were not taken or not sent."""
        self.received = 0
        """Messages."""
        self.receivedBytes = 0
        """Of the messages, without framing."""
        self.sent = 0
        self.sentBytes = 0
        self.handling = Histogram() if timed else None
        """Seconds that the protocol was busy with a message."""


class RecordCounts:
    """What was written of one service's record since the process began."""

    __slots__ = ("bytes", "lost")

    def __init__(self) -> None:
        self.bytes = 0
        self.lost = 0
        """Events that are not in it, because the disk was full or slow."""
