"""Peers in memory, for tests of protocols: no socket, no reactor, no waiting.

    server = MemoryServer(ShoutFactory())
    peer = server.websocket()
    peer.say("hi")
    assert peer.hear() == ["HI"]

The adapters are the real ones, and what carries them is stricter than the real thing: what a protocol raises is
raised in the test, wrong types are refused, and so is text that is no UTF-8 where a browser would close over it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from .events import Event, Events, Failed, MessageSent
from .framing import Framing, Raw
from .limits import Limits
from .message import FactoryLike, speaksMessages
from .transports.conversation import OpenConnections, Serving
from .transports.stream import StreamConnection
from .transports.udp import DatagramPeers

_BUFFER = 65536
"""What Twisted's transports keep before they pause their producer, in bytes."""


class MemoryServer:
    """One Factory, and any number of peers that came by any transport."""

    def __init__(
        self,
        factory: FactoryLike,
        *,
        framing: Callable[[int], Framing] | None = None,
        encoding: str = "utf-8",
        limits: Limits | None = None,
        closeTimeout: float = 20.0,
        raising: bool = True,
        deflate: bool = False,
    ) -> None:
        """@param framing: on streams; by default the Factory's own.
        @param raising: whether what the protocol raises is raised by what the test called. A server would log
            it, and go on; with False it only stands in `events`.
        @param deflate: whether WebSocket offers permessage-deflate.
        """
        self.clock = Clock()
        self.events: list[Event] = []
        self.connections = OpenConnections()
        self._factory = factory
        self._framing = framing
        self._limits = limits or Limits()
        self._closeTimeout = closeTimeout
        self._raising = raising
        self._deflate = deflate
        self._encoding = encoding
        self._stream = Events()
        self._stream.subscribe(self._observe, traffic=True)
        self._datagrams: dict[str, MemoryDatagrams] = {}
        self._count = 0
        self._failures: list[BaseException] = []

    def tcp(self, host: str = "127.0.0.1", encoding: str | None = None) -> StreamPeer:
        """Give a peer that has connected over TCP."""
        return self._connect(_address(host, self._port()), encoding)

    def unix(self, encoding: str | None = None) -> StreamPeer:
        """Give a peer that has connected to a Unix socket."""
        return self._connect(UNIXAddress(None), encoding)

    def udp(self, host: str = "127.0.0.1", port: int = 0, encoding: str | None = None) -> DatagramTestPeer:
        """Give a peer that has yet to send its first datagram."""
        encoding = encoding or self._encoding
        if encoding not in self._datagrams:
            self._datagrams[encoding] = MemoryDatagrams(self._serving(encoding))
        return DatagramTestPeer(self, self._datagrams[encoding], (host, port or self._port()), encoding)

    def websocket(
        self, host: str = "127.0.0.1", path: str = "/", subprotocols: str = "", headers: str = ""
    ) -> WebSocketPeer:
        """Give a peer that has shaken hands.

        @param headers: more lines of the handshake, each with its CRLF.
        """
        peer = self.rawWebsocket(host)
        offer = f"Sec-WebSocket-Protocol: {subprotocols}\r\n" if subprotocols else ""
        head = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        peer.sendBytes(f"{head}{offer}{headers}\r\n".encode())
        return peer

    def rawWebsocket(self, host: str = "127.0.0.1") -> WebSocketPeer:
        """Give a peer that has connected to a WebSocket port, and has yet to shake hands."""
        from .transports.bridge import bridged
        from .transports.websocket import WebSocketFactory

        factory = WebSocketFactory(bridged(self._serving("utf-8")), self._deflate)
        address = _address(host, self._port())
        wire = MemoryTransport(self.clock, address)
        wire.connect(factory.buildProtocol(address))
        self.check()
        return WebSocketPeer(self, wire)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.check()

    def check(self) -> None:
        """Raise what the protocol raised.

        @raise Exception: that.
        """
        # What Twisted does in its next turn, it does now.
        self.clock.advance(0)
        if self._failures:
            failures, self._failures = self._failures, []
            raise failures[0]

    def _connect(self, address: IAddress, encoding: str | None) -> StreamPeer:
        serving = self._serving(encoding or self._encoding)
        wire = MemoryTransport(self.clock, address)
        if speaksMessages(self._factory):
            wire.connect(StreamConnection(serving))
        elif (protocol := self._factory.buildProtocol(address)) is not None:
            wire.connect(protocol)
        self.check()
        return StreamPeer(self, wire, serving.encoding)

    def _serving(self, encoding: str) -> Serving:
        make: Any = self._framing or getattr(self._factory, "framing", Raw)
        key = getattr(self._factory, "framingLimit", "") or getattr(make, "limit", "message")
        limit = getattr(self._limits, key)
        return Serving(
            service="test",
            factory=self._factory,
            events=self._stream,
            clock=self.clock,
            limits=self._limits,
            encoding=encoding,
            framing=None if make is Raw else partial(make, limit),
            closeTimeout=self._closeTimeout,
            lines=key == "line",
            connections=self.connections,
        )

    def _port(self) -> int:
        self._count += 1
        return 40000 + self._count

    def _observe(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Failed) and self._raising:
            self._failures.append(event.failure.value or RuntimeError("failed"))
        if isinstance(event, MessageSent):
            if type(event.payload) is not bytes or type(event.isBinary) is not bool:
                kinds = f"{type(event.payload).__name__} and {type(event.isBinary).__name__}"
                self._failures.append(TypeError(f"sendMessage takes bytes and a bool, got {kinds}"))
            elif event.peer.kind == "websocket" and not event.isBinary:
                try:
                    event.payload.decode()
                except UnicodeDecodeError as error:
                    self._failures.append(error)


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """A TCP connection in memory, as its server sees it."""

    def __init__(self, clock: Clock, peer: IAddress) -> None:
        self._clock = clock
        self._peer = peer
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
            self._protocol.connectionLost(Failure(reason))

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

    def getPeer(self) -> IAddress:
        """Give the peer's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Give this side's address."""
        return IPv4Address("TCP", "127.0.0.1", 7)


