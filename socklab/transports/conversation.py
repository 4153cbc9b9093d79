"""What every transport's adapter shares: the listener it serves, and one peer's protocol with its guards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..events import Closed, Cut, Events, Failed, MessageReceived, Opened
from ..framing import Framing
from ..limits import Limits
from ..message import FactoryLike, IMessageTransport, MessageProtocol, Peer, PeerError

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


@dataclass(frozen=True)
class Serving:
    """What the connections of one listener share."""

    service: str
    factory: FactoryLike
    events: Events
    clock: IReactorTime
    limits: Limits = field(default_factory=Limits)
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
    proxied: bool = False
    """Whether the peer's address is known only with its first bytes, as behind `haproxy:`."""
    connections: OpenConnections = field(default_factory=OpenConnections)


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
