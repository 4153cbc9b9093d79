"""What bounds the log: a flood of like lines is told by its first lines and its number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..policy.rates import Bucket

PERIOD: Final = 60.0
"""Seconds, at the end of which the log says how many lines were left out."""
_KINDS: Final = 200
"""How many kinds of line are told apart at a time: a peer may have a hand in what a reason says."""


class Kind(NamedTuple):
    """Lines that are alike."""

    service: str
    event: str
    reason: str
    """Without its numbers."""


class _Flow:
    """The lines of one kind."""

    __slots__ = ("bucket", "left", "used")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.left = 0
        self.used = 0.0


class Bound:
    """Lets lines of each kind through, so many at once and so many a second; counts the others."""

    def __init__(self, clock: IReactorTime, tell: Callable[[Kind, int], None]) -> None:
        """@param tell: logs how many were left out, at most once in `PERIOD` for each kind."""
        self._clock = clock
        self._tell = tell
        self._flows: dict[Kind, _Flow] = {}
        self._timer: IDelayedCall | None = None
        self._swept = 0.0

    def allows(self, kind: Kind, rate: float, burst: float) -> bool:
        """Tell whether to log a line; if not it is counted.

        @param rate: lines a second.
        @param burst: lines at once.
        """
        now = self._clock.seconds()
        flow = self._flows.get(kind)
        if flow is None:
            if len(self._flows) >= _KINDS and not self._sweep(now):
                kind = kind._replace(reason="")
            flow = self._flows.setdefault(kind, _Flow(Bucket(rate, now, burst)))
        flow.used = now
        if flow.bucket.allows(now):
            return True
        flow.left += 1
        if self._timer is None:
            self._timer = self._clock.callLater(PERIOD, self.tellAll)
        return False

    def tellAll(self) -> None:
        """Say now what was left out."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        for kind, flow in self._flows.items():
            if flow.left:
                left, flow.left = flow.left, 0
                self._tell(kind, left)

    def _sweep(self, now: float) -> bool:
        """Forget kinds that have been quiet, at most once a second; tell whether there is room now."""
        if now - self._swept >= 1:
            self._swept = now
            quiet = [kind for kind, flow in self._flows.items() if not flow.left and now - flow.used > PERIOD]
            for kind in quiet:
                del self._flows[kind]
        return len(self._flows) < _KINDS
