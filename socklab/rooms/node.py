"""This process among the others that share an engine: what it says, what it hears, who is where."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from .engine import Engine, Log
from .inbox import Hearer, Inbox
from .outbox import Outbox
from .places import Change, Place
from .presence import BEAT, Presence
from .waiting import Line, Queue, Topic
from .wire import Unreadable, encodeEntry

_log: Final = Logger(namespace="socklab")

_PATIENCE: Final = 5.0
"""Seconds for a node that starts to read what was said before."""
_QUIET: Final = 60.0
"""Seconds between two reasons why the engine cannot be reached, in the log; a mistake is told at once."""


class Spread(Hearer, Protocol):
    """The rooms of one service, as the node knows them."""

    def changed(self, node: str, changes: Sequence[tuple[int, Place | None]], why: str) -> None:
        """Members of another node are somewhere else now.

        @param why: what became of the node, if nobody else tells of it.
        """


class Node:
    """A process that shares its rooms with others: one for all its services."""

    def __init__(
        self,
        engine: Engine,
        clock: Any,
        identity: str,
        queue: Queue | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """@param identity: a name that no other node ever had.
        @param say: logs a line for the operator.
        """
        self.identity = identity
        self._engine = engine
        self._clock = clock
        self._say = say
        self._services: dict[str, Spread] = {}
        self._timer: Any = None
        self._draining: Deferred[None] | None = None
        self._starting: Deferred[None] | None = None
        self._members = 0
        self._toldWhy = ""
        self._toldAt = 0.0
        self.isUp = False
        self.outbox = Outbox(clock, self._store, self._encode, self._refused, queue or Queue())
        self.inbox = Inbox(identity, self._services, self.outbox.settle, say)
        self.presence = Presence(self.identity, clock, self._tell, self._changed)

    def add(self, service: str, rooms: Spread) -> None:
        """Have the rooms of a service spread."""
        self._services[service] = rooms
        for node, places in self.presence.placesOf(service):
            rooms.changed(node, places, "")

    def remove(self, service: str, rooms: Spread) -> None:
        """Have them spread no longer; others may have taken their place."""
        if self._services.get(service) is rooms:
            del self._services[service]

    def number(self) -> int:
        """Give a number by which other nodes can tell a member."""
        self._members += 1
        return self._members

    def start(self) -> None:
        """Connect; until the engine is there, what is said waits."""
        # Not sooner: a daemon is another process than its parent.
        self.presence.start(f"{socket.gethostname()}/{os.getpid()}")
        self._timer = self._clock.callLater(BEAT, self._look)
        self.inbox.started = self._clock.seconds()
        self._engine.start(self)

    def begun(self) -> Deferred[None]:
        """Give what fires when all was read that was said before, the engine is away, or 5 s have gone by."""
        starting: Deferred[None] = Deferred()
        self._starting = starting
        starting.addTimeout(_PATIENCE, self._clock, lambda *_: None)
        if self.inbox.isCurrent:
            self._begun()
        return starting

    def _begun(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None and not starting.called:
            starting.callback(None)

    def leave(self) -> None:
        """Tell the others that the members here are gone; what they say still goes out."""
        self.presence.leave()

    def stop(self, timeout: float) -> Deferred[None]:
        """Send what is owed, for `timeout` seconds at most, and let go of the engine."""
        self.leave()
        self._begun()
        self._draining = drained = self.outbox.drained()
        timer = self._clock.callLater(timeout, drained.cancel)

        def close(_: object) -> Deferred[None]:
            if timer.active():
                timer.cancel()
            if self.outbox.owed:
                self._say(f"rooms: lines that did not reach the engine, and are lost: {self.outbox.owed}")
            self.presence.stop()
            if self._timer.active():
                self._timer.cancel()
            return self._engine.stop()

        return drained.addBoth(close)

    def abort(self) -> None:
        """Wait no longer for what is owed."""
        if self._draining is not None and not self._draining.called:
            self._draining.cancel()

    # What the rooms say

    def publish(self, service: str, room: str, line: str, keep: bool) -> bool:
        """Have a line told at the other nodes; False if too much waits already."""
        return self.outbox.say((service, room), Line(line, keep))

    def _encode(self, topic: Topic, number: int, settled: int, lines: Sequence[Line]) -> bytes:
        return encodeEntry(self.identity, topic, number, settled, lines)

    def _store(self, topic: Topic, number: int, data: bytes) -> Deferred[int]:
        return self._engine.store(topic, f"{self.identity}.{number}", data)

    def _refused(self, why: str) -> None:
        self._say(f"rooms: the engine does not take what is said: {why}; it waits")

    def _tell(self, data: bytes, node: str) -> None:
        if self.isUp:
            self._engine.tell(data, node)

    # What the engine says

    def engineUp(self, log: Log) -> None:
        """Go on where reading ended, and send what is owed."""
        self.isUp = True
        owed = self.outbox.owed
        self._say("rooms: the engine is there" + (f"; lines that go out: {owed}" if owed else ""))
        self._engine.read(self.inbox.up(log))
        self.inbox.recall()
        self.presence.up()
        self.outbox.up(log.limit)
        if self.inbox.isCurrent:
            self._begun()

    def engineDown(self, why: str, isMistake: bool = False) -> None:
        """Wait until it is back."""
        now = self._clock.seconds()
        isNews = self.isUp or not self._toldWhy
        if isNews or (why != self._toldWhy and (isMistake or now - self._toldAt >= _QUIET)):
            self._toldAt = now
            self._toldWhy = why
            wait = "; members here go on, and what they say waits" if isNews else ""
            self._say(f"rooms: the engine cannot be reached: {why}{wait}")
        self.isUp = False
        self.outbox.down()
        self._begun()

    def entryRead(self, sequence: int, stored: float, data: bytes) -> None:
        """Somebody has said something; this node too."""
        self.inbox.read(sequence, stored, data)
        if self._starting is not None and self.inbox.isCurrent:
            self._begun()

    def told(self, data: bytes) -> None:
        """Another node tells of its members."""
        try:
            self.presence.hear(data)
        except Unreadable:
            _log.warn("rooms: what was told through the engine is none of ours")

    def _changed(self, node: str, changes: Sequence[Change], why: str) -> None:
        of: dict[str, list[tuple[int, Place | None]]] = {}
        for (service, number), place in changes:
            of.setdefault(service, []).append((number, place))
        for service, found in of.items():
            if service in self._services:
                self._services[service].changed(node, found, why)

    def _look(self) -> None:
        """Wait no longer for entries of nodes that are gone."""
        self._timer = self._clock.callLater(BEAT, self._look)
        if self.isUp:
            self.inbox.release(self._clock.seconds(), lambda node: not self.presence.isThere(node))
