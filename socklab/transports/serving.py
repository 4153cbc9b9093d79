"""What the connections of a service share: what they serve, and the list of those that are open."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..alarms import Alarms
from ..counts import Counts
from ..events import Events
from ..framing import Framing
from ..limits import Limits
from ..message import FactoryLike
from ..policy.gate import Gate
from ..policy.origin import PagePolicy

_log: Final = Logger(namespace="socklab")


class Numbers:
    """Gives each conversation of the process its number."""

    def __init__(self) -> None:
        self.next: Callable[[], int] = count(1).__next__
        """Gives the next one; a worker has numbers that none of the others has."""


NUMBERS: Final = Numbers()


def newConnection() -> int:
    """Give the next conversation of the process its number."""
    return NUMBERS.next()


_LOOK_AGAIN: Final = 0.02
"""Seconds in which what a peer has sent on this machine, or in its own network, has come."""


class Leaver(TypingProtocol):
    """An open connection, as shutdown sees it."""

    def drained(self) -> bool:
        """Tell whether all that the peer has sent was handed to the protocol, and is done."""

    def stuck(self) -> bool:
        """Tell whether it is the peer that keeps us from that: it does not read what it is owed."""

    def owed(self) -> int:
        """Give how many bytes wait here for the peer to read."""

    def goAway(self) -> None:
        """Tell the peer in its transport's own way, send what is owed, and close."""

    def abort(self) -> None:
        """Close at once."""

    def carrier(self) -> Any:
        """Give the Twisted transport that it goes over; None over datagrams."""

    def vanished(self, seconds: float) -> None:
        """The peer has not acknowledged anything for so long: end it."""


class OpenConnections:
    """The connections of a service that are open, or those of all services of the process."""

    def __init__(self, all_: OpenConnections | None = None) -> None:
        """@param all_: those of the whole process."""
        self._all = all_
        self._open: set[Leaver] = set()
        self._services: set[OpenConnections] = set()
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._open) + sum(map(len, self._services))

    def __iter__(self) -> Iterator[Leaver]:
        yield from self._open
        # Not one set more: a place in it would cost an idle connection 80 bytes.
        for service in self._services:
            yield from service

    def add(self, connection: Leaver) -> None:
        """A connection was made."""
        if not self._open and self._all is not None:
            self._all._services.add(self)
        self._open.add(connection)

    def discard(self, connection: Leaver) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        if not self._open:
            self._empty()
            if self._all is not None:
                self._all._services.discard(self)
                self._all._empty()

    def _empty(self) -> None:
        if self._waiting and not len(self):
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def owed(self) -> tuple[int, int]:
        """Give how many bytes wait for peers, and how many of these do not read."""
        return sum(each.owed() for each in self._open), sum(each.stuck() for each in self._open)

    def goAway(self, clock: IReactorTime, patience: float) -> Deferred[None]:
        """Have all leave, when all that they had sent is done; the Deferred fires when the last one is gone.

        Nobody is closed while somebody's messages have yet to be handled: they may be for anybody. Who does not
        read what it is owed is not waited for; it is closed when its own turn has come.

        @param patience: seconds that all that may take.
        """
        done: Deferred[None] = Deferred()
        if not len(self):
            done.callback(None)
            return done
        self._waiting.append(done)
        Drain(self, clock, clock.seconds() + patience).look()
        return done

    def abort(self) -> None:
        """Close what is still open."""
        for connection in [*self]:
            guarded(connection.abort)


class Drain:
    """Looks again and again who has still to be read, and closes all when that is nobody."""

    def __init__(self, connections: Iterable[Leaver], clock: IReactorTime, deadline: float) -> None:
        """@param connections: changes as they come and go.
        @param deadline: of the clock, in seconds; then all are closed as they are.
        """
        self._connections = connections
        self._clock = clock
        self._deadline = deadline
        self._quiet: set[Leaver] = set()
        self._left: set[Leaver] = set()
        self._begun = False

    def look(self) -> None:
        """See who is done; who was not at first must be found so twice, since more may be on its way."""
        open_ = {*self._connections} - self._left
        drained = {each for each in open_ if each.drained()}
        done = drained & self._quiet if self._begun else drained
        busy = open_ - done - {each for each in open_ - drained if each.stuck()}
        late = self._clock.seconds() >= self._deadline
        self._begun = True
        # A peer that goes on asking is found so now and then: it does not keep the server from stopping.
        self._quiet |= drained
        if not busy or late:
            for each in open_ if late else done:
                self._left.add(each)
                guarded(each.goAway)
        if {*self._connections} - self._left:
            self._clock.callLater(_LOOK_AGAIN, self.look)


def guarded(leave: Callable[[], None]) -> None:
    """Have one connection end; that it fails to must not keep the others."""
    try:
        leave()
    except Exception:
        _log.failure("a connection could not be closed")


@dataclass(eq=False)
class Serving:
    """What the connections of one listener share; a reload may change its limits."""

    service: str
    factory: FactoryLike
    events: Events
    clock: IReactorTime
    gate: Gate
    limits: Limits = field(default_factory=Limits)
    counts: Counts = field(default_factory=Counts)
    counting: bool = False
    """Whether messages are counted and timed; who comes and goes always is."""
    refusal: str = "close"
    """How the refused learn of it: `close`, `tell` or `reset`."""
    pages: PagePolicy = field(default_factory=PagePolicy)
    """Which pages may open a WebSocket."""
    encoding: str = "utf-8"
    framing: Callable[[], Framing] | None = None
    """Gives each stream connection its framing; None means raw."""
    closeTimeout: float = 20.0
    """How long a closing connection may take to deliver what is owed and hear the peer's end, in seconds."""
    lines: bool = False
    """Whether the messages are lines (a datagram is then one line)."""
    once: set[str] = field(default_factory=set)
    """What was told of datagrams: each would make a log line of its own otherwise."""
    udpPorts: set[int] = field(default_factory=set)
    """The datagram ports of this process: no two of them shall answer each other."""
    dismissals: set[object] = field(default_factory=set)
    """Who is being told that it is not let in."""
    proxied: bool = False
    """Whether the peer's address is known only with its first bytes, as behind `haproxy:`."""
    _wireFormats: dict[Hashable, Hashable] = field(default_factory=dict)
    connections: OpenConnections = field(default_factory=OpenConnections)

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.clock)

    def wireFormat(self, framing: Framing | None) -> Hashable:
        """Give what two streams share when the same bytes say the same on both; one object for all of them."""
        key = (type(framing), self.encoding)
        return self._wireFormats.setdefault(key, key)
