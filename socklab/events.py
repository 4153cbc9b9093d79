"""What happens, as one stream of typed events; the log, the trace and records only observe it.

The transports emit; nothing in the program waits for an observer or changes by one. Events of who comes and goes,
of traffic, one for each message, and of the bytes on the wire are made only while an observer asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure

from .message import Peer

_log = Logger(namespace="socklab")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened between a service and one peer."""

    service: str
    peer: Peer


@dataclass(frozen=True, slots=True)
class Opened(Event):
    """A conversation began: a connection, a completed WebSocket handshake, or the first datagram of a peer."""

    local: IAddress | None = field(default=None, compare=False)
    """This side's address; told only while somebody wants traffic."""


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """A conversation ended."""

    by: str
    """Who ended it: `peer` or `server`."""
    reason: str
    """How, for a person: e.g. `closed` (FIN), `reset` (RST, or no answer to keepalive), `shutdown`."""


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A message came."""

    payload: bytes
    isBinary: bool


@dataclass(frozen=True, slots=True)
class MessageSent(Event):
    """A message was handed to the transport."""

    payload: bytes
    isBinary: bool


@dataclass(frozen=True, slots=True)
class BytesReceived(Event):
    """Bytes were read, within TLS, where they are not the message itself: lines with their ends, frames."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BytesSent(Event):
    """Such bytes were written."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnded(Event):
    """The peer will send nothing more (FIN), and may still be reading; an event of traffic."""


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """Nothing more is read from a peer for now; an event of traffic."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """What was said by a `Paused` of the same reason holds no longer; an event of traffic."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cut(Event):
    """The server ends a conversation, or refuses one, because of what the peer did; a limit, most often."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A newcomer was not let in."""

    rule: str
    """The key of the config that decided: `access`, `per_address` and so on."""
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped(Event):
    """A datagram was not sent or not taken. Told once for each reason and listener, then counted only."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The protocol's own code raised; its conversation was ended."""

    failure: Failure


Observer = Callable[[Event], None]


class _Subscription(NamedTuple):
    observer: Observer
    arrivals: bool
    traffic: bool
    wire: bool


class Events:
    """The stream: observers come and go, transports emit."""

    def __init__(self) -> None:
        self._own: list[_Subscription] = []
        self._above: Events | None = None
        self._branches: list[Events] = []
        self._observers: tuple[Observer, ...] = ()
        self.arrivals = False
        """Whether somebody wants `Opened` and `Closed`; a transport asks before it makes one."""
        self.traffic = False
        """Whether somebody wants each message: `MessageReceived`, `MessageSent`, `InputEnded`, `Paused`,
        `Resumed`; a transport asks before it makes one."""
        self.wire = False
        """Whether somebody wants `BytesReceived` and `BytesSent`, of connections that are yet to come."""

    def branch(self) -> Events:
        """Give the stream of a part: its events go here too. Who asks for traffic there pays for no other part."""
        branch = Events()
        branch._above = self
        self._branches.append(branch)
        branch._look()
        return branch

    def leave(self) -> None:
        """The part is gone."""
        if self._above is not None:
            self._above._branches.remove(self)
            self._above = None
            self._look()

    def subscribe(
        self, observer: Observer, traffic: bool = False, wire: bool = False, arrivals: bool = True
    ) -> Callable[[], None]:
        """Have `observer` called with each event from now on, until what is given here is called.

        What it does not ask for may come nevertheless, because somebody else does.

        @param traffic: whether it wants each message too.
        @param wire: whether it wants the bytes too.
        @param arrivals: whether it wants who comes and goes.
        """
        subscription = _Subscription(observer, arrivals, traffic, wire)
        self._own.append(subscription)
        self._look()

        def unsubscribe() -> None:
            if subscription in self._own:
                self._own.remove(subscription)
                self._look()

        return unsubscribe

    def _look(self) -> None:
        above = self._above
        self._observers = (
            *(each.observer for each in self._own),
            *(above._observers if above is not None else ()),
        )
        self.arrivals = any(each.arrivals for each in self._own) or (above is not None and above.arrivals)
        self.traffic = any(each.traffic for each in self._own) or (above is not None and above.traffic)
        self.wire = any(each.wire for each in self._own) or (above is not None and above.wire)
        for branch in self._branches:
            branch._look()

    def emit(self, event: Event) -> None:
        """Tell each observer; one that raises is logged and harms nothing."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                _log.failure("an observer of events failed")
