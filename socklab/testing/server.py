"""A Factory served in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock

from ..events import Event, Events, Failed, MessageSent
from ..framing import Framing
from ..limits import Limits
from ..message import FactoryLike, framingFor, speaksMessages, startFactory
from ..policy.access import Access
from ..policy.gate import Gate, House
from ..policy.origin import PagePolicy
from ..rooms.node import Node
from ..rooms.spread import spread
from ..transports.accepting import StreamFactory
from ..transports.plain import PlainFactory
from ..transports.serving import OpenConnections, Serving
from .engine import MemoryEngine
from .peers import DatagramTestPeer, StreamPeer, WebSocketPeer
from .transcript import Entry, fromEvents
from .wires import MemoryDatagrams, MemoryTLSTransport, MemoryTransport

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


_NAME = "test"


class MemoryServer:
    """One Factory, started, and any number of peers that came by any transport."""

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
        access: Sequence[str] = ("allow all",),
        refusal: str = "close",
        pages: PagePolicy | None = None,
        traffic: bool = True,
        engine: MemoryEngine | None = None,
    ) -> None:
        """@param framing: on streams; by default the Factory's own.
        @param raising: whether what the protocol raises is raised by what the test called. A server would log
            it, and go on; with False it only stands in `events`.
        @param deflate: whether WebSocket offers permessage-deflate.
        @param traffic: whether `events` has each message, and what was sent is checked. Without that messages take
            the shorter ways that they have in a server while nobody watches.
        @param engine: what this server shares its rooms through with others, each a node of its own; the clock is
            the engine's then.
        """
        self.clock = engine.clock if engine is not None else Clock()
        """The Factory's, and that of all peers; `advance` moves it."""
        self.events: list[Event] = []
        """What has happened, in order."""
        self.connections = OpenConnections()
        self._factory = factory
        self._framing = framing
        self._limits = limits or Limits()
        self._closeTimeout = closeTimeout
        self._raising = raising
        self._deflate = deflate
        self._encoding = encoding
        self._stream = Events()
        self._stream.subscribe(self._observe, traffic=traffic)
        self.gate = Gate(Access(access), self._limits, House(0), self.clock.seconds)
        self._refusal = refusal
        self._dismissals: set[object] = set()
        self._pages = pages or PagePolicy(loopback=True)
        self._listeners: dict[str, Serving] = {}
        self._datagrams: dict[str, MemoryDatagrams] = {}
        self._count = 0
        self._failures: list[BaseException] = []
        self.node: Node | None = None
        """With an engine: what this server is to the others."""
        if engine is not None:
            self.node = engine.node()
            self.node.start()
        if hasattr(factory, "doStart"):
            startFactory(factory, self.clock, self._spread if engine is not None else None)
        self.check()

    def _spread(self, factory: FactoryLike) -> None:
        assert self.node is not None
        spread(factory, _NAME, self.node, self.clock)

    def stop(self) -> None:
        """Stop the Factory, as its service does in the end."""
        if hasattr(self._factory, "doStop"):
            self._factory.doStop()

    def shutDown(self) -> Deferred[None]:
        """Have all peers leave, as when the server is told to stop; the Deferred fires when the last one has."""
        left = self.connections.goAway(self.clock, patience=5)
        self.check()
        return left

    def tcp(self, host: str = "127.0.0.1", encoding: str | None = None) -> StreamPeer:
        """Give a peer that has connected over TCP."""
        return self._connect(_address(host, self._port()), encoding)

    def tls(
        self, host: str = "127.0.0.1", encoding: str | None = None, certificate: Certificate | None = None
    ) -> StreamPeer:
        """Give a peer that has connected over TLS, and shaken hands.

        @param certificate: what it has shown for itself.
        """
        address = _address(host, self._port())
        return self._connect(address, encoding, MemoryTLSTransport(self.clock, address, certificate))

    def unix(self, encoding: str | None = None) -> StreamPeer:
        """Give a peer that has connected to a Unix socket."""
        return self._connect(UNIXAddress(None), encoding)

    def udp(self, host: str = "127.0.0.1", port: int = 0, encoding: str | None = None) -> DatagramTestPeer:
        """Give a peer that has yet to send its first datagram."""
        encoding = encoding or self._encoding
        if encoding not in self._datagrams:
            self._datagrams[encoding] = MemoryDatagrams(self._serving(encoding))
        return DatagramTestPeer(self.check, self._datagrams[encoding], (host, port or self._port()), encoding)

    def websocket(
        self,
        host: str = "127.0.0.1",
        path: str = "/",
        subprotocols: str = "",
        headers: str = "",
        certificate: Certificate | None = None,
    ) -> WebSocketPeer:
        """Give a peer that has shaken hands.

        @param headers: more lines of the handshake, each with its CRLF.
        @param certificate: what it has shown for itself; it then came over TLS.
        """
        peer = self.rawWebsocket(host, certificate)
        offer = f"Sec-WebSocket-Protocol: {subprotocols}\r\n" if subprotocols else ""
        head = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        peer.sendBytes(f"{head}{offer}{headers}\r\n".encode())
        return peer

    def rawWebsocket(self, host: str = "127.0.0.1", certificate: Certificate | None = None) -> WebSocketPeer:
        """Give a peer that has connected to a WebSocket port, and has yet to shake hands."""
        from ..transports.bridge import bridged
        from ..transports.websocket import WebSocketFactory

        factory = WebSocketFactory(bridged(self._serving("utf-8")), self._deflate)
        address = _address(host, self._port())
        wire = MemoryTransport(self.clock, address, certificate)
        wire.accept(factory.buildProtocol(address))
        self.check()
        return WebSocketPeer(self.check, wire)

    def advance(self, seconds: float) -> None:
        """Let time pass, in one step: what that begins has its own time after it."""
        self.clock.advance(seconds)
        self.check()

    def transcript(self) -> list[Entry]:
        """Give what has happened, in order; the reason why a peer was cut, too."""
        return [*fromEvents(self.events, _NAME)]

    def check(self) -> None:
        """Raise what the protocol raised.

        @raise Exception: that.
        """
        # What Twisted does in its next turn, it does now.
        self.clock.advance(0)
        if self._failures:
            failures, self._failures = self._failures, []
            raise failures[0]

    def _connect(self, address: IAddress, encoding: str | None, wire: MemoryTransport | None = None) -> StreamPeer:
        serving = self._serving(encoding or self._encoding)
        wire = wire or MemoryTransport(self.clock, address)
        kind = StreamFactory if speaksMessages(self._factory) else PlainFactory
        wire.accept(kind(serving).buildProtocol(address))
        self.check()
        return StreamPeer(self.check, wire, serving.encoding)

    def _serving(self, encoding: str) -> Serving:
        """Give what the connections of a listener share."""
        if encoding not in self._listeners:
            self._listeners[encoding] = self._newServing(encoding)
        return self._listeners[encoding]

    def _newServing(self, encoding: str) -> Serving:
        framing, lines = framingFor(self._factory, self._limits, self._framing)
        return Serving(
            service=_NAME,
            factory=self._factory,
            events=self._stream,
            clock=self.clock,
            gate=self.gate,
            limits=self._limits,
            refusal=self._refusal,
            pages=self._pages,
            encoding=encoding,
            framing=framing,
            closeTimeout=self._closeTimeout,
            lines=lines,
            connections=self.connections,
            dismissals=self._dismissals,
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
