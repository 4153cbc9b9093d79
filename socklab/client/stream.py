"""Connections over TCP, TLS and Unix sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from .address import Address, hostPort
from .failures import lost
from .seam import End, Receiver
from .tls import tlsText


@implementer(IHalfCloseableProtocol)
class StreamClient(Protocol):
    """One connection (`seam.Connection`): what a read brings is given on as it is."""

    transport: Any  # Twisted's ITransport has not all that its transports have.
    host = ""
    port = 0

    def __init__(self, address: Address, receiver: Receiver, bufferSize: int) -> None:
        self._address = address
        self._receiver = receiver
        self._bufferSize = bufferSize
        self.peer = address.where
        self.about: Mapping[str, str] = {}
        self.ready: Deferred[StreamClient] | None = Deferred()
        """Fires when it can be used: after TLS's handshake, where there is one."""
        self._closing = False
        self._peerFinished = False
        self._over = False
        self._isPaced = False
        if address.isSecure:
            # A TLS connection is told when its handshake is done only if it listens.
            directlyProvides(self, IHandshakeListener)

    def connectionMade(self) -> None:
        """The bytes can flow."""
        if not self._address.isSecure:
            self.transport.bufferSize = self._bufferSize
            self._isReady()

    def handshakeCompleted(self) -> None:
        """The server is who it should be."""
        self.about = aboutTls(self.transport)
        self._isReady()

    def _isReady(self) -> None:
        if self._address.isNetwork:
            own, peer = self.transport.getHost(), self.transport.getPeer()
            self.host, self.port, self.peer = (
                hostPort(own.host, own.port),
                own.port,
                hostPort(peer.host, peer.port),
            )
        ready, self.ready = self.ready, None
        if ready is not None:
            ready.callback(self)

    def dataReceived(self, data: bytes) -> None:
        """Give it on."""
        if not self._over:
            self._receiver.received(data, True)

    def readConnectionLost(self) -> None:
        """The server has sent FIN: what we still owe goes out, then we close too."""
        self._peerFinished = True
        self._unpace()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own FIN is sent."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        if self.ready is not None:
            ready, self.ready = self.ready, None
            ready.errback(lost(reason, self._address))
        elif not self._over:
            self._over = True
            self._receiver.ended(self._end(reason))

    def _end(self, reason: Failure) -> End:
        if self._peerFinished:
            return End("peer", "closed the connection")
        if reason.check(ConnectionDone):
            return End("us" if self._closing else "peer", "closed the connection")
        if reason.check(ConnectionAborted):
            return End("us", "aborted the connection", clean=False)
        if reason.check(SSL.Error):
            return End("peer", f"broke TLS: {tlsText(reason.value)}", clean=False)
        return End("peer", "reset the connection", clean=False)

    def send(self, payload: bytes, isBinary: bool) -> None:
        """Send bytes."""
        if not self._over:
            self.transport.write(payload)

    def pace(self, producer: object) -> None:
        """Pause it while the socket is full."""
        if not self._over:
            self._isPaced = True
            self.transport.registerProducer(producer, True)

    def _unpace(self) -> None:
        # While a producer is paused the connection would never close.
        if self._isPaced:
            self._isPaced = False
            self.transport.unregisterProducer()

    def finish(self) -> bool:
        """Send FIN. TLS has no half of its own to close."""
        if self._address.isSecure:
            return False
        if not self._over and not self._closing:
            self._unpace()
            self.transport.loseWriteConnection()
        return True

    def close(self) -> None:
        """Send FIN after what was sent, and read no more."""
        self._closing = True
        self._unpace()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Reset it."""
        self._closing = True
        self.transport.abortConnection()


def aboutTls(transport: Any) -> dict[str, str]:
    """Give what a TLS handshake has agreed on."""
    handle = transport.getHandle()
    return {"tls": handle.get_protocol_version_name(), "cipher": handle.get_cipher_name() or ""}
