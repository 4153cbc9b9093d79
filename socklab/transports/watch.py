"""What a plain Twisted protocol reads and writes, as events and figures; who does not look pays nothing for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from twisted.internet.error import ConnectionAborted, ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, INegotiated
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from ..events import Closed, InputEnded, MessageReceived, MessageSent, Opened
from ..message import Peer
from .peers import peerOf
from .serving import Serving, newConnection

_EARLY: Final = 16
"""Writes that are kept until it is known who is there: a greeting, most often."""


class Watch:
    """Sees one connection: each read is told as a message, and each write.

    It puts itself before methods of the two instances: a wrapper around either would hide what else it provides.
    """

    __slots__ = (
        "_dataReceived",
        "_early",
        "_handshakeCompleted",
        "_isClosing",
        "_isOver",
        "_makeConnection",
        "_peer",
        "_protocol",
        "_readConnectionLost",
        "_serving",
        "_transport",
    )

    def __init__(self, serving: Serving, protocol: Any) -> None:
        self._serving = serving
        self._protocol = protocol
        self._peer: Peer | None = None
        self._early: list[bytes] = []
        self._isClosing = self._isOver = False
        self._handshakeCompleted: Any = None
        self._readConnectionLost: Any = None
        self._makeConnection, protocol.makeConnection = protocol.makeConnection, self.makeConnection
        self._dataReceived, protocol.dataReceived = protocol.dataReceived, self.dataReceived
        if IHalfCloseableProtocol.providedBy(protocol):
            self._readConnectionLost = protocol.readConnectionLost
            cast(Any, protocol).readConnectionLost = self.readConnectionLost

    # What the transport calls

    def makeConnection(self, transport: Any) -> None:
        """A client has connected; with TLS, or behind a proxy, it is not known yet who."""
        self._transport = transport
        transport.write, transport.writeSequence = self.write, self.writeSequence
        transport.loseConnection = self.loseConnection
        if INegotiated.providedBy(transport):
            self._awaitHandshake(self._protocol)
        elif not self._serving.proxied:
            self._open()
        self._makeConnection(transport)

    def _awaitHandshake(self, protocol: Any) -> None:
        if IHandshakeListener.providedBy(protocol):
            self._handshakeCompleted = protocol.handshakeCompleted
        else:
            alsoProvides(protocol, IHandshakeListener)
        protocol.handshakeCompleted = self.handshakeCompleted

    def handshakeCompleted(self) -> None:
        """TLS is set up."""
        if self._peer is None:
            self._open()
        if self._handshakeCompleted is not None:
            self._handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """Something was read."""
        serving, counts = self._serving, self._serving.counts
        peer = self._peer or self._open()
        if serving.events.traffic:
            serving.events.emit(MessageReceived(serving.service, peer, data, True))
        began = 0.0
        if serving.counting:
            counts.came(len(data))
            began = counts.begin()
        self._dataReceived(data)
        counts.done(began)

    def readConnectionLost(self) -> None:
        """The peer has sent FIN."""
        serving = self._serving
        if serving.events.traffic and self._peer is not None:
            serving.events.emit(InputEnded(serving.service, self._peer))
        self._readConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone, and the protocol knows."""
        serving, peer = self._serving, self._peer
        if peer is not None and not self._isOver and serving.events.arrivals:
            serving.events.emit(Closed(serving.service, peer, *self._ended(reason)))
        self._isOver = True

    def _ended(self, reason: Failure) -> tuple[str, str]:
        if reason.check(ConnectionAborted):
            return "server", "aborted"
        if not reason.check(ConnectionClosed):
            return "server", self._trouble(reason)
        if self._isClosing:
            return "server", "closed"
        return "peer", "closed" if reason.check(ConnectionDone) else "reset"

    def _trouble(self, reason: Failure) -> str:
        if INegotiated.providedBy(self._transport):
            from .tls import tlsTrouble

            if trouble := tlsTrouble(reason):
                return trouble
        return "the protocol failed"

    def _open(self) -> Peer:
        serving, transport = self._serving, self._transport
        peer = self._peer = peerOf(transport, encoding=serving.encoding, connection=newConnection())
        if serving.events.arrivals:
            local = transport.getHost() if serving.events.traffic else None
            serving.events.emit(Opened(serving.service, peer, local))
        early, self._early = self._early, []
        for data in early:
            self._tell(data)
        return peer

    # What the protocol calls. The class is asked each time: `startTLS` gives the instance another.

    def write(self, data: bytes) -> None:
        """Send something (`ITransport`)."""
        type(self._transport).write(self._transport, data)
        if not self._isOver:
            if self._serving.counting:
                self._serving.counts.went(len(data))
            self._tell(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces, as one message (`ITransport`)."""
        self.write(b"".join(data))

    def loseConnection(self, *arguments: Any) -> None:
        """Close (`ITransport`)."""
        self._isClosing = True
        type(self._transport).loseConnection(self._transport, *arguments)

    def _tell(self, data: bytes) -> None:
        serving = self._serving
        if serving.events.traffic:
            if self._peer is None and len(self._early) < _EARLY:
                self._early.append(data)
            else:
                peer = self._peer or self._open()
                serving.events.emit(MessageSent(serving.service, peer, data, True))
