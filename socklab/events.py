"""What happens, as one stream of typed events; the log and the trace only observe it.

The transports emit; nothing in the program waits for an observer or changes by one. Events of traffic, one for
each message, are made only while an observer asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


class Events:
    """The stream: observers come and go, transports emit."""

    def __init__(self) -> None:
        self._own: list[tuple[Observer, bool]] = []
        self._observers: tuple[Observer, ...] = ()
        self.traffic = False
        """Whether somebody wants `MessageReceived` and `MessageSent`; a transport asks before it makes one."""

    def subscribe(self, observer: Observer, traffic: bool = False) -> Callable[[], None]:
        """Have `observer` called with each event from now on, until what is given here is called.

        @param traffic: whether it wants each message too.
        """
        subscription = (observer, traffic)
        self._own.append(subscription)
        self._look()

        def unsubscribe() -> None:
            if subscription in self._own:
                self._own.remove(subscription)
                self._look()

        return unsubscribe

    def _look(self) -> None:
        self._observers = tuple(observer for observer, _ in self._own)
        self.traffic = any(traffic for _, traffic in self._own)

    def emit(self, event: Event) -> None:
        """Tell each observer; one that raises is logged and harms nothing."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                _log.failure("an observer of events failed")