class StreamPeer:
    """The other side of a stream."""

    def __init__(self, server: MemoryServer, wire: MemoryTransport, encoding: str) -> None:
        self._server = server
        self._wire = wire
        self._encoding = encoding
        self._taken = 0

    def send(self, data: bytes) -> None:
        """Send bytes, which the server reads at once."""
        self._wire.deliver(data)
        self._server.check()

    def say(self, text: str) -> None:
        """Send a line."""
        self.send(text.encode(self._encoding) + b"\n")

    @property
    def received(self) -> bytes:
        """All that has come from the server."""
        return bytes(self._wire.received)

    def receive(self) -> bytes:
        """Give what has come since this was last called."""
        self._server.check()
        data = bytes(self._wire.received[self._taken :])
        self._taken += len(data)
        return data

    def hear(self) -> list[str]:
        """Give the lines that have come since this was last called."""
        return self.receive().decode(self._encoding).split("\n")[:-1]

    def finish(self) -> None:
        """Send FIN: this side says no more, and still listens."""
        self._wire.deliverEof()
        self._server.check()

    def reset(self) -> None:
        """Vanish."""
        self._wire.lose(ConnectionLost())
        self._server.check()

    def stopReading(self) -> None:
        """Let what is sent pile up."""
        self._wire.peerReads = False

    def startReading(self) -> None:
        """Read again."""
        self._wire.peerReads = True
        self._wire.drain()
        self._server.check()

    @property
    def heldBack(self) -> bool:
        """Whether the server has stopped reading from this peer."""
        return not self._wire.reading

    @property
    def finished(self) -> bool:
        """Whether the server has said that it will send no more."""
        return self._wire.finished

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return not self._wire.connected


class MemoryDatagrams:
    """A datagram port in memory."""

    def __init__(self, serving: Serving) -> None:
        self.sent: dict[tuple[str, int], list[bytes]] = {}
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


class DatagramTestPeer:
    """The other side of datagrams."""

    def __init__(
        self, server: MemoryServer, port: MemoryDatagrams, address: tuple[str, int], encoding: str
    ) -> None:
        self._server = server
        self._port = port
        self._address = address
        self._encoding = encoding

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self._port.protocol.datagramReceived(data, self._address)
        self._server.check()

    def say(self, text: str) -> None:
        """Send a line without an end."""
        self.send(text.encode(self._encoding))

    def receive(self) -> list[bytes]:
        """Give the datagrams that have come since this was last called."""
        self._server.check()
        return self._port.sent.pop(self._address, [])

    def hear(self) -> list[str]:
        """Give the lines that have come since this was last called."""
        return [each.decode(self._encoding).removesuffix("\n") for each in self.receive()]


