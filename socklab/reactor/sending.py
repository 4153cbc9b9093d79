"""What a protocol writes: it leaves in one system call, when the protocol returns or the turn ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol

from .endpoint import Endpoint
from .wire import Wire

if TYPE_CHECKING:
    from .turn import Turn

_ENOUGH: Final = 64 * 1024
"""Bytes that are written within a turn before the socket gets them: only it tells when a producer must pause."""
_MORE: Final = socket.MSG_MORE


class Sending(Endpoint, Wire):
    """Gathers what is written, has a producer pause while the peer does not read, and ends what is sent."""

    # Thousands of idle connections have one each. The dict is made by who sets an attribute of its own.
    __slots__ = (
        "__dict__",
        "_output",
        "_producerPaused",
        "_size",
        "_turn",
        "_writable",
        "connected",
        "disconnecting",
        "producer",
        "protocol",
        "streamingProducer",
    )

    _output: bytes | list[bytes] | None
    """Bytes when it is enough to send them, a list when `settle` may have more to do."""
    _turn: Turn
    _writeEnds = False

    _size: int
    disconnecting: bool
    producer: Any

    def _call(self, call: Callable[[], object]) -> None:
        """Have somebody do something; what is written meanwhile leaves at the end of the turn."""
        raise NotImplementedError

    def loseConnection(self) -> None:
        """Send what was written, then close (`ITransport`)."""
        raise NotImplementedError

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

    def through(self) -> Wire | None:
        """Give what sends at once, while nothing waits for the end of the turn; None if somebody listens in, and
        has put a function in the place of `write`."""
        isOwn = getattr(self.write, "__self__", None) is self
        return super().through() if isOwn else None

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces (`ITransport`)."""
        pieces = list(data)
        if not all(isinstance(piece, bytes) for piece in pieces):
            raise TypeError("Data must be bytes")
        if sum(map(len, pieces)) <= _ENOUGH:
            Sending.write(self, b"".join(pieces))
        elif self._writable:
            # To join them would take as long as to read them.
            self._flush()
            *first, last = filter(None, pieces)
            for piece in first:
                self.put(piece, _MORE)
            self.put(last)
            self._settleLater()

    def _flush(self) -> None:
        """Send what was written, or have it wait behind what does already."""
        output = self._output
        self._output = None
        if isinstance(output, list):
            output = b"".join(output)
        if output:
            # The end leaves with the last bytes, not in a packet of its own.
            self.put(output, _MORE if self._writeEnds and self.producer is None else 0)

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
            self._close()
        elif self._writeEnds and self._writable and not self._waits():
            self._endWriting()

    def _endWriting(self) -> None:
        self._writable = False
        self._sendFin()
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

    def loseWriteConnection(self) -> None:
        """Send what was written, then FIN (`ITCPTransport`)."""
        if self._writable and not self._writeEnds:
            self._writeEnds = True
            self._settleLater()

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

    def pause_writing(self) -> None:
        """Much waits to be sent (`Wire`)."""
        self._full = True
        if self.producer is not None and self.streamingProducer and not self._producerPaused:
            self._producerPaused = True
            self._call(self.producer.pauseProducing)

    def resume_writing(self) -> None:
        """Little waits any more (`Wire`)."""
        self._full = False
        if self._producerPaused:
            self._producerPaused = False
            self._call(self.producer.resumeProducing)
        self.settle()
