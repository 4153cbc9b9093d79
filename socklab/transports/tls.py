"""TLS for stream listeners: Twisted's, with what real clients need of it corrected.

Since 26.4 Twisted ends the handshake of a client that offers ALPN (every browser, and curl) to a Factory that
declares no protocol; and it never passed on a peer's close_notify while a producer was registered, so that the
end of a long answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IProtocolNegotiationFactory,
    IReactorTime,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import CertificateOptions, DiffieHellmanParameters
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath
from zope.interface import implementer


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
            return f"TLS failed: {tlsReason(error)}"
        case TimeoutError() as error:
            return str(error)
    return None


class ClientCertificates:
    """Which certificates clients may show for themselves (RFC 8446, 4.3.2), and whether they must."""

    def __init__(self, authorities: Path, required: bool) -> None:
        """Read the PEM file of the authorities that sign them.

        @raise OSError: the file cannot be read.
        @raise ValueError: the file holds no certificate.
        """
        certificates = _load(authorities, "certificate", load_pem_x509_certificates)
        self._authorities = [X509.from_cryptography(each) for each in certificates]
        self._required = required

    def askFor(self, context: SSL.Context) -> None:
        """Have the connections of a context ask."""
        store = context.get_cert_store()
        assert store is not None
        for each in self._authorities:
            store.add_cert(each)
        # What the client is told, so that a browser offers the right one.
        context.set_client_ca_list([each.get_subject() for each in self._authorities])
        context.set_verify(SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if self._required else 0))


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """A certificate with its key, ready to serve (`IOpenSSLServerConnectionCreator`)."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        chain: Path | None = None,
        dhParameters: Path | None = None,
        clients: ClientCertificates | None = None,
    ) -> None:
        """Read PEM files.

        @param clients: whose certificates are asked for; without it none are.
        @raise OSError: a file cannot be read; it names which.
        @raise ValueError: a file holds no such thing, or the key is not the certificate's.
        """
        leaf, *more = _load(certificate, "certificate", load_pem_x509_certificates)
        private = _load(key, "private key without a passphrase", lambda pem: load_pem_private_key(pem, None))
        # Certificate authorities give the leaf and what stands between it and the root in one file.
        extra = [*more, *(_load(chain, "certificate chain", load_pem_x509_certificates) if chain else [])]
        options = CertificateOptions(
            privateKey=private,
            certificate=leaf,
            extraCertChain=extra,
            dhParameters=_dhParameters(dhParameters) if dhParameters else None,
        )
        try:
            self._context: SSL.Context = options.getContext()
        except SSL.Error as error:
            raise ValueError(f"{key} is not the key of {certificate}: {tlsReason(error)}") from None
        self._context.set_alpn_select_callback(_selectProtocol)
        if clients is not None:
            clients.askFor(self._context)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Begin one connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        return connection


def _load(path: Path, what: str, load: Callable[[bytes], Any]) -> Any:
    try:
        return load(path.read_bytes())
    except OSError:
        raise
    except Exception:
        raise ValueError(f"{path} holds no {what} in PEM form") from None


def _dhParameters(path: Path) -> DiffieHellmanParameters:
    if b"-----BEGIN DH PARAMETERS-----" not in path.read_bytes():
        raise ValueError(f"{path} holds no DH parameters in PEM form")
    return cast(DiffieHellmanParameters, DiffieHellmanParameters.fromFile(FilePath(str(path))))


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose the application protocol (RFC 7301, 3.2); where the Factory has none in mind, go on without one."""
    factory = IProtocolNegotiationFactory(connection.get_app_data().factory.wrappedFactory, None)
    for each in factory.acceptableProtocols() if factory else ():
        if each in offered:
            return each
    return SSL.NO_OVERLAPPING_PROTOCOLS


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
        if factory.handshakeTimeout:
            self._timer = factory.clock.callLater(factory.handshakeTimeout, self._tooSlow)
        super().makeConnection(transport)

    def _tooSlow(self) -> None:
        seconds = cast("_TLSFactory", self.factory).handshakeTimeout
        self.failVerification(Failure(TimeoutError(f"no TLS handshake within {seconds:g} s")))

    def _checkHandshakeStatus(self) -> None:
        super()._checkHandshakeStatus()
        if self._handshakeDone:
            self._stopTimer()

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
        certificate: ServerCertificate,
        wrapped: IProtocolFactory,
        clock: IReactorTime,
        handshakeTimeout: float,
    ) -> None:
        super().__init__(certificate, False, wrapped, clock)
        self.clock = clock
        self.handshakeTimeout = handshakeTimeout

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
        certificate: ServerCertificate,
        clock: IReactorTime,
        handshakeTimeout: float,
    ) -> None:
        """@param handshakeTimeout: seconds until a client that has not finished the handshake is cut; 0: never."""
        self._endpoint = endpoint
        self._certificate = certificate
        self._clock = clock
        self._handshakeTimeout = handshakeTimeout

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Open the port (`IStreamServerEndpoint`)."""
        return self._endpoint.listen(
            _TLSFactory(self._certificate, protocolFactory, self._clock, self._handshakeTimeout)
        )
