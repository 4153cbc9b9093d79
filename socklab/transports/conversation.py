"""One peer's protocol and its guards, the same on every transport."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Final

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

from ..events import Closed, Cut, Failed, MessageReceived, Opened
from ..message import IMessageTransport, MessageProtocol, Peer, PeerError
from .serving import Serving


class Hold(IntFlag):
    """Why a protocol is given no message for now."""

    BURST = 1
    """It has had many, and others wait for their turn."""
    OUTPUT = 2
    """Its peer does not read the answers."""
    PROTOCOL = 4
    """It wants none itself."""


BURST: Final = 100
"""How many messages of one peer are handled before everybody else has had a turn."""


class Conversation:
    """One peer's protocol: called in order, its errors kept in, each event told."""

    def __init__(
        self,
        serving: Serving,
        transport: IMessageTransport,
        peer: Peer,
        onError: Callable[[bool], None],
        onHold: Callable[[], None],
        told: bool = True,
    ) -> None:
        """@param onError: ends the connection after the protocol raised, in its transport's own way; its argument
            says whether the peer was at fault.
        @param onHold: `held` has changed: read from the peer, and give what was read meanwhile, or stop.
        @param told: whether the beginning, the end and every fault are events; else a fault is one once.
        """
        self._serving = serving
        self._transport = transport
        self._onError = onError
        self._onHold = onHold
        self._told = told
        self._events = serving.events
        self._closed: tuple[str, str] | None = None
        self._holds = Hold(0)
        self._burst = 0
        self.peer = peer
        self.protocol: MessageProtocol | None = None
        self.listening = True
        """Whether messages still reach the protocol."""

    def begin(self) -> bool:
        """Build the protocol and introduce the transport; False when the Factory refuses the peer or raised."""
        serving = self._serving
        try:
            protocol = serving.factory.buildProtocol(self.peer.address)
            if not isinstance(protocol, MessageProtocol | None):
                raise TypeError(f"{serving.factory!r} built no MessageProtocol, but {protocol!r}")
        except Exception:
            self._failed()
            return False
        if protocol is None:
            self.cut("refused by the protocol's factory")
            return False
        self.protocol = protocol
        if self._told:
            self._events.emit(Opened(serving.service, self.peer))
        try:
            protocol.makeConnection(self._transport)
        except Exception:
            self._failed()
        return True

    @property
    def held(self) -> bool:
        """Whether no message may be given to the protocol now."""
        return bool(self._holds)

    def hold(self, why: Hold) -> None:
        """Give it no message until `release`."""
        if self.listening:
            wasHeld = self.held
            self._holds |= why
            if not wasHeld:
                self._onHold()

    def release(self, why: Hold) -> None:
        """End a `hold`; messages go on when nothing else holds them."""
        if why in self._holds:
            self._holds &= ~why
            if not self.held:
                self._onHold()

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Hand a message to the protocol. The adapter has seen that it is not held."""
        if not self.listening or self.protocol is None:
            return
        if self._events.traffic:
            self._events.emit(MessageReceived(self._serving.service, self.peer, payload, isBinary))
        try:
            self.protocol.messageReceived(payload, isBinary)
        except PeerError as error:
            self.cut(str(error))
            self._onError(True)
        except Exception:
            self._failed()
        self._burst += 1
        if self._burst >= BURST:
            # One read may bring 65,536 lines, each of which goes to a whole room.
            self._burst = 0
            self.hold(Hold.BURST)
            self._serving.clock.callLater(0, self.release, Hold.BURST)

    def inputEnded(self) -> None:
        """The peer will send nothing more, and all that it has sent was handed over."""
        self.closing("peer", "closed")
        if self.listening and self.protocol is not None:
            try:
                self.protocol.readConnectionLost()
            except Exception:
                self._failed()

    def deafen(self) -> None:
        """Hand over nothing more: what still comes is ignored, so nothing is held any longer."""
        self.listening = False
        if self.held:
            self._holds = Hold(0)
            self._onHold()

    def closing(self, by: str, reason: str) -> None:
        """Remember who ended it, and how; the first word counts."""
        if self._closed is None:
            self._closed = by, reason

    def cut(self, reason: str) -> None:
        """The peer went too far: say so, and hear no more of it. The caller closes."""
        if self._closed is None or self._closed[0] == "peer":
            self._closed = "server", reason
            if self._isNew(reason):
                self._events.emit(Cut(self._serving.service, self.peer, reason))
        self.deafen()

    def _isNew(self, what: str) -> bool:
        """Tell whether an event is due: always, but where every datagram has a conversation of its own."""
        once = self._serving.once
        if self._told:
            return True
        if what in once or len(once) >= 100:
            return False
        once.add(what)
        return True

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        self.listening = False
        self._holds = Hold(0)
        protocol, self.protocol = self.protocol, None
        if protocol is None:
            return
        if reason.check(ConnectionDone):
            self.closing("peer", "closed")
        elif reason.check(ConnectionAborted):
            self.closing("server", "aborted")
        else:
            self.closing("peer", "connection lost")
        try:
            protocol.connectionLost(reason)
        except Exception:
            failure = Failure()
            if self._isNew(repr(failure.value)):
                self._events.emit(Failed(self._serving.service, self.peer, failure))
        assert self._closed is not None
        if self._told:
            self._events.emit(Closed(self._serving.service, self.peer, *self._closed))

    def _failed(self) -> None:
        self.deafen()
        self._closed = "server", "the protocol failed"
        failure = Failure()
        if self._isNew(repr(failure.value)):
            self._events.emit(Failed(self._serving.service, self.peer, failure))
        self._onError(False)
