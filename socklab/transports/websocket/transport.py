"""What a protocol sees of a WebSocket connection."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IAddress

from ...events import MessageSent
from ...message import Encoded, Peer, checkPayload
from ..connected import Connected
from ..conversation import Conversation
from ..output import Following, Output
from ..peers import peerOf
from ..serving import Serving, newConnection
from ..unread import unread
from .deflate import deflated
from .frames import (
    BINARY,
    COMPRESSED,
    GOING_AWAY,
    INTERNAL_ERROR,
    INVALID_PAYLOAD,
    MEDIUM,
    NORMAL,
    SHORT_BINARY,
    SHORT_TEXT,
    TEXT,
    frame,
    header,
)
from .handshake import Handshake
from .headers import Headers

if TYPE_CHECKING:
    from .connection import WebSocketConnection

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_OPEN: Final = WebSocketProtocol.STATE_OPEN
_ENOUGH: Final = 64 * 1024
"""Bytes of answers that are kept together at most until all of what was read is done."""


class _Gone:
    """What is left of a connection that is gone."""

    __slots__ = ("transport",)

    state = _CLOSED

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def close(self, code: int) -> None:
        """It is closed."""


class WebSocketTransport(Connected):
    """What a protocol sees of a WebSocket connection."""

    # Thousands of idle connections have one each.
    __slots__ = (
        "_connection",
        "_number",
        "_peer",
        "_size",
        "_windowBits",
        "clock",
        "corked",
        "encoding",
        "wireFormat",
    )

    def __init__(self, connection: WebSocketConnection, serving: Serving) -> None:
        self._connection = connection
        self._serving = serving
        self._windowBits = 0
        """With which messages are compressed; 0: they are not."""
        self.corked: list[bytes] | None = None
        self._size = 0
        self.clock = serving.clock
        self.encoding = "utf-8"
        self.wireFormat: Hashable = "websocket"
        self._number = newConnection()
        # Most that is known of it comes with the handshake.
        self._peer: Peer | None = None
        self.conversation = Conversation(serving, self)
        self.output = Output(connection.transport, serving, self)

    @property
    def peer(self) -> Peer:
        """What is known of the other side (`IMessageTransport`)."""
        if self._peer is None:
            self._peer = peerOf(self._connection.transport, "websocket", connection=self._number)
        return self._peer

    def lookAtPeer(self) -> None:
        """By now the client's address is known behind haproxy."""
        self._peer = None

    def opened(self, request: ConnectionRequest | Handshake, subprotocol: str | None, deflate: Any) -> None:
        """The opening handshake has told more of the peer."""
        self._peer = peerOf(
            self._connection.transport,
            "websocket",
            path=request.path,
            origin=request.headers.get("origin"),
            subprotocol=subprotocol,
            headers=Headers(request.headers),
            connection=self._number,
        )
        if deflate is not None:
            self._windowBits = deflate.server_max_window_bits
            self.wireFormat = ("websocket", self._windowBits)

    def over(self) -> None:
        """The connection is gone: let go of it, too."""
        super().over()
        self._connection = cast(Any, _Gone(self._connection.transport))

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message (`IMessageTransport`)."""
        serving = self._serving
        if self._windowBits or serving.events.traffic:
            self.sendEncoded(self.encode(payload, isBinary))
            return
        try:
            # It is `frame`, and below it is `Output.write`, without the cost of calling them.
            length = len(payload)
            if length < 126:
                wire = (SHORT_BINARY if isBinary else SHORT_TEXT)[length] + payload
            elif length < 65536:
                wire = MEDIUM(BINARY if isBinary else TEXT, 126, length) + payload
            elif type(payload) is bytes and self._sendLarge(payload, isBinary):
                return
            else:
                wire = frame(BINARY if isBinary else TEXT, payload)
        except TypeError:
            checkPayload(payload)
            raise
        if self._connection.state == _OPEN:
            output = self.output
            if serving.counting and not output.closing:
                serving.counts.went(length)
            if self.corked is not None:
                self._keep(wire)
            elif (way := output.way) is not None:
                way.write(wire)
            else:
                output.write(wire)

    def _sendLarge(self, payload: bytes, isBinary: bool) -> bool:
        """Send a message without a copy of it, which takes as long as all else; False where something is in the
        way."""
        way = self.output.way
        if way is None or self.corked is not None or self._connection.state != _OPEN:
            return False
        if self._serving.counting:
            self._serving.counts.went(len(payload))
        way.writeSequence((header(BINARY if isBinary else TEXT, len(payload)), payload))
        return True

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Give one message as a frame (`IMessageTransport`)."""
        opcode = BINARY if isBinary else TEXT
        if not self._windowBits:
            try:
                return Encoded(frame(opcode, payload), payload, isBinary)
            except TypeError:
                checkPayload(payload)
                raise
        # Every message stands for itself, and can be sent to many.
        small = deflated(payload, self._windowBits)
        return Encoded(frame(opcode | COMPRESSED, small), payload, isBinary)

    def sendEncoded(self, message: Encoded) -> None:
        """Send a frame (`IMessageTransport`)."""
        if self._connection.state != _OPEN or self.output.closing:
            return
        if self._serving.counting:
            self._serving.counts.went(len(message.payload))
        if self._serving.events.traffic:
            service = self._serving.service
            self._serving.events.emit(MessageSent(service, self.peer, message.payload, message.isBinary))
        if self.corked is None:
            self.output.write(message.wire)
        else:
            self._keep(message.wire)

    def _keep(self, wire: bytes) -> None:
        assert self.corked is not None
        self.corked.append(wire)
        self._size += len(wire)
        if self._size > _ENOUGH:
            self.flush()
            self.cork()

    def cork(self) -> None:
        """Keep what is sent until `flush`: the answers to one read shall be one write."""
        # What must come in order with what is said to all is written at once.
        if self.corked is None and self.output.way is not None:
            self.corked = []
            self._size = 0

    def flush(self) -> None:
        """Send what was kept; other frames must not overtake it."""
        corked, self.corked = self.corked, None
        if corked:
            self.output.write(b"".join(corked))

    def sendJoined(self, wire: bytes, messages: Sequence[Encoded]) -> None:
        """Send messages whose frames were joined (`socklab.rooms`)."""
        connection = self._connection
        if connection.state != _OPEN or self.output.closing:
            return
        if self._serving.counting:
            self._serving.counts.wentTogether(messages)
        if self._serving.events.traffic:
            service = self._serving.service
            for each in messages:
                self._serving.events.emit(MessageSent(service, self.peer, each.payload, each.isBinary))
        self.output.add(wire)

    def follow(self, following: Following) -> bool:
        """Have what is said to all come in order with all else (`socklab.rooms`); not after a close frame."""
        self.flush()
        return self._connection.state == _OPEN and self.output.follow(following)

    def loseConnection(self) -> None:
        """Close with code 1000 (`IMessageTransport`)."""
        self.conversation.closing("server", "closed")
        self.conversation.deafen()
        self._connection.close(NORMAL)

    def drained(self) -> bool:
        """Tell whether all that has come was handed over, and is done."""
        conversation = self.conversation
        if not conversation.listening or conversation.protocol is None:
            return True
        return not conversation.held and not conversation.busy and not unread(self._connection.transport)

    def goAway(self) -> None:
        """Close with code 1001: the server is shutting down."""
        self.conversation.goAway(lambda: self._connection.close(GOING_AWAY))

    def abort(self) -> None:
        """Close at once."""
        self.flush()
        self.output.abort()
        self.conversation.deafen()

    def holdChanged(self) -> None:
        """Parse and read, or stop."""
        self._connection.holdOrParse()

    def protocolFailed(self, peerAtFault: bool) -> None:
        """Close it, since the protocol raised."""
        if peerAtFault:
            self._connection._fail_connection(INVALID_PAYLOAD, "not understood")
        else:
            self._connection._fail_connection(INTERNAL_ERROR, "internal error")

    def carrier(self) -> Any:
        """Give the Twisted transport that it goes over."""
        return self._connection.transport

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return self.peer.address

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return cast(IAddress, self._connection.transport.getHost())
