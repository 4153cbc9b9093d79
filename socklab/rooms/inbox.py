"""What is said at the other nodes, out of the engine's log: in order, each once, and what is old apart from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from twisted.logger import Logger

from .engine import Log
from .order import Senders
from .past import Past
from .presence import GONE
from .waiting import Line
from .wire import Entry, Unreadable, decodeEntry

_log: Final = Logger(namespace="socklab")

_BACK: Final = 10_000
"""Entries of the log in which a node that starts looks for the last lines of rooms."""
_NEAR: Final = 1000
"""Entries behind some that were not read, among which are others of the same nodes that were sent together with
those."""


class Hearer(Protocol):
    """The rooms of one service."""

    def hear(self, room: str, lines: Sequence[Line]) -> None:
        """Somebody at another node says this."""

    def recall(self, room: str, lines: Sequence[str]) -> None:
        """This was said before this node was there."""

    def remembers(self) -> int:
        """Give how many lines a room keeps for newcomers."""


class Inbox:
    """Where this node is in the log, and what it makes of each entry."""

    def __init__(
        self,
        identity: str,
        services: Mapping[str, Hearer],
        settle: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        """@param identity: this node's.
        @param services: who hears, by then.
        @param settle: called with the number of an entry of this node's that is in the log.
        @param say: logs a line for the operator.
        """
        self._identity = identity
        self._services = services
        self._settle = settle
        self._say = say
        self._senders: Senders[Entry] = Senders()
        self._since: dict[str, float] = {}
        self._position = 0
        self._cutUntil = 0
        self._past = Past()
        self._logIdentity = ""
        self.started = 0.0
        """When this node began, in seconds since 1970."""
        self.heard = 0
        """Lines of other nodes that have come."""
        self.missed = 0
        """Entries that were gone from the log before they were read."""

    def up(self, log: Log) -> int:
        """Go on where reading ended: give the number after which the log has to be read."""
        if log.identity != self._logIdentity or log.last < self._position:
            self._position = max(log.first - 1, log.last - _BACK, 0)
            if not self._logIdentity:
                self._past.end = log.last
                self._cutUntil = log.last if self._position else 0
            else:
                # What is read twice is told once: nodes number what they say.
                self._recall()
                self._say("rooms: the engine has lost what was said; what a node has not had by now is lost")
                self._cut()
            self._logIdentity = log.identity
        self._pass(log.first)
        return self._position

    def read(self, sequence: int, stored: float, data: bytes) -> None:
        """Take the log's next entry; this node's too."""
        self._pass(sequence)
        self._position = sequence
        try:
            entry = decodeEntry(data)
        except Unreadable:
            _log.warn("rooms: an entry of the engine's log is none of ours: {sequence}", sequence=sequence)
        else:
            if entry.node == self._identity:
                self._settle(entry.number)
            else:
                isCut = sequence <= self._cutUntil
                ready = self._senders.take(entry.node, entry.number, entry.settled, entry, isCut)
                if sequence > self._past.end:
                    self._hear(ready)
                elif stored < self.started:
                    self._remember(ready)
                else:
                    self._past.keep(ready)
        self.recall()

    @property
    def isCurrent(self) -> bool:
        """Whether all was read that was said before this node was there."""
        return bool(self._logIdentity) and not self._past.end

    def recall(self) -> None:
        """Give the rooms what was said before this node was there, once all of it has been read."""
        if self._past.end and self._position >= self._past.end:
            self._recall()

    def _recall(self) -> None:
        old, new = self._past.take()
        for (service, room), lines in old:
            if service in self._services:
                self._services[service].recall(room, lines)
        self._hear(new)

    def _remember(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            rooms = self._services.get(entry.topic[0])
            if rooms is not None:
                self._past.add(entry, rooms.remembers())

    def release(self, now: float, isGone: Callable[[str], bool]) -> None:
        """Wait no longer for entries of nodes that are gone, and have been missing for so long.

        @param isGone: tells whether a node is.
        """
        waiting = {node: self._since.get(node, now) for node in self._senders.waiting()}
        self._since = waiting
        for node, since in waiting.items():
            if now - since >= GONE and isGone(node):
                self._hear(self._senders.release(node))

    def _pass(self, sequence: int) -> None:
        """Go on at an entry; what is between was there for too short a time."""
        missed = sequence - 1 - self._position
        if missed <= 0:
            return
        self._position += missed
        if not self._past.end:
            self.missed += missed
            self._say(
                "rooms: entries of the engine's log that were gone before they were read here: "
                f"{missed}; what they said is missing"
            )
        self._cut()

    def _cut(self) -> None:
        """Some entries will not be read: nothing waits for them."""
        self._cutUntil = max(self._cutUntil, self._position + _NEAR)
        self._hear(self._senders.cut())

    def _hear(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            service, room = entry.topic
            rooms = self._services.get(service)
            if rooms is not None:
                self.heard += len(entry.lines)
                rooms.hear(room, entry.lines)
