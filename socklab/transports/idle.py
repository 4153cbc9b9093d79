"""A peer that says nothing for too long."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class IdleTimer:
    """Calls back when nothing was heard for so long; a message costs it one look at the clock, and no timer."""

    def __init__(
        self, clock: IReactorTime, seconds: float, isWaiting: Callable[[], bool], onIdle: Callable[[float], None]
    ) -> None:
        """@param isWaiting: whether it is we who keep the peer waiting; then it is not idle.
        @param onIdle: called with the seconds; again after as many more, unless it was stopped.
        """
        self._clock = clock
        self._seconds = seconds
        self._isWaiting = isWaiting
        self._onIdle = onIdle
        self._heard = clock.seconds()
        self._timer: IDelayedCall | None = clock.callLater(seconds, self._look)

    def heard(self) -> None:
        """Something came."""
        self._heard = self._clock.seconds()

    def stop(self) -> None:
        """Wait no more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        if self._isWaiting():
            self.heard()
        left = self._heard + self._seconds - self._clock.seconds()
        idle = left <= 0
        if idle:
            self.heard()
            left = self._seconds
        self._timer = self._clock.callLater(left, self._look)
        if idle:
            self._onIdle(self._seconds)
