"""What is counted of each service and transport: plain integers, which the transports add to and metrics read."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .message import Encoded

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


_FIRST: Final = 100
"""How many messages are all timed."""
_EACH: Final = 16
"""Of how many one is from then on: to take the time costs as much as all else that is counted."""


class Counts:
    """What was counted of one service on one transport since the process began."""

    __slots__ = (
        "_joined",
        "_joinedBytes",
        "_next",
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

    def __init__(self) -> None:
        self._next = 0
        self._joined: Sequence[Encoded] = ()
        self._joinedBytes = 0
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
        self.handling = Histogram()
        """Seconds that the protocol was busy with a message; of one in some."""

    @property
    def isDue(self) -> bool:
        """Whether the next message is to be timed."""
        return self.received >= self._next

    def takes(self, size: int) -> bool:
        """Count a message that has come, unless it is to be timed: that takes another way, on which it is counted.

        @param size: its bytes.
        """
        if self.received >= self._next:
            return False
        self.received += 1
        self.receivedBytes += size
        return True

    def came(self, size: int) -> None:
        """Count a message that has come.

        @param size: its bytes.
        """
        self.received += 1
        self.receivedBytes += size

    def begin(self) -> float:
        """Give when a message comes to the protocol, if that is to be timed, else 0."""
        if self.received < self._next:
            return 0.0
        self._next = self.received if self.received < _FIRST else self.received + _EACH - 1
        return perf_counter()

    def done(self, began: float) -> None:
        """Take the time of a message with which the protocol is done.

        @param began: what `begin` gave.
        """
        if began:
            self.handling.observe(perf_counter() - began)

    def went(self, size: int, messages: int = 1) -> None:
        """Count a message that was sent, or so many.

        @param size: its bytes, or those of all.
        """
        self.sent += messages
        self.sentBytes += size

    def wentTogether(self, messages: Sequence[Encoded], times: int = 1) -> None:
        """Count messages that were joined; most often the same were sent to the peer before.

        @param times: to how many peers they were sent.
        """
        if messages is not self._joined:
            self._joined = messages
            self._joinedBytes = sum(len(each.payload) for each in messages)
        self.sent += len(messages) * times
        self.sentBytes += self._joinedBytes * times


class RecordCounts:
    """What was written of one service's record since the process began."""

    __slots__ = ("bytes", "lost")

    def __init__(self) -> None:
        self.bytes = 0
        self.lost = 0
        """Events that are not in it, because the disk was full or slow."""
