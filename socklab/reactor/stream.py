"""One accepted connection: uvloop's transport below, a Twisted Protocol above."""

from __future__ import annotations

import socket
import struct
from asyncio import BaseTransport, Transport
from asyncio import Protocol as AsyncioProtocol
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

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

from .endpoint import Endpoint
from .unheard import Unheard

if TYPE_CHECKING:
    from .ports import ListeningPort
    from .turn import Turn

_DONE: Final = Failure(ConnectionDone())
_LOST: Final = Failure(ConnectionLost())

_ENOUGH: Final = 64 * 1024
"""Bytes that are written within a turn before uvloop gets them: only it knows when a producer must pause."""
_RESET: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends RST, not FIN."""


@implementer(ITCPTransport, ITLSTransport, IConsumer, IPushProducer, IHalfCloseableDescriptor)
@implementer(ILoggingContext, ISystemHandle)
class Connection(Endpoint, AsyncioProtocol):
    """What a Twisted Protocol has as its transport, and uvloop's transport as its protocol.

    What is written while a protocol handles a read leaves when it returns, all in one system call; what others
    write, at the end of the loop's turn.
    """

    # Thousands of idle connections have one each. The dict is made by who sets an attribute of its own.
    __slots__ = (
        "__dict__",
        "_eof",
        "_full",
        "_output",
        "_peer",
        "_port",
        "_producerPaused",
        "_reading",
        "_size",
        "_turn",
        "_uv",
        "_writable",
        "connected",
        "disconnecting",
        "producer",
        "protocol",
        "sessionno",
        "streamingProducer",
    )

    TLS: ClassVar[bool] = False
    _reason: Failure | None = None
    """Why it is closed, where uvloop does not know."""
    _writeEnds = False
    _unheard: Unheard | None = None

    producer: Any

    def __init__(self, port: ListeningPort) -> None:
        """uvloop is about to accept a connection."""
        self._port = port
        self._turn: Turn = port.turn
        # Bytes when it is enough to send them, a list when `settle` may have more to do.
        self._output: bytes | list[bytes] | None = None
        self.connected = self._writable = False

    # What uvloop calls

    def connection_made(self, transport: BaseTransport) -> None:
        """Introduce the peer to the Factory, and its protocol to this (`asyncio.BaseProtocol`)."""
        uv = self._uv = cast(Transport, transport)
        port = self._port
        peer = uv.get_extra_info("peername")
        try:
            # Of a peer that has reset already the system tells no address; what it has sent may be here.
            self._peer = port.addressOf(peer) if peer is not None else port.unknown
            self.protocol = port.factory.buildProtocol(self._peer)  # type: ignore[union-attr]
        except BaseException:
            log.err()
            self.protocol = None
        if self.protocol is None:
            uv.abort()
            return
        self._begin()

    def _begin(self) -> None:
        uv, port = self._uv, self._port
        self._size = 0
        self._eof = self._full = self._producerPaused = self.disconnecting = self.streamingProducer = False
        self.producer = None
        self.connected = self._writable = self._reading = True
        self.sessionno = port.sessionno
        port.sessionno += 1
        port.connections.add(self)
        self._serve(self.protocol.makeConnection, self)
        if not self._reading and not uv.is_closing():
            # uvloop begins to read when this returns, whatever was asked for until then.
            self._unheard = Unheard(self, uv)
            uv.set_protocol(self._unheard)

    def data_received(self, data: bytes) -> None:
        """The peer has sent something (`asyncio.Protocol`)."""
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
                # Of a streaming producer uvloop tells, and nothing is to be done but to send.
                self._output = None
                self._uv.write(output)
            else:
                self.settle()

    def eof_received(self) -> bool:
        """The peer has sent FIN (`asyncio.Protocol`)."""
        self._eof = True
        self._reading = False
        self.readConnectionLost(_DONE)
        # Else uvloop would close.
        return True

    def pause_writing(self) -> None:
        """uvloop's buffer is full (`asyncio.BaseProtocol`)."""
        self._full = True
        if self.producer is not None and self.streamingProducer and not self._producerPaused:
            self._producerPaused = True
            self._call(self.producer.pauseProducing)

    def resume_writing(self) -> None:
        """uvloop's buffer is empty again (`asyncio.BaseProtocol`)."""
        self._full = False
        if self._producerPaused:
            self._producerPaused = False
            self._call(self.producer.resumeProducing)
        self.settle()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed (`asyncio.BaseProtocol`)."""
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
            reason = _DONE if exc is None else _LOST
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
        self._uv.abort()

    # Sending

    def write(self, data: bytes) -> None:
        """Send, now or when the peer has read what was sent before (`ITransport`)."""
        if type(data) is not bytes and not isinstance(data, bytes):
            raise TypeError("Data must be bytes")
        if not self._writable or not data:
            return
        output = self._output
        if output is None:
            self._output = data
            if self._turn.serving is not self:
                self._turn.settleLater(self)
            return
        if isinstance(output, list):
            output.append(data)
            self._size += len(data)
        else:
            self._output = [output, data]
            self._size = len(output) + len(data)
        if self._size > _ENOUGH:
            self._flush()
            self._settleLater()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces (`ITransport`)."""
        pieces = list(data)
        if not all(isinstance(piece, bytes) for piece in pieces):
            raise TypeError("Data must be bytes")
        Connection.write(self, b"".join(pieces))

    def _flush(self) -> None:
        """Give uvloop what was written; it sends that at once, or after what waits already."""
        output = self._output
        self._output = None
        if isinstance(output, list):
            output = b"".join(output)
        if output:
            self._uv.write(output)

    def settle(self) -> None:
        """Send what was written, then do what was to be done after it (`Settled`)."""
        if self._output is not None:
            self._flush()
        if not self.connected:
            return
        producer = self.producer
        if producer is not None and not self.streamingProducer:
            if not self._waits():
                self._call(producer.resumeProducing)
        elif producer is not None and self._producerPaused:
            # `resume_writing` goes on.
            return
        elif self.disconnecting:
            self._uv.close()
        elif self._writeEnds and self._writable and not self._waits():
            self._endWriting()

    def _waits(self) -> bool:
        """Tell whether something waits to be sent; `resume_writing` follows when it is."""
        if not self._uv.get_write_buffer_size():
            return False
        self._uv.set_write_buffer_limits(high=0)
        return True

    def _endWriting(self) -> None:
        self._writable = False
        if not self._uv.is_closing():
            self._uv.write_eof()
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self._call(self.protocol.writeConnectionLost)

    def _settleLater(self) -> None:
        """Have `settle` called, whether there is something to send or not."""
        output = self._output
        if output is None:
            self._output, self._size = [], 0
            if self._turn.serving is not self:
                self._turn.settleLater(self)
        elif not isinstance(output, list):
            self._output, self._size = [output], len(output)

    # Producers

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused while the peer does not read (`IConsumer`)."""
        if self.producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer}, because producer {self.producer} was never unregistered."
            )
        if not self.connected:
            producer.stopProducing()
            return
        self.producer = producer
        self.streamingProducer = streaming
        if not streaming:
            producer.resumeProducing()
        elif self._full:
            self._producerPaused = True
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """The producer has ended (`IConsumer`)."""
        self.producer = None
        self._producerPaused = False
        if self.connected and (self.disconnecting or self._writeEnds):
            self._settleLater()

    def stopConsuming(self) -> None:
        """A producer is no longer wanted: close."""
        self.unregisterProducer()
        self.loseConnection()

    # Reading

    def startReading(self) -> None:
        """Read from the peer."""
        if not self.connected or self._eof or self._uv.is_closing():
            return
        self._reading = True
        if self._unheard is None:
            self._uv.resume_reading()
        else:
            self._unheard.hear()

    def stopReading(self) -> None:
        """Leave what the peer sends in its socket."""
        if self.connected:
            self._reading = False
            self._uv.pause_reading()

    pauseProducing = stopReading

    def resumeProducing(self) -> None:
        """Read again (`IPushProducer`), unless it is closing."""
        if not self.disconnecting and not self._reading:
            self.startReading()

    def stopProducing(self) -> None:
        """Close (`IPushProducer`)."""
        self.loseConnection()

    def heard(self) -> None:
        """Nothing is kept back any more: read on."""
        self._unheard = None
        self.startReading()

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

    def loseWriteConnection(self) -> None:
        """Send what was written, then FIN (`ITCPTransport`)."""
        if self._writable and not self._writeEnds:
            self._writeEnds = True
            self._settleLater()

    def abortConnection(self) -> None:
        """Send RST (`ITCPTransport`)."""
        if self.connected:
            self._reset()
            self._lose(Failure(ConnectionAborted()))

    def _reset(self) -> None:
        # The peer may have closed it already.
        with suppress(OSError):
            self._handle().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def connectionLost(self, reason: Failure) -> None:
        """Close at once, and say so to the protocol at once."""
        if self.connected:
            if reason.check(ConnectionAborted):
                self._reset()
            self._reason = reason
            self._uv.abort()
            self.connection_lost(None)

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has sent FIN (`IHalfCloseableDescriptor`)."""
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self._serve(self.protocol.readConnectionLost)
        else:
            # What waits to be sent is dropped, as Twisted's own transports do.
            self._writable = False
            self._output = None
            self._uv.abort()

    def writeConnectionLost(self, reason: Failure) -> None:
        """It cannot be written to any more (`IHalfCloseableDescriptor`)."""
        self.connectionLost(reason)

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """Speak TLS from now on (`ITLSTransport`)."""
        from .tls import startTLS

        startTLS(self, contextFactory, normal)