class Frame(NamedTuple):
    """A WebSocket frame from the server."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int


class WebSocketPeer:
    """The other side of WebSocket."""

    def __init__(self, server: MemoryServer, wire: MemoryTransport) -> None:
        self._server = server
        self.wire = wire
        self._data = b""
        self._taken = 0
        self.response = b""
        """The head of the server's answer to the handshake, and after a refusal its body."""
        self.closeCode: int | None = None
        """What the server closed with."""
        self._frames: list[Frame] = []

    def sendBytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.wire.deliver(data)
        self._server.check()

    def sendFrame(
        self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, masked: bool = True
    ) -> None:
        """Send a frame (RFC 6455, 5.2), as wrong as wanted."""
        self.sendBytes(clientFrame(opcode, payload, fin, rsv, masked))

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send a message."""
        self.sendFrame(2 if isBinary else 1, payload)

    def say(self, text: str) -> None:
        """Send a text message."""
        self.sendMessage(text.encode(), False)

    def receive(self) -> list[tuple[bytes, bool]]:
        """Give the messages that have come since this was last called, each with whether it is binary."""
        frames, self._frames = self.frames(), []
        return [(each.payload, each.opcode == 2) for each in frames if each.opcode in (1, 2)]

    def hear(self) -> list[str]:
        """Give the text messages that have come since this was last called."""
        return [payload.decode() for payload, isBinary in self.receive() if not isBinary]

    def frames(self) -> list[Frame]:
        """Give all frames since `receive` was last called."""
        self._server.check()
        self._data += bytes(self.wire.received[self._taken :])
        self._taken = len(self.wire.received)
        if not self.response:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return self._frames
            if not head.startswith(b"HTTP/1.1 101 "):
                self.response, self._data = self._data, b""
                return self._frames
            self.response, self._data = head + end, rest
        while (parsed := _parseFrame(self._data)) is not None:
            frame, size = parsed
            self._data = self._data[size:]
            self._frames.append(frame)
            if frame.opcode == 8:
                self.closeCode = struct.unpack("!H", frame.payload[:2])[0] if frame.payload else 1005
        return self._frames

    def close(self, code: int = 1000) -> None:
        """Send a close frame."""
        self.sendFrame(8, struct.pack("!H", code))

    def reset(self) -> None:
        """Vanish."""
        self.wire.lose(ConnectionLost())
        self._server.check()

    def stopReading(self) -> None:
        """Let what is sent pile up."""
        self.wire.peerReads = False

    def startReading(self) -> None:
        """Read again."""
        self.wire.peerReads = True
        self.wire.drain()
        self._server.check()

    @property
    def finished(self) -> bool:
        """Whether the server has said that it will send no more."""
        return self.wire.finished

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return not self.wire.connected


def clientFrame(opcode: int, payload: bytes, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Give a frame as a client sends it."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    length = len(payload)
    if length < 126:
        head = bytes((first, flag | length))
    elif length < 65536:
        head = struct.pack("!BBH", first, flag | 126, length)
    else:
        head = struct.pack("!BBQ", first, flag | 127, length)
    if not masked:
        return head + payload
    mask = b"\x37\xfa\x21\x3d"
    pad = (mask * (length // 4 + 1))[:length]
    hidden = (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(length)
    return head + mask + hidden


def _parseFrame(data: bytes) -> tuple[Frame, int] | None:
    """Give the first frame of unmasked bytes and its size; None while it is unfinished."""
    if len(data) < 2:
        return None
    length, start = data[1] & 0x7F, 2
    if length == 126:
        length, start = int.from_bytes(data[2:4]), 4
    elif length == 127:
        length, start = int.from_bytes(data[2:10]), 10
    if len(data) < start + length:
        return None
    first = data[0]
    return Frame(first & 0x0F, data[start : start + length], bool(first & 0x80), first >> 4 & 7), start + length
