"""Messages over WebSocket (RFC 6455): Autobahn speaks the protocol, this bounds it and joins it to the seam.

Imported only when a listener asks for it: Autobahn costs 40 ms and 5 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Sequence
from typing import Any, cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocolNegotiationFactory,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .. import http
from ..events import Failed, MessageSent
from ..message import Encoded, IMessageTransport, Peer
from .conversation import Conversation, Serving
from .output import Output
from .stream import peerOf

# RFC 6455, 7.4.1
NORMAL = 1000
GOING_AWAY = 1001
INVALID_PAYLOAD = 1007
POLICY = 1008
INTERNAL_ERROR = 1011

_TEXT, _BINARY, _PING = 1, 2, 9
_FIN, _COMPRESSED = 0x80, 0x40


def frame(opcode: int, payload: bytes, flags: int = _FIN) -> bytes:
    """Give one unmasked frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((flags | opcode, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", flags | opcode, 126, length) + payload
    return struct.pack("!BBQ", flags | opcode, 127, length) + payload


class _Silence:
    """Takes the place of Autobahn's logger, which writes what peers sent as it is; what matters is an event."""

    def _nothing(self, *args: object, **values: object) -> None:
        """Say nothing."""

    trace = debug = info = warn = warning = error = critical = failure = _nothing


class WebSocketConnection(WebSocketServerProtocol):
    """One connection, from the opening handshake to the last frame.

    Autobahn's timers are off, ours run on the listener's clock; what it sends goes through an `Output`.
    """

    log = _Silence()
    transport: Any  # Twisted's ITransport has not all that its transports have.

    def __init__(self, serving: Serving, subprotocols: Sequence[str]) -> None:
        super().__init__()
        self._serving = serving
        self._subprotocols = subprotocols
        self._request: ConnectionRequest | None = None
        self._timer: IDelayedCall | None = None
        self._alive = False
        self._frames = 0
        self._message = bytearray()

    def connectionMade(self) -> None:
        """A client has connected, and has yet to shake hands."""
        serving = self._serving
        self.seam = WebSocketTransport(self, serving)
        self.conversation = self.seam.conversation
        self.output = Output(
            self.transport,
            serving.clock,
            serving.limits.pending,
            serving.closeTimeout,
            onPause=self.seam.readOrNot,
            onResume=self.seam.readOrNot,
            onOverflow=self.seam.overflowed,
        )
        self.seam.output = self.output
        serving.connections.add(self.seam)
        super().connectionMade()
        if serving.limits.handshake_timeout:
            self._later(serving.limits.handshake_timeout, self._handshakeTooSlow)

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if self.state == self.STATE_CLOSED:
            # Autobahn would keep it for ever.
            self.output.ignored(len(data))
            return
        self._alive = True
        if self.state == self.STATE_CONNECTING and self._handshakeTooLong(data):
            return
        try:
            self._dataReceived(data)
        except Exception:
            self._serving.events.emit(Failed(self._serving.service, self.conversation.peer, Failure()))
            self.conversation.closing("server", "the connection failed")
            self.output.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._cancel()
        self.output.lost()
        opened = self.state != self.STATE_CONNECTING
        self._connectionLost(reason)  # type: ignore[arg-type]
        if opened and not self.wasClean:
            self.conversation.closing("peer", "connection lost without a close frame")
        self.conversation.lost(Failure(ConnectionDone()) if self.wasClean else reason)
        self._serving.connections.discard(self.seam)

    # The opening handshake

    def _handshakeTooLong(self, data: bytes) -> bool:
        limit = self._serving.limits.handshake_bytes
        if len(self.data) + len(data) <= limit or (self.data + data).find(http.HEAD_END, 0, limit) >= 0:
            return False
        self.failHandshake(f"the request's head exceeds {limit} bytes", 431)
        return True

    def _handshakeTooSlow(self) -> None:
        self.conversation.cut(f"no WebSocket handshake within {self._serving.limits.handshake_timeout:g} s")
        self.output.abort()

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """The request is good: choose the subprotocol (RFC 6455, 4.2.2)."""
        self._request = request
        return next((each for each in request.protocols if each in self._subprotocols), None)

    def failHandshake(
        self, reason: str, code: int = 400, responseHeaders: list[tuple[str, str]] | None = None
    ) -> None:
        """Answer what is no handshake, and close."""
        headers = [*(responseHeaders or ())]
        if "upgrade" not in getattr(self, "http_headers", {"upgrade": ""}):
            code, reason = 426, "a plain HTTP request"
        elif headers:
            code = 426  # Autobahn gives headers with an unsupported version only (RFC 6455, 4.4).
        if code == 426:
            # RFC 9110, 15.5.22: without the header 426 says nothing.
            headers = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade, close"),
                ("Sec-WebSocket-Version", "13"),
            ]
            body = (
                f'This port speaks WebSocket (service "{self._serving.service}"): use new WebSocket("ws://...").\n'
            )
        elif code == 405:
            headers = [("Allow", "GET")]
            body = "A WebSocket handshake is a GET request.\n"
        else:
            body = "This is no WebSocket handshake that can be accepted here.\n"
        self.conversation.cut(f"no WebSocket handshake, {code}: {reason}")
        withBody = not self.data.startswith(b"HEAD ")
        self.output.write(http.response(code, body.encode(), headers, withBody))
        self.dropConnection(abort=False)

    def onOpen(self) -> None:
        """The handshake is done."""
        self._cancel()
        serving = self._serving
        assert self._request is not None
        self.seam.opened(self._request, self.websocket_protocol_in_use, self._perMessageCompress)
        if serving.limits.ping_interval:
            self._later(serving.limits.ping_interval, self._ping)
        if not self.conversation.begin():
            self._fail_connection(POLICY, "refused")

    # Messages

    def onMessageBegin(self, isBinary: bool) -> None:
        """The first frame of a message has begun."""
        super().onMessageBegin(isBinary)
        self._frames = 0
        self._message.clear()

    def onMessageFrameBegin(self, length: int) -> None:
        """A frame has begun; Autobahn bounds its bytes, but not how many there are."""
        self._frames += 1
        super().onMessageFrameBegin(length)
        limit = self._serving.limits.fragments
        if self._frames > limit and not self.failedByMe:
            self._fail_connection(POLICY, f"a message in more than {limit} fragments")

    def onMessageFrameData(self, payload: bytes) -> None:
        """A piece of a frame: kept in one buffer, since a list of one-byte pieces costs forty times their size."""
        if not self.failedByMe:
            self._message += payload

    def onMessageFrameEnd(self) -> None:
        """A frame is complete."""

    def onMessageEnd(self) -> None:
        """A message is complete."""
        if not self.failedByMe:
            payload = bytes(self._message)
            self._message.clear()
            self.conversation.received(payload, self.message_is_binary)

    # The end

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool | None:
        """The peer closes, or answers our close (RFC 6455, 5.5.1)."""
        if self.state == self.STATE_OPEN:
            said = "no code" if code is None else f"code {code}"
            self.conversation.closing("peer", f"closed, {said}")
            self.conversation.listening = False
        return super().onCloseFrame(code, reasonRaw)

    def close(self, code: int) -> None:
        """Begin the closing handshake; the connection is cut when the peer does not end it in time."""
        if self.state != self.STATE_OPEN:
            if self.state == self.STATE_CONNECTING:
                self.dropConnection(abort=True)
            return
        # Autobahn's own sendClose refuses 1001 and 1011.
        self.sendCloseFrame(code=code, isReply=False)
        self._later(self._serving.closeTimeout, self.output.abort)

    def _fail_connection(self, code: int = GOING_AWAY, reason: str = "going away") -> None:
        """Tell the peer why, and hear no more of it (RFC 6455, 7.1.7).

        Autobahn either drops the connection without a word or goes on parsing a peer that it has given up.
        """
        if self.state == self.STATE_CLOSED:
            return
        self.failedByMe = True
        self.conversation.cut(f"{reason} ({code})")
        if self.state == self.STATE_OPEN:
            # A control frame holds 125 bytes, two of them the code.
            reasonUtf8 = reason.encode()[:123].decode(errors="ignore").encode()
            self.sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=False)
        self.dropConnection(abort=False)

    def _closeConnection(self, abort: bool = False) -> None:
        self._cancel()
        if abort and not self.wasClean:
            self.output.abort()
        else:
            self.output.close(patient=self.wasClean)

    # Still there?

    def _ping(self) -> None:
        self._alive = False
        self.output.write(frame(_PING, b"socklab"))
        self._later(self._serving.limits.ping_timeout, self._pinged)

    def _pinged(self) -> None:
        limits = self._serving.limits
        # While we do not read, to hold the peer back, its pong cannot be seen.
        if self._alive or self.seam.notReading:
            self._later(max(0, limits.ping_interval - limits.ping_timeout), self._ping)
        else:
            self.conversation.cut(f"no answer to a ping within {limits.ping_timeout:g} s")
            self.output.abort()

    def _later(self, delay: float, call: Any) -> None:
        self._cancel()
        self._timer = self._serving.clock.callLater(delay, call)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # What Autobahn would do to the transport itself

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Write through the `Output`."""
        self.output.write(data)

    def unregisterProducer(self) -> None:
        """The `Output` does that when it has sent all."""


@implementer(IMessageTransport)
class WebSocketTransport:
    """What a protocol sees of a WebSocket connection."""

    output: Output

    def __init__(self, connection: WebSocketConnection, serving: Serving) -> None:
        self._connection = connection
        self._serving = serving
        self._deflate: Any = None
        self._quiet = False
        self.clock = serving.clock
        self.encoding = "utf-8"
        self.wireFormat: Hashable = "websocket"
        self.peer = peerOf(connection.transport.getPeer(), "websocket")
        self.conversation = Conversation(serving, self, self.peer, onError=self._failed)

    def opened(self, request: ConnectionRequest, subprotocol: str | None, deflate: Any) -> None:
        """The opening handshake has told more of the peer."""
        self.peer = Peer(
            self.peer.address,
            "websocket",
            host=self.peer.host,
            port=self.peer.port,
            path=request.path,
            origin=request.headers.get("origin"),
            subprotocol=subprotocol,
            headers=request.headers,
        )
        self.conversation.peer = self.peer
        if deflate is not None:
            self._deflate = deflate
            self.wireFormat = ("websocket", deflate.server_max_window_bits)

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message (`IMessageTransport`)."""
        self.sendEncoded(self.encode(payload, isBinary))

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Give one message as a frame (`IMessageTransport`)."""
        opcode = _BINARY if isBinary else _TEXT
        deflate = self._deflate
        if deflate is None:
            return Encoded(frame(opcode, payload), payload, isBinary)
        # Without context takeover (RFC 7692, 7.1.1) every message stands for itself, and can be sent to many.
        deflate.start_compress_message()
        small = deflate.compress_message_data(payload) + deflate.end_compress_message()
        return Encoded(frame(opcode, small, _FIN | _COMPRESSED), payload, isBinary)

    def sendEncoded(self, message: Encoded) -> None:
        """Send a frame (`IMessageTransport`)."""
        connection = self._connection
        if connection.state != connection.STATE_OPEN or self.output.closing:
            return
        if self._serving.events.traffic:
            service = self._serving.service
            self._serving.events.emit(MessageSent(service, self.peer, message.payload, message.isBinary))
        self.output.write(message.wire)

    def loseConnection(self) -> None:
        """Close with code 1000 (`IMessageTransport`)."""
        self.conversation.closing("server", "closed")
        self.conversation.listening = False
        self._connection.close(NORMAL)

    def goAway(self) -> None:
        """Close with code 1001: the server is shutting down."""
        self.conversation.closing("server", "shutdown")
        self.conversation.listening = False
        self._connection.close(GOING_AWAY)

    def abortConnection(self) -> None:
        """Close at once (`IMessageTransport`)."""
        self.conversation.closing("server", "aborted")
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self.conversation.listening = False
        self.output.abort()

    def overflowed(self) -> None:
        """Too much was waiting for the peer."""
        limit = self._serving.limits.pending
        self.conversation.cut(f"it did not read: more than {limit} bytes were waiting for it")
        self.abort()

    def _failed(self, peerAtFault: bool) -> None:
        if peerAtFault:
            self._connection._fail_connection(INVALID_PAYLOAD, "not understood")
        else:
            self._connection._fail_connection(INTERNAL_ERROR, "internal error")

    @property
    def notReading(self) -> bool:
        """Whether the peer is being held back."""
        return self._quiet or self.output.paused

    def readOrNot(self) -> None:
        """Read from the peer, or hold it back."""
        if self.notReading:
            self._connection.transport.pauseProducing()
        else:
            self._connection.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Hear nothing for now (`IMessageTransport`)."""
        self._quiet = True
        self.conversation.hold()
        self.readOrNot()

    def resumeProducing(self) -> None:
        """Hear again (`IMessageTransport`)."""
        self._quiet = False
        if self.conversation.release():
            self.readOrNot()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused with the peer (`IMessageTransport`)."""
        self.output.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop telling the producer (`IMessageTransport`)."""
        self.output.unregisterProducer()

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return self.peer.address

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return cast(IAddress, self._connection.transport.getHost())


