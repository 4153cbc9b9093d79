"""What the connections of a service share: what they serve, and the list of those that are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..events import Events
from ..framing import Framing
from ..limits import Limits
from ..message import FactoryLike
from ..policy.gate import Gate
from ..policy.origin import PagePolicy

_log: Final = Logger(namespace="socklab")


class Leaver(TypingProtocol):
    """An open connection, as shutdown sees it."""

    def goAway(self) -> None:
        """Tell the peer in its transport's own way, send what is owed, and close."""

    def abort(self) -> None:
        """Close at once."""


class OpenConnections:
    """The connections of a service that are open."""

    def __init__(self) -> None:
        self._open: set[Leaver] = set()
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Leaver) -> None:
        """A connection was made."""
        self._open.add(connection)

    def discard(self, connection: Leaver) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        if not self._open:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def goAway(self) -> Deferred[None]:
        """Ask all to leave; the Deferred fires when the last one has."""
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        for connection in [*self._open]:
            self._ask(connection.goAway)
        if not self._open and self._waiting:
            self._waiting.remove(done)
            done.callback(None)
        return done

    def abort(self) -> None:
        """Close what is still open."""
        for connection in [*self._open]:
            self._ask(connection.abort)

    def _ask(self, leave: Callable[[], None]) -> None:
        """Have one connection end; that it fails to must not keep the others."""
        try:
            leave()
        except Exception:
            _log.failure("a connection could not be closed")


@dataclass(frozen=True)
class Serving:
    """What the connections of one listener share."""

    service: str
    factory: FactoryLike
    events: Events
    clock: IReactorTime
    gate: Gate
    limits: Limits = field(default_factory=Limits)
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
    connections: OpenConnections = field(default_factory=OpenConnections)
