"""Timers of thousands of peers, who wait for one of a few lengths: for a ping, a handshake, a request, a close.

Twisted's own cost about 500 bytes for each that is set, and 5 us to set and cancel one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Sleeper(TypingProtocol):
    """Who may be waiting."""

    def ring(self) -> None:
        """The time is over."""


class Alarms:
    """Rings once for each who waits."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queues: dict[float, AlarmQueue] = {}

    def add(self, sleeper: Sleeper, seconds: float) -> AlarmQueue:
        """Ring in so many seconds, for one who waits for nothing else; give where that can be cancelled."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = AlarmQueue(self._clock, seconds)
        queue.add(sleeper)
        return queue


class AlarmQueue:
    """Those that wait equally long: in the order in which they came their time is over."""

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due: OrderedDict[Sleeper, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def add(self, sleeper: Sleeper) -> None:
        """Have one wait, who does not yet."""
        self._due[sleeper] = self._clock.seconds() + self._seconds
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._ring)

    def cancel(self, sleeper: Sleeper) -> None:
        """Have one wait no more, if it does."""
        self._due.pop(sleeper, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        due = self._due
        try:
            while due and next(iter(due.values())) <= self._clock.seconds():
                due.popitem(last=False)[0].ring()
        finally:
            # Also when one has raised: the others still wait. Who came meanwhile has set a timer that is later.
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if due:
                left = next(iter(due.values())) - self._clock.seconds()
                self._timer = self._clock.callLater(max(0, left), self._ring)
