"""The seam between what is spoken and how it travels: the message.

A protocol says what is spoken, a transport says how bytes travel, and they meet here: authors write a
`MessageProtocol`, and the adapters in `socklab.transports` give each one an `IMessageTransport`. The precedent
in Twisted is the box receiver of `twisted.protocols.amp`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from typing import Protocol as TypingProtocol

from twisted.internet import protocol as twisted_protocol
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from twisted.internet.protocol import BaseProtocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .framing import Framing, FramingError, Raw

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from .rooms.memory import MemoryRooms

_log = Logger(namespace="socklab")


# One for all: an empty dict for each peer would cost 64 bytes.
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class TLS(NamedTuple):
    """What a TLS handshake has settled."""

    version: str
    """As OpenSSL calls it: `TLSv1.3`."""
    cipher: str
    """The cipher suite, e.g. `TLS_AES_256_GCM_SHA384`."""
    serverName: str = ""
    """The name that the client asked for (RFC 6066, 3); empty if it named none, as with an IP address."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of the other side of one conversation."""

    address: IAddress
    kind: str
    """The transport: `tcp`, `tls`, `unix`, `udp` or `websocket`."""
    host: str = ""
    """The IP address; empty for a Unix socket."""
    port: int = 0
    encoding: str = "utf-8"
    """Of its text."""
    path: str = ""
    """WebSocket: the path that was asked for."""
    origin: str | None = None
    """WebSocket: the Origin header; None when there was none (programs send none, pages always do)."""
    subprotocol: str | None = None
    """WebSocket: the subprotocol agreed on."""
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    """WebSocket: the headers of the opening handshake, names in lower case."""
    certificate: Certificate | None = None
    """TLS, also below WebSocket: the certificate that the peer has shown, checked against `client_ca`."""
    tls: TLS | None = None
    """TLS, also below WebSocket: what was settled; None without TLS, and until the handshake is done."""
    connection: int = field(default=0, compare=False)
    """Its conversation's number in the log, from 1 in each process; with several workers its last three digits are
    the worker's. 0 for who has none: the refused, and datagrams that are answered one by one."""

    def __str__(self) -> str:
        if not self.host:
            return "unix"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PeerError(Exception):
    """Raised by a protocol that a peer has talked nonsense to: one log line without a traceback, and the end."""


class Encoded(NamedTuple):
    """A message as it stands on the wire of one format, and what it says."""

    wire: bytes
    payload: bytes
    isBinary: bool


class IMessageTransport(TypingProtocol):
    """How messages reach one peer; what a `MessageProtocol` finds as `self.transport`.

    A protocol of `typing`, not an interface of zope's: any type checker knows it, without a plugin.
    """

    @property
    def peer(self) -> Peer:
        """What is known of the other side: a `Peer`."""

    # Any: to a type checker that does not know zope's interfaces, IReactorTime has no method that can be called.
    clock: Any
    """The clock for timers (`IReactorTime`): the reactor, or a test's `Clock`."""
    encoding: str
    """The encoding of the peer's text, e.g. `utf-8`, `cp949`."""
    wireFormat: Hashable
    """Two transports of equal wire formats put the same message on the wire as the same bytes, and have the same
    `encoding`: what `encode` gave one of them, `sendEncoded` of the other takes."""

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message.

        After the conversation has ended this does nothing, as `ITransport.write` does.

        @param isBinary: on WebSocket, whether it travels as a binary or as a text message (text must be UTF-8);
            streams and UDP know no kinds.
        @raise socklab.framing.FramingError: the listener's framing cannot carry this payload.
        """

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Give the message as `sendMessage` would put it on the wire, for `sendEncoded` of many.

        @raise socklab.framing.FramingError: as `sendMessage`.
        """

    def sendEncoded(self, message: Encoded) -> None:
        """Send what `encode` of a transport of the same `wireFormat` gave."""

    def loseConnection(self) -> None:
        """Send all that is owed, then close. Nothing more is received."""

    def abortConnection(self) -> None:
        """Close at once; what is still owed is lost."""

    def getPeer(self) -> IAddress:
        """Give the address of the other side."""

    def getHost(self) -> IAddress:
        """Give the address of this side."""

    def setTimeout(self, seconds: float | None) -> None:
        """Have `timeoutConnection` called whenever no message has come for so long; None: never.

        It begins as the limit `idle` of the service. While the protocol keeps the peer waiting, by an unfinished
        handler or by `pauseProducing`, the peer is not idle.
        """

    def pauseProducing(self) -> None:
        """Receive nothing until `resumeProducing` (`IPushProducer`): the peer is held back, on UDP unheard."""

    def resumeProducing(self) -> None:
        """Receive again."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Have `producer` paused while the peer reads more slowly than it is written to (`IConsumer`)."""

    def unregisterProducer(self) -> None:
        """Stop telling the producer."""


