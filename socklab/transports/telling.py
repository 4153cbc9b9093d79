"""What is told of one peer's conversation: how it begins, what goes wrong, who ends it and why."""

from __future__ import annotations

from typing import Protocol as TypingProtocol

from twisted.python.failure import Failure

from ..events import Closed, Cut, Failed, Opened, Paused, Resumed
from ..message import IMessageTransport, Peer
from .hold import TOLD, Hold
from .serving import Serving


class Adapter(IMessageTransport, TypingProtocol):
    """The connection whose conversation it is."""

    def protocolFailed(self, peerAtFault: bool) -> None:
        """The protocol has raised: end the connection, in its transport's own way."""

    def holdChanged(self) -> None:
        """`held` has changed: read from the peer, and give what was read meanwhile, or stop."""


class Telling:
    """Makes the events of one conversation, and remembers how it ends."""

    # Thousands of idle connections have one each.
    __slots__ = ("_adapter", "_closed", "_serving", "_told")

    def __init__(self, serving: Serving, adapter: Adapter, told: bool) -> None:
        """@param told: whether the beginning, the end and every fault are events; else a fault is one once."""
        self._serving = serving
        self._adapter = adapter
        self._told = told
        self._closed: tuple[str, str] | None = None

    @property
    def peer(self) -> Peer:
        """What is known of the other side."""
        return self._adapter.peer

    def closing(self, by: str, reason: str) -> None:
        """Remember who ended it, and how; the first word counts."""
        if self._closed is None:
            self._closed = by, reason

    def _tellOpened(self) -> None:
        events = self._serving.events
        if events.arrivals:
            local = self._adapter.getHost() if events.traffic else None
            events.emit(Opened(self._serving.service, self.peer, local))

    def _tellHold(self, why: Hold, event: type[Paused] | type[Resumed]) -> None:
        if why in TOLD:
            self._serving.events.emit(event(self._serving.service, self.peer, TOLD[why]))

    def _tellCut(self, reason: str) -> None:
        self._serving.counts.cut += 1
        if self._isNew(reason):
            self._serving.events.emit(Cut(self._serving.service, self.peer, reason))

    def _tellFailure(self, failure: Failure) -> None:
        self._serving.counts.failed += 1
        if self._isNew(repr(failure.value)):
            self._serving.events.emit(Failed(self._serving.service, self.peer, failure))

    def _tellClosed(self) -> None:
        assert self._closed is not None
        if self._told and self._serving.events.arrivals:
            self._serving.events.emit(Closed(self._serving.service, self.peer, *self._closed))

    def _isNew(self, what: str) -> bool:
        """Tell whether an event is due: always, but where every datagram has a conversation of its own."""
        once = self._serving.once
        if self._told:
            return True
        if what in once or len(once) >= 100:
            return False
        once.add(what)
        return True
