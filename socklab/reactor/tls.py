"""TLS on a connection that has begun without it (`ITLSTransport`), by Twisted's own TLS in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from .stream import Connection


@implementer(ISSLTransport)
class TLSConnection(Connection):
    """A connection after `startTLS`: what is written goes through TLS."""

    __slots__ = ()

    TLS = True

    def write(self, data: bytes) -> None:
        """Send encrypted (`ITransport`)."""
        if self.connected:
            self.protocol.write(data)

    def through(self) -> None:
        """Nothing goes past TLS."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces encrypted (`ITransport`)."""
        if self.connected:
            self.protocol.writeSequence(data)

    def loseConnection(self) -> None:
        """Send what was written, say goodbye as TLS does, close (`ITransport`)."""
        if self.connected and not self.disconnecting:
            self.protocol.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused while the peer does not read (`IConsumer`)."""
        self.protocol.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The producer has ended (`IConsumer`)."""
        if self.connected:
            self.protocol.unregisterProducer()

    def getHandle(self) -> Any:
        """Give the connection of OpenSSL (`ISystemHandle`)."""
        return self.protocol.getHandle()

    def getPeerCertificate(self) -> Any:
        """Give the certificate that the peer has shown (`ISSLTransport`)."""
        return self.protocol.getPeerCertificate()


class _Below:
    """A connection as TLS itself sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        plain = getattr(Connection, name, None)
        return plain.__get__(self._connection) if callable(plain) else getattr(self._connection, name)


def startTLS(connection: Connection, contextFactory: Any, normal: bool) -> None:
    """Put TLS between a connection and its protocol.

    @param normal: whether this side is TLS's server.
    """
    producer, streaming = connection.producer, connection.streamingProducer
    if producer is not None:
        connection.unregisterProducer()
    factory = TLSMemoryBIOFactory(contextFactory, not normal, cast(Any, None))
    connection.protocol = factory.protocol(factory, connection.protocol, False)
    connection.__class__ = TLSConnection
    connection.protocol.makeConnection(_Below(connection))
    if producer is not None:
        connection.registerProducer(producer, streaming)