def checkPayload(payload: object) -> None:
    """Say what is wrong with a payload that could not be sent.

    @raise TypeError: it is no bytes.
    """
    if not isinstance(payload, bytes):
        raise TypeError(f"sendMessage takes bytes, got {type(payload).__name__}") from None


class IMessageFactory(IProtocolFactory):
    """A Factory whose protocols speak messages.

    `Factory` provides it; another one whose `protocol` attribute is a `MessageProtocol` needs not declare it.
    """


class MessageProtocol(BaseProtocol):
    """What is spoken with one peer: to messages what `twisted.internet.protocol.Protocol` is to bytes.

    `connectionMade`, `messageReceived`, `readConnectionLost` and `timeoutConnection` may be `async def`, or return
    a Deferred. Then the peer's next message waits until it is done, in order; while more wait than the limit
    `queue` allows, the peer is held back (a datagram is dropped). When the peer goes, it is cancelled:
    `CancelledError` of `twisted.internet.defer` is raised in it. An exception that leaves it, awaited or not, ends
    this conversation and is logged; others are unaffected. A `PeerError` says that the peer is at fault.
    """

    transport: IMessageTransport  # type: ignore[assignment]
    """Where messages go, and what is known of the peer."""
    factory: twisted_protocol.Factory | None = None
    """What built this. Annotate it as your own Factory, and a type checker knows what that has."""

    def makeConnection(self, transport: Any) -> Awaitable[object] | None:
        """Begin: keep the transport, and call `connectionMade`. The adapters call this."""
        self.connected = 1
        self.transport = transport
        return self.connectionMade()

    def connectionMade(self) -> Awaitable[object] | None:
        """The conversation begins; `self.transport` is there."""
        return None

    def messageReceived(self, payload: bytes, isBinary: bool) -> Awaitable[object] | None:
        """Override this: one whole message has come.

        @param isBinary: whether a WebSocket peer sent it as binary; always True from streams and UDP, which
            know no kinds.
        """
        return None

    def readConnectionLost(self) -> Awaitable[object] | None:
        """The peer will send nothing more, and may still be reading: by default, send what is owed and close."""
        self.transport.loseConnection()
        return None

    def timeoutConnection(self) -> Awaitable[object] | None:
        """No message has come for as long as the limit `idle`, or `setTimeout`, says: by default, close."""
        self.transport.loseConnection()
        return None

    def serverStopping(self) -> Awaitable[object] | None:
        """The server is shutting down, and will close: what is sent now still reaches the peer."""
        return None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The conversation has ended; `reason` is as for `Protocol.connectionLost`."""


@implementer(IMessageFactory)
class Factory(twisted_protocol.Factory):
    """Builds a protocol for each peer of a service, and keeps what they share.

    The names here may also stand on any other Factory; what is absent there has the default shown here. A Factory
    that has a method `reconfigure` is given changed options by it on a reload: see `docs/config.md`.
    """

    clock: Any
    """The clock for timers (`IReactorTime`): the reactor, or a test's `Clock`. It is there when `startFactory` is
    called."""
    rooms: MemoryRooms
    """Who is in which room, if `__init__` makes it. Where the config names an engine, it is replaced by rooms that
    all nodes share before `startFactory` is called."""

    protocol: Any = None
    """A `MessageProtocol` class, called for each peer."""
    noisy = False

    framing: Callable[[int], Framing] = Raw
    """The framing on streams, unless the config names one; called with the limit of a message, in bytes."""
    framingLimit: str = ""
    """The key of `[service.limits]` that bounds a message; by default the framing's own."""
    fixedFraming: bool = False
    """Whether the config may name none."""
    takesAnything: bool = False
    """Whether a stream may begin as HTTP or TLS does. If not, and the framing is `lines`, `cr`, `netstring` or an
    `int`, such a client is told what is spoken here, and closed."""
    keepsPeers: bool = True
    """Whether a datagram peer is remembered between its datagrams. Without that the protocol is built anew for
    each, and may answer peers that have not proved their address: once, and no longer than they asked."""
    sharesProtocol: bool = False
    """Where datagram peers are not kept: whether one protocol may answer them all, one datagram after the other,
    because it keeps nothing of any. `self.transport.peer` is always whoever has sent the one that is being
    answered."""
    transports: frozenset[str] = frozenset({"stream", "udp", "websocket"})
    """Where this can be served."""
    subprotocols: tuple[str, ...] = ()
    """The WebSocket subprotocols to agree to (RFC 6455, 1.9)."""


