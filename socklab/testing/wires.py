"""What carries bytes and datagrams in memory, as a server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IPushProducer,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from ..transports.serving import Serving
from ..transports.udp import DatagramPeers

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from OpenSSL.crypto import X509

_BUFFER = 65536
"""What Twisted's transports keep before they pause their producer, in bytes."""


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """A TCP connection in memory, as its server sees it."""

    def __init__(self, clock: Clock, peer: IAddress, certificate: Certificate | None = None) -> None:
        self._clock = clock
        self._peer = peer
        self._certificate = certificate
        self._protocol: Any = None
        self._producer: Any = None
        self._producerPaused = False
        self._owed = bytearray()
        self._unread: list[bytes] = []
        self._finPending = False
        self.received = bytearray()
        """What has reached the peer."""
        self.reading = True
        """Whether the server reads."""
        self.peerReads = True
        self.finished = False
        """Whether the peer has had the server's FIN."""
        self.peerFinished = False
        self.disconnecting = False
        self.connected = False

    def accept(self, protocol: Any) -> None:
        """Begin with what a Factory gave; None closes."""
        if protocol is None:
            self.finished = True
        else:
            self.connect(protocol)

    def connect(self, protocol: Any) -> None:
        """Begin."""
        self.connected = True
        self._protocol = protocol
        protocol.makeConnection(self)

    # What the peer does

    def deliver(self, data: bytes) -> None:
        """The peer sends."""
        self._unread.append(data)
        self._read()

    def deliverEof(self) -> None:
        """The peer sends FIN."""
        self.peerFinished = True
        self._read()

    def lose(self, reason: BaseException) -> None:
        """The connection is gone."""
        if self.connected:
            self.connected = False
            producer, self._producer = self._producer, None
            if producer is not None:
                producer.stopProducing()
            protocol, self._protocol = self._protocol, None
            protocol.connectionLost(Failure(reason))

    def drain(self) -> None:
        """The peer reads what is there."""
        while self.peerReads and self._owed:
            self.received += self._owed
            self._owed.clear()
            if self._producer is not None and self._producerPaused:
                self._producerPaused = False
                self._producer.resumeProducing()
        if not self._owed and not self.finished and self.connected:
            if self.disconnecting and self._producer is None:
                self.finished = True
                self._clock.callLater(0, self.lose, ConnectionDone())
            elif self._finPending:
                self.finished = True
                if IHalfCloseableProtocol.providedBy(self._protocol):
                    self._protocol.writeConnectionLost()

    def _read(self) -> None:
        while self.reading and self._unread and self.connected:
            self._protocol.dataReceived(self._unread.pop(0))
        if self.reading and self.peerFinished and not self._unread and self.connected:
            self.reading = False
            if IHalfCloseableProtocol.providedBy(self._protocol):
                self._protocol.readConnectionLost()
            else:
                self._clock.callLater(0, self.lose, ConnectionDone())

    # What the server does

    def write(self, data: bytes) -> None:
        """Send."""
        if type(data) is not bytes:
            raise TypeError(f"write takes bytes, got {type(data).__name__}")
        if not self.connected or self._finPending or not data:
            return
        self._owed += data
        self.drain()
        if len(self._owed) > _BUFFER and self._producer is not None:
            self._producerPaused = True
            self._producer.pauseProducing()

    def writeSequence(self, iovec: Any) -> None:
        """Send."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """Close when all is sent."""
        if self.finished and self.connected:
            self._clock.callLater(0, self.lose, ConnectionDone())
        self.disconnecting = True
        self.reading = False
        self.drain()

    def loseWriteConnection(self) -> None:
        """Send FIN when all is sent."""
        self._finPending = True
        self.drain()

    def abortConnection(self) -> None:
        """Send RST."""
        self.reading = False
        self._clock.callLater(0, self.lose, ConnectionAborted())

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume a producer."""
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None
        self.drain()

    def pauseProducing(self) -> None:
        """Stop reading."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read."""
        if self.connected and not self.disconnecting:
            self.reading = True
            # As after the next turn of a reactor, never from within the caller.
            self._clock.callLater(0, self._read)

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeerCertificate(self) -> X509 | None:
        """Give what the peer has shown for itself."""
        if self._certificate is None:
            return None
        # Imported late: it brings OpenSSL along.
        from OpenSSL.crypto import X509

        return X509.from_cryptography(self._certificate)

    def getPeer(self) -> IAddress:
        """Give the peer's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Give this side's address."""
        return IPv4Address("TCP", "127.0.0.1", 7)


@implementer(INegotiated)
class MemoryTLSTransport(MemoryTransport):  # type: ignore[misc, override]
    """A TLS connection in memory, as its server sees it: nothing is encrypted, and the handshake is done."""

    negotiatedProtocol = None

    def connect(self, protocol: Any) -> None:
        """Begin, and finish the handshake."""
        super().connect(protocol)
        if IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()


class MemoryDatagrams:
    """A datagram port in memory."""

    def __init__(self, serving: Serving) -> None:
        self.sent: dict[tuple[str, int], list[bytes]] = {}
        self.maxThroughput = 256 * 1024
        self.protocol = DatagramPeers(serving)
        self.protocol.makeConnection(cast(Any, self))

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        """Send."""
        if type(data) is not bytes:
            raise TypeError(f"write takes bytes, got {type(data).__name__}")
        self.sent.setdefault(address, []).append(data)

    def getHost(self) -> IAddress:
        """Give this side's address."""
        return IPv4Address("UDP", "127.0.0.1", 7)
