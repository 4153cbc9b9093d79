"""One connection with TLS, and the endpoint that gives it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from ...message import TLS
from ..serving import Serving

_PIECE: Final = 2**15
"""Bytes: two records of TLS (RFC 8446, 5.1). The transport reads 256 KiB at a time."""

_NO_TLS: Final = {
    "http request": "an HTTP request without TLS: the client needs https:// or wss://",
    "https proxy request": "an HTTP request without TLS: this is no proxy",
    "wrong version number": "what came is no TLS (wrong version number)",
}
"""What OpenSSL says of those who speak something else, and how it is told."""


def tlsReason(error: SSL.Error) -> str:
    """Give OpenSSL's word for what went wrong, e.g. `no shared cipher`."""
    try:
        return str(error.args[0][-1][-1]) or "unknown"
    except (IndexError, TypeError):
        return str(error) or type(error).__name__


def tlsTrouble(reason: Failure) -> str | None:
    """Say why TLS ended a connection; None when it did not."""
    match reason.value:
        case SSL.Error() as error:
            why = tlsReason(error)
            return f"TLS failed: {_NO_TLS.get(why, why)}"
        case TimeoutError() as error:
            return str(error)
    return None


@implementer(IHalfCloseableProtocol)
class _TLSConnection(BufferingTLSTransport):
    """Bounds the handshake in time, and gives the end of the peer's input to a protocol that knows half-close.

    That end should be close_notify, but some clients (ncat --ssl) only send FIN.
    """

    _timer: IDelayedCall | None = None
    _peerFinished = False
    _fin = False

    def makeConnection(self, transport: ITransport) -> None:
        factory = cast("_TLSFactory", self.factory)
        serving = factory.serving()
        if serving.limits.handshake_timeout:
            self._seconds = serving.limits.handshake_timeout
            self._timer = serving.clock.callLater(self._seconds, self._tooSlow)
        super().makeConnection(transport)

    def _tooSlow(self) -> None:
        self.failVerification(Failure(TimeoutError(f"no TLS handshake within {self._seconds:g} s")))

    def _checkHandshakeStatus(self) -> None:
        super()._checkHandshakeStatus()
        if self._handshakeDone:
            self._stopTimer()

    def settled(self) -> TLS | None:
        """Give what the handshake has settled; None before it is done, and after the end."""
        connection = self._tlsConnection
        cipher = connection.get_cipher_name() if connection is not None else None
        if cipher is None:
            return None
        # One text for all who are connected so: each call gives another.
        name = (connection.get_servername() or b"").decode("ascii", "backslashreplace")
        return TLS(sys.intern(connection.get_protocol_version_name()), sys.intern(cipher), name)

    def getPeerCertificate(self) -> Any:
        """Give the client's certificate; None if it has shown none, and after the end."""
        return super().getPeerCertificate() if self._tlsConnection is not None else None

    def dataReceived(self, data: bytes) -> None:
        """Decrypt in pieces: where OpenSSL holds what is encrypted grows to the longest, and stays so."""
        if len(data) <= _PIECE:
            super().dataReceived(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            if self._aborted:
                return
            super().dataReceived(view[start : start + _PIECE].tobytes())

    def _flushReceiveBIO(self) -> None:
        if not IHalfCloseableProtocol.providedBy(self.wrappedProtocol):
            super()._flushReceiveBIO()
            return
        while not self._lostTLSConnection and not self._peerFinished:
            try:
                data = self._tlsConnection.recv(2**15)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._peerFinished = True
                if self.disconnecting:
                    self._shutdownTLS()
                    self._tlsShutdownFinished(None)
                else:
                    # RFC 8446, 6.1: what we still owe may follow the peer's close_notify.
                    self.wrappedProtocol.readConnectionLost()
            except SSL.Error:
                self._tlsShutdownFinished(Failure())
            else:
                if not self._aborted:
                    ProtocolWrapper.dataReceived(self, data)
        self._flushSendBIO()

    def readConnectionLost(self) -> None:
        self._fin = True
        wrapped = self.wrappedProtocol
        if self.disconnecting:
            # What is owed is on its way; no close_notify will come.
            cast(Any, self.transport).loseConnection()
        elif not (self._handshakeDone and IHalfCloseableProtocol.providedBy(wrapped)):
            cast(Any, self.transport).connectionLost(Failure(ConnectionDone()))
        elif not self._peerFinished:
            self._peerFinished = True
            wrapped.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Never said: TLS has no half of its own to close."""

    def _shutdownTLS(self) -> None:
        super()._shutdownTLS()
        if self._fin:
            # Nobody will answer our close_notify.
            cast(Any, self.transport).loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stopTimer()
        super().connectionLost(reason)

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


class _TLSFactory(TLSMemoryBIOFactory):
    protocol = _TLSConnection

    def __init__(
        self,
        certificate: IOpenSSLServerConnectionCreator,
        wrapped: IProtocolFactory,
        serving: Callable[[], Serving],
    ) -> None:
        super().__init__(certificate, False, wrapped, serving().clock)
        self.serving = serving

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted; None when what is within TLS does not let it in."""
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


@implementer(IStreamServerEndpoint)
class TLSEndpoint:
    """Another endpoint, with TLS."""

    def __init__(
        self,
        endpoint: IStreamServerEndpoint,
        certificate: IOpenSSLServerConnectionCreator,
        serving: Callable[[], Serving],
    ) -> None:
        """@param serving: gives what is served there by now; its `handshake_timeout` bounds the handshake."""
        self._endpoint = endpoint
        self._certificate = certificate
        self._serving = serving

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Open the port (`IStreamServerEndpoint`)."""
        return self._endpoint.listen(_TLSFactory(self._certificate, protocolFactory, self._serving))