def _acceptDeflate(offers: Sequence[Any]) -> PerMessageDeflateOfferAccept | None:
    """Accept permessage-deflate, and no other compression (RFC 7692).

    Neither side then keeps 32 KiB of window between messages, where the client allows it.
    """
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(
                offer,
                request_no_context_takeover=offer.accept_no_context_takeover,
                no_context_takeover=True,
            )
    return None


@implementer(IProtocolNegotiationFactory)
class WebSocketFactory(WebSocketServerFactory):
    """Gives each connection of a WebSocket listener its adapter."""

    noisy = False
    log = _Silence()

    def __init__(self, serving: Serving, deflate: bool = False) -> None:
        """@param deflate: whether to accept permessage-deflate."""
        super().__init__(server=None, reactor=serving.clock)
        self._serving = serving
        self._subprotocols = tuple(getattr(serving.factory, "subprotocols", ()))
        limit = serving.limits.message
        self.setProtocolOptions(
            webStatus=False,
            # Autobahn stops parsing at once after a violation; our _fail_connection still tells the peer.
            failByDrop=True,
            maxFramePayloadSize=limit,
            maxMessagePayloadSize=limit,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            allowNullOrigin=True,
            perMessageCompressionAccept=_acceptDeflate if deflate else None,
        )

    def buildProtocol(self, addr: IAddress | None) -> WebSocketConnection:
        """A connection was accepted."""
        connection = WebSocketConnection(self._serving, self._subprotocols)
        connection.factory = self
        return connection

    def acceptableProtocols(self) -> list[bytes]:
        """What browsers offer in TLS (`IProtocolNegotiationFactory`): WebSocket begins as HTTP/1.1."""
        return [b"http/1.1"]

    def doStart(self) -> None:
        """The port is open; the service's Factory starts elsewhere."""

    def doStop(self) -> None:
        """The port is closed."""
