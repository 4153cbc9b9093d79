"""One accepted connection: its socket below, a Twisted Protocol above."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from socket import SocketType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    ILoggingContext,
    IPushProducer,
    ISystemHandle,
    ITCPTransport,
    ITLSTransport,
)
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from .sending import Sending

if TYPE_CHECKING:
    from .ports import ListeningPort

_DONE: Final = Failure(ConnectionDone())
_LOST: Final = Failure(ConnectionLost())

_RESET: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends RST, not FIN."""


@implementer(ITCPTransport, ITLSTransport, IConsumer, IPushProducer, IHalfCloseableDescriptor)
@implementer(ILoggingContext, ISystemHandle)
class Connection(Sending):
    """What a Twisted Protocol has as its transport.

    What is written while a protocol handles a read leaves when it returns, all in one system call; what others
    write, at the end of the loop's turn.
    """

    # Thousands of idle connections have one each.
    __slots__ = (
        "_eof",
        "_peer",
        "_port",
        "_reading",
        "sessionno",
    )

    TLS: ClassVar[bool] = False
    _reason: Failure | None = None
    """Why it is closed, where the system does not know."""

    def __init__(self, port: ListeningPort, accepted: SocketType, peer: Any) -> None:
        """Introduce an accepted connection to the Factory, and its protocol to this.

        @param peer: its address, as the system gives it.
        """
        self._port = port
        self._turn = port.reactor.turn
        self._output = None
        self.connected = self._writable = False
        try:
            self._peer = port.addressOf(peer)
            self.protocol = port.factory.buildProtocol(self._peer)  # type: ignore[union-attr]
        except BaseException:
            log.err()
            self.protocol = None
        if self.protocol is None:
            accepted.close()
        else:
            self._begin(accepted)

    def _begin(self, accepted: SocketType) -> None:
        port = self._port
        self._wire(port.reactor.watch, accepted)
        self._size = 0
        self._eof = self._producerPaused = self.disconnecting = self.streamingProducer = False
        self.producer = None
        self.connected = self._writable = self._reading = True
        self.sessionno = port.sessionno
        port.sessionno += 1
        port.connections.add(self)
        self._serve(self.protocol.makeConnection, self)
        if self._reading:
            try:
                self._hear()
            except OSError as error:
                # There is no room to watch one more (fs.epoll.max_user_watches).
                self._drop(error)
                return
            # Its first words are there by now, most often.
            self._read()

    # What the socket tells (`Wire`)

    def data_received(self, data: bytes) -> None:
        """The peer has sent something (`Wire`)."""
        # It is `_serve`, without the cost of calling that.
        turn = self._turn
        turn.serving = self
        try:
            self.protocol.dataReceived(data)
        except BaseException:
            self._failed()
        turn.serving = None
        output = self._output
        if output is not None:
            if type(output) is bytes and self.streamingProducer:
                # Nothing is to be done but to send.
                self._output = None
                self.put(output)
            else:
                self.settle()

    def eof_received(self) -> None:
        """The peer has sent FIN (`Wire`)."""
        self._eof = True
        self._reading = False
        self.readConnectionLost(_DONE)

    def connection_lost(self, error: OSError | None) -> None:
        """It is closed (`Wire`)."""
        if not self.connected:
            return
        self.connected = self._writable = self._reading = False
        self._output = None
        self._port.connections.discard(self)
        producer, self.producer = self.producer, None
        if producer is not None:
            self._call(producer.stopProducing)
        protocol, self.protocol = self.protocol, None
        reason = self._reason
        if reason is None:
            reason = _DONE if error is None else _LOST
        self._serve(protocol.connectionLost, reason)

    def _serve(self, call: Callable[..., object], *arguments: object) -> None:
        """Have the protocol do something, then send what it has written."""
        turn = self._turn
        turn.serving = self
        try:
            call(*arguments)
        except BaseException:
            self._failed()
        turn.serving = None
        if self._output is not None:
            self.settle()

    def _call(self, call: Callable[[], object]) -> None:
        """Have somebody do something; what is written meanwhile leaves at the end of the turn."""
        try:
            call()
        except BaseException:
            self._failed()

    def _failed(self) -> None:
        """What was called has raised: log it, as Twisted does, and close."""
        log.err()
        if self.connected:
            self._lose(Failure())

    def _lose(self, reason: Failure) -> None:
        """Close at once; the protocol hears of it in the next turn."""
        if self._reason is None:
            self._reason = reason
        self._writable = False
        self._output = None
        self.stopReading()
        self._drop()

    # Reading

    def startReading(self) -> None:
        """Read from the peer."""
        if self.connected and not self._eof and not self._closing:
            self._reading = True
            self._hear()

    def stopReading(self) -> None:
        """Leave what the peer sends in its socket."""
        if self.connected:
            self._reading = False
            self._deafen()

    pauseProducing = stopReading

    def resumeProducing(self) -> None:
        """Read again (`IPushProducer`), unless it is closing."""
        if not self.disconnecting and not self._reading:
            self.startReading()

    def stopProducing(self) -> None:
        """Close (`IPushProducer`)."""
        self.loseConnection()

    @property
    def reading(self) -> bool:
        """Whether the peer is read from."""
        return self._reading

    # The end

    def loseConnection(self) -> None:
        """Send what was written, then close (`ITransport`)."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self.stopReading()
            self._settleLater()

    def abortConnection(self) -> None:
        """Send RST (`ITCPTransport`)."""
        if self.connected:
            self._reset()
            self._lose(Failure(ConnectionAborted()))

    def _reset(self) -> None:
        # The peer may have closed it already.
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def connectionLost(self, reason: Failure) -> None:
        """Close at once, and say so to the protocol at once."""
        if self.connected:
            if reason.check(ConnectionAborted):
                self._reset()
            self._reason = reason
            self._drop()
            self.connection_lost(None)

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has sent FIN (`IHalfCloseableDescriptor`)."""
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self._serve(self.protocol.readConnectionLost)
        else:
            # What waits to be sent is dropped, as Twisted's own transports do.
            self._writable = False
            self._output = None
            self._drop()

    def writeConnectionLost(self, reason: Failure) -> None:
        """It cannot be written to any more (`IHalfCloseableDescriptor`)."""
        self.connectionLost(reason)

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """Speak TLS from now on (`ITLSTransport`)."""
        from .tls import startTLS

        startTLS(self, contextFactory, normal)
