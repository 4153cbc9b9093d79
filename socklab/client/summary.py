"""What came of many messages, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from .seam import ConnectError, End
from .sending import Outcome


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Give the smallest value that so many per cent of all do not exceed (nearest rank).

    @param ordered: at least one, from the smallest to the greatest.
    """
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


@dataclass
class Summary:
    """Counts outcomes as they come."""

    sent: int = 0
    answered: int = 0
    unsent: int = 0
    """Those for which there was no connection, or no longer one."""
    unexpected: int = 0
    """Those whose answer is another than was expected."""
    sources: set[str] = field(default_factory=set)
    """The client's addresses and ports."""
    errors: Counter[str] = field(default_factory=Counter)
    """Why there was no connection, by kind."""
    broken: int = 0
    """Those whose connection broke before the answer."""
    seconds: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many were sent, and not answered."""
        return self.sent - self.answered

    def add(self, outcome: Outcome, isExpected: bool) -> None:
        """Count one."""
        if outcome.answer is None:
            self.unsent += 1
            kind = outcome.error.kind if isinstance(outcome.error, ConnectError) else "closed"
            self.errors[kind] += 1
            return
        self.sent += 1
        self.sources.add(outcome.source)
        if outcome.answer.isWhole:
            self.answered += 1
            self.seconds.append(outcome.answer.seconds)
            self.unexpected += not isExpected
        elif isinstance(outcome.error, End) and not outcome.error.clean:
            self.broken += 1

    def figures(self) -> dict[str, float]:
        """Give how long the answers took, in milliseconds; nothing when there was none."""
        if not self.seconds:
            return {}
        ordered = sorted(self.seconds)
        return {
            "p50": percentile(ordered, 50) * 1000,
            "p99": percentile(ordered, 99) * 1000,
            "max": ordered[-1] * 1000,
        }
