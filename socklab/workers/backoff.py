"""When a worker that has died is replaced."""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import Final

_FIRST: Final = 0.1
_MOST: Final = 30.0
"""Seconds."""
_SOUND: Final = 60.0
"""Seconds that a worker serves, until what came before is forgotten."""


class BackOff:
    """Waits twice as long each time, up to 30 s, and never as long as another one does."""

    def __init__(self, chance: Callable[[], float] = random) -> None:
        """@param chance: gives a number from 0 to 1."""
        self._chance = chance
        self.times = 0
        """How often it has died in a row."""

    def died(self, served: float) -> float:
        """Give in how many seconds to try again.

        @param served: for how many seconds it has served.
        """
        self.times = 1 if served >= _SOUND else self.times + 1
        longest = min(_MOST, _FIRST * 2.0 ** min(self.times - 1, 20))
        return longest * (0.5 + self._chance() / 2)
