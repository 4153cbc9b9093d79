"""How late the reactor is: what runs too long in it keeps everybody waiting."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..counts import Histogram

_PERIOD: Final = 0.5
"""Seconds between two looks."""


class ReactorLag:
    """Asks to be called at a time, again and again, and counts how late that was."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self.seconds = Histogram()
        """How late it was."""

    def start(self) -> None:
        """Begin to look."""
        self._due = self._clock.seconds() + _PERIOD
        self._call = self._clock.callLater(_PERIOD, self._look)

    def _look(self) -> None:
        # The system's time may have been set back meanwhile.
        self.seconds.observe(max(0.0, self._clock.seconds() - self._due))
        self.start()

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
