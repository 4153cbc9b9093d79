"""Whether workers turn their reactors: each is asked, and one that is silent for too long is killed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from typing import Any, Final

from .member import Member, tell

_TIMES: Final = 10
"""How often a worker is asked until it is killed. It is this that counts, not a clock: a parent that was asleep
itself, with the whole machine say, has not asked meanwhile, and blames nobody."""


class Watchdog:
    """Kills workers that serve and do not answer."""

    def __init__(self, clock: Any, members: Collection[Member], accepts: Callable[[int], bool]) -> None:
        """@param members: all workers, whoever they are by then.
        @param accepts: tells whether one takes newcomers: it may hang at the first, before it has told that it
            serves.
        """
        self._clock = clock
        self._members = members
        self._accepts = accepts
        self._isStarted = False
        self.patience = 30.0
        """Seconds that a worker may be silent."""

    def start(self) -> None:
        """Begin to ask."""
        if not self._isStarted:
            self._isStarted = True
            self._ask()

    def _ask(self) -> None:
        self._clock.callLater(self.patience / _TIMES, self._ask)
        for each in self._members:
            if not (each.channel.isOpen and (each.serving or self._accepts(each.number))):
                # It may have much to import, and to prepare; or it has ended, but for its threads.
                continue
            each.silent += 1
            if each.silent <= _TIMES:
                each.channel.tell({"do": "answer"})
            elif each.silent == _TIMES + 1:
                why = f"worker {each.number} has not answered for {self.patience:g} s: killed"
                tell(each.number, why, level="warn")
                # It shows where it is, if it still can.
                each.kill(signal.SIGABRT)
            else:
                each.kill()
