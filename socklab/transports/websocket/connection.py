"""One WebSocket connection as Autobahn speaks it, bounded, and on the listener's clock."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IHalfCloseableProtocol, INegotiated
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ...alarms import AlarmQueue
from ...events import Failed
from ...message import Peer
from ...policy.gate import Refusal
from ..serving import Serving
from ..tap import Tapped
from .closing import endInput, explain, fail, takeLeave, tooLate
from .fast import deliver, receive, takeClose
from .frames import GOING_AWAY, POLICY
from .handshake import Handshake, ordinary
from .heartbeat import ping
from .opening import admit, refuse, tooSlow
from .reading import parse
from .slim import Silence, forget, share
from .transport import WebSocketTransport
from .unfinished import Unfinished

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_OPEN: Final = WebSocketProtocol.STATE_OPEN


@share
@implementer(IHalfCloseableProtocol)
class WebSocketConnection(WebSocketServerProtocol):
    """One connection, from the opening handshake to the last frame.

    Autobahn's timers are off, ours run on the listener's clock; what it sends goes through an `Output`. Frames in
    which there is nothing to see are taken by `fast`, ordinary handshakes by `handshake.ordinary`, all others by
    Autobahn.
    """

    # Our own, and what Autobahn and Twisted set on every connection; the instance has no dict when it is idle.
    __slots__ = (
        "_fin",
        "_frames",
        "_message",
        "_queue",
        "_ringing",
        "_serving",
        "alive",
        "between",
        "closeCame",
        "connected",
        "conversation",
        "current_frame",
        "data",
        "entered",
        "factory",
        "inside_message",
        "output",
        "parsing",
        "refusal",
        "request",
        "seam",
        "secure",
        "state",
        "transport",
        "unfinished",
    )
    log = Silence()
    # The quick ways; a test takes them away.
    dataReceived = receive
    deliver = deliver
    takeClose = takeClose
    ordinary = staticmethod(ordinary)
    factory: Any
    transport: Any  # Twisted's ITransport has not all that its transports have.
    data: bytes
    state: int

    def __init__(self, serving: Serving) -> None:
        # What Autobahn would set, two Deferreds among it, is on the class (`slim.share`), as is all else that it
        # begins with: to set that was a tenth of a handshake.
        self._serving = serving
        self.request: ConnectionRequest | Handshake | None = None
        self._queue: AlarmQueue | None = None
        self._ringing: Callable[[WebSocketConnection], None] | None = None
        self.alive = False
        self.between = False
        """Whether what comes next begins a frame, outside of a message, and nothing waits to be parsed; False over
        TLS, of which a read may be many messages."""
        self._frames = 0
        self._message: BytesIO | None = None
        self.unfinished: Unfinished | None = None
        self.parsing = False
        self._fin = False
        self.closeCame = False
        self.refusal: Refusal | None = None
        self.entered = not serving.proxied

    def connectionMade(self) -> None:
        """A client has connected, and has yet to shake hands."""
        serving = self._serving
        self.secure = INegotiated.providedBy(self.transport)
        self.seam = WebSocketTransport(self, serving)
        self.conversation = self.seam.conversation
        self.output = self.seam.output
        serving.connections.add(self.seam)
        serving.counts.accepted += 1
        serving.counts.open += 1
        self.state = _CONNECTING
        self.data = b""
        if serving.limits.handshake_timeout:
            self.later(serving.limits.handshake_timeout, tooSlow)

    def consumeData(self) -> None:
        """Parse what is left, for as long as the protocol may have messages."""
        if not self.parsing:
            parse(self, self.data)

    def holdOrParse(self) -> None:
        """Stop reading, or go on where parsing had stopped."""
        if not self.conversation.held and self.state != _CONNECTING:
            self.consumeData()
        if self._fin and not self.conversation.held:
            endInput(self)
        if not self._fin and not self.output.closing:
            if self.conversation.held:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def readConnectionLost(self) -> None:
        """The peer has sent FIN (or TLS close_notify): what it asked for before is still answered."""
        self._fin = True
        if not self.conversation.held:
            endInput(self)

    def writeConnectionLost(self) -> None:
        """Our own FIN is sent."""

    def failed(self) -> None:
        """Something here has raised: say so, and close at once."""
        self._serving.events.emit(Failed(self._serving.service, self.conversation.peer, Failure()))
        self.conversation.closing("server", "the connection failed")
        self.output.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._cancel()
        self.output.lost()
        explain(self, reason)
        self.conversation.lost(connectionDone if self.wasClean else reason)
        self._serving.connections.discard(self.seam)
        self._serving.counts.open -= 1
        if self.entered:
            self._serving.gate.leave(self.seam.peer.host)
        self.seam.over()

    # The opening handshake

    def onConnect(self, request: ConnectionRequest | Handshake) -> str | None:
        """The request is good: let it in or not, and choose the subprotocol (RFC 6455, 4.2.2).

        @raise ConnectionDeny: it is not let in.
        """
        return admit(self, request)

    def failHandshake(
        self, reason: str, code: int = 400, responseHeaders: list[tuple[str, str]] | None = None
    ) -> None:
        """Answer what is no handshake, or is not let in, and close."""
        # Autobahn gives headers with an unsupported version only.
        refuse(self, reason, code, unsupported=bool(responseHeaders))

    def _onOpen(self) -> None:
        self.onOpen()

    def onOpen(self) -> None:
        """The handshake is done."""
        self._cancel()
        serving = self._serving
        request, self.request = self.request, None
        assert request is not None
        self.seam.opened(request, self.websocket_protocol_in_use, self._perMessageCompress)
        forget(self)
        if serving.limits.ping_interval:
            self.later(serving.limits.ping_interval, ping)
        if not self.conversation.begin():
            self._fail_connection(POLICY, "refused")

    # Messages

    def onMessageBegin(self, isBinary: bool) -> None:
        """The first frame of a message has begun."""
        super().onMessageBegin(isBinary)
        self._frames = 0
        self._message = BytesIO()

    def onMessageFrameBegin(self, length: int) -> None:
        """A frame has begun; Autobahn bounds its bytes, but not how many there are."""
        self._frames += 1
        super().onMessageFrameBegin(length)
        limit = self._serving.limits.fragments
        if self._frames > limit and not self.failedByMe:
            self._fail_connection(POLICY, f"a message in more than {limit} fragments")

    def onMessageFrameData(self, payload: bytes) -> None:
        """A piece of a frame: kept in one buffer, since a list of one-byte pieces costs forty times their size."""
        if not self.failedByMe and self._message is not None:
            self._message.write(payload)

    def onMessageFrameEnd(self) -> None:
        """A frame is complete."""

    def onMessageEnd(self) -> None:
        """A message is complete."""
        message, self._message = self._message, None
        if not self.failedByMe and message is not None:
            self.conversation.received(message.getvalue(), self.message_is_binary)

    # The end

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool | None:
        """The peer closes, or answers our close (RFC 6455, 5.5.1)."""
        return takeLeave(self, code, reasonRaw)

    def close(self, code: int) -> None:
        """Begin the closing handshake; the connection is cut when the peer does not end it in time."""
        if self.state != _OPEN:
            if self.state == _CONNECTING:
                self.dropConnection(abort=True)
            return
        # Autobahn's own sendClose refuses 1001 and 1011.
        self.sendCloseFrame(code=code, isReply=False)
        self.later(self._serving.closeTimeout, tooLate)

    def _fail_connection(self, code: int = GOING_AWAY, reason: str = "going away") -> None:
        """Tell the peer why, and hear no more of it (RFC 6455, 7.1.7).

        Autobahn either drops the connection without a word or goes on parsing a peer that it has given up.
        """
        if self.state != _CLOSED:
            fail(self, code, reason)

    def _closeConnection(self, abort: bool = False) -> None:
        self._cancel()
        if abort and not self.wasClean:
            self.output.abort()
        else:
            self.seam.flush()
            self.output.close(patient=self.wasClean)

    # Timers

    def later(self, delay: float, ringing: Callable[[WebSocketConnection], None]) -> None:
        """Have one thing done in so many seconds, instead of what was to be done later until now."""
        self._cancel()
        self._ringing = ringing
        self._queue = self._serving.alarms.add(self, delay)

    def _cancel(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.cancel(self)

    def ring(self) -> None:
        """The time is over that it has waited (`Sleeper`)."""
        ringing, self._queue = self._ringing, None
        assert ringing is not None
        ringing(self)

    # What Autobahn would do to the transport itself

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Write what is no message through the `Output`: the handshake and control frames.

        None of them is refused for what is waiting: the close frame must come, and pings are not even read while
        the peer does not take their pongs.
        """
        self.seam.flush()
        self.output.write(data, bounded=False)

    def sendCloseFrame(self, code: Any = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """Close, or answer the peer's close; nothing that is said to all may come after it (RFC 6455, 5.5.1)."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.output.unfollow()

    def unregisterProducer(self) -> None:
        """The `Output` does that when it has sent all."""


class TappedWebSocket(Tapped, WebSocketConnection):  # type: ignore[misc]  # Autobahn's two bases disagree.
    """One whose bytes are told."""

    def tappedPeer(self) -> Peer:
        """Give what is known by now of whose connection it is."""
        return self.seam.peer
