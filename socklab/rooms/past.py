"""What was said before a node was there: the last lines of each room, for newcomers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .waiting import Topic
from .wire import Entry


class Past:
    """Gathers lines while a node that has come reads what there is, and gives them when it has read that far.

    What is said meanwhile waits: it comes behind what the same senders have said before.
    """

    def __init__(self) -> None:
        self.end = 0
        """The last entry of it; 0 when all of it was given, or there is none."""
        self._lines: dict[Topic, deque[str]] = {}
        self._new: list[Entry] = []

    def add(self, entry: Entry, most: int) -> None:
        """Take an entry's lines, as far as newcomers are shown them.

        @param most: how many lines a room remembers.
        """
        kept = [line.text for line in entry.lines if line.keep]
        self._lines.setdefault(entry.topic, deque(maxlen=most)).extend(kept)

    def keep(self, entries: Iterable[Entry]) -> None:
        """Have entries wait that are new."""
        self._new += entries

    def take(self) -> tuple[list[tuple[Topic, list[str]]], list[Entry]]:
        """Give each room's last lines, and then the entries that are new: all of it was read."""
        self.end = 0
        old, self._lines = self._lines, {}
        new, self._new = self._new, []
        return [(topic, [*lines]) for topic, lines in old.items() if lines], new
