"""What was said before a node was there: the last lines of each room, for newcomers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .waiting import Topic
from .wire import Entry


class Past:
    """Gathers lines while a node that has come reads what there is, and gives them when it has read that far."""

    def __init__(self) -> None:
        self.end = 0
        """The last entry of it; 0 when all of it was given, or there is none."""
        self._lines: dict[Topic, deque[str]] = {}

    def add(self, entry: Entry, most: int) -> None:
        """Take an entry's lines, as far as newcomers are shown them.

        @param most: how many lines a room remembers.
        """
        kept = [line.text for line in entry.lines if line.keep]
        self._lines.setdefault(entry.topic, deque(maxlen=most)).extend(kept)

    def take(self, position: int) -> Iterable[tuple[Topic, list[str]]]:
        """Give each room's last lines, once all of it was read.

        @param position: the entry that was read last.
        """
        if not self.end or position < self.end:
            return []
        self.end = 0
        old, self._lines = self._lines, {}
        return [(topic, [*lines]) for topic, lines in old.items() if lines]
