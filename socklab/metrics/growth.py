"""What one connection costs, measured while they come: the memory that the process has grown by for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from ..events import Closed, Event, Opened

STEP: Final = 100
"""Newcomers between two looks: what fewer take is lost in what all else does. The first so many are not counted,
for the program itself grows with them."""


class Growth:
    """Observes who comes and goes, and looks at the memory whenever there are more connections than ever before.

    What one costs on a transport is known when so many have come on that one alone: the system tells the memory of
    the whole process only. Memory that was used before is used again, so nothing is learnt from who comes then.
    """

    def __init__(self, memory: Callable[[], int]) -> None:
        """@param memory: gives the process's resident memory, in bytes."""
        self._memory = memory
        self._open: Counter[str] = Counter()
        self._next = STEP
        self._before: tuple[Counter[str], int] | None = None
        self._bytes: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        """Learn of an event."""
        kind = event.peer.kind
        if isinstance(event, Opened):
            self._open[kind] += 1
            if self._open.total() >= self._next:
                self._look()
        elif isinstance(event, Closed) and self._open[kind]:
            self._open[kind] -= 1

    def _look(self) -> None:
        used, open_ = self._memory(), Counter(self._open)
        if self._before is not None:
            before, had = self._before
            changed = [kind for kind in open_ | before if open_[kind] != before[kind]]
            if len(changed) == 1:
                self._bytes[changed[0]] += max(0, used - had)
                self._connections[changed[0]] += STEP
        self._before = open_, used
        self._next = open_.total() + STEP

    def each(self) -> dict[str, int]:
        """Give bytes for one connection, by transport, where that is known."""
        return {kind: self._bytes[kind] // number for kind, number in self._connections.items()}