def startFactory(factory: Any, clock: IReactorTime, spread: Callable[[Any], None] | None = None) -> None:
    """Start a Factory for its service, once: give it the clock, and call its `startFactory`.

    @param spread: has its rooms shared with other nodes.
    """
    if isinstance(factory, Factory):
        factory.clock = clock
    if spread is not None:
        spread(factory)
    factory.doStart()


class FactoryLike(TypingProtocol):
    """What a listener needs of a Factory."""

    def buildProtocol(self, addr: IAddress | None) -> Any: ...


def speaksMessages(factory: object) -> bool:
    """Tell whether a Factory's protocols speak messages; known before any port opens."""
    protocol = getattr(factory, "protocol", None)
    if isinstance(protocol, type):
        return issubclass(protocol, MessageProtocol)
    return bool(IMessageFactory.providedBy(factory))


def framingFor(
    factory: object, limits: object, named: Callable[[int], Framing] | None = None
) -> tuple[Callable[[], Framing] | None, bool]:
    """Give what gives each stream connection its framing (None means raw), and whether its messages are lines.

    @param limits: has the greatest lengths, in bytes, as attributes `message` and `line`.
    @param named: a framing to take instead of the Factory's own.
    """
    if not speaksMessages(factory):
        return None, False
    make: Any = named or getattr(factory, "framing", Raw)
    key = ("" if named else getattr(factory, "framingLimit", "")) or getattr(make, "limit", "message")
    return (None if make is Raw else partial(make, getattr(limits, key))), key == "line"


def sendToAll(transports: Iterable[IMessageTransport], text: str) -> None:
    """Send one text message to many peers, encoding it once for each wire format.

    What a peer's encoding lacks becomes `?`. Who listens in a framing that cannot carry this message does without.
    """
    encoded: dict[Hashable, Encoded | None] = {}
    for transport in transports:
        wireFormat = transport.wireFormat
        message = encoded.get(wireFormat)
        if wireFormat not in encoded:
            encoded[wireFormat] = message = encodeText(transport, text)
        if message is not None:
            transport.sendEncoded(message)


def encodeText(transport: IMessageTransport, text: str) -> Encoded | None:
    """Give a text message as a wire format has it; None when its framing cannot carry it."""
    try:
        return transport.encode(text.encode(transport.encoding, "replace"), False)
    except FramingError as error:
        _log.info("a message for all did not reach those whose framing cannot carry it: {error}", error=error)
        return None
