"""One WebSocket connection as Autobahn speaks it, bounded, and on the listener's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, INegotiated
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ... import http
from ...events import Failed
from ...message import Peer
from ...policy.gate import Refusal
from ..recognise import LOOKED_AT, onWebSocket
from ..refusing import tell
from ..serving import Serving
from ..tap import Tapped
from .alarms import AlarmQueue
from .answers import answerTo, refusalFor
from .fast import deliver
from .frames import GOING_AWAY, PING, POLICY, frame
from .slim import Silence, forget, share
from .transport import WebSocketTransport

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_OPEN: Final = WebSocketProtocol.STATE_OPEN

_PIECE: Final = 4096
"""Bytes of its input that Autobahn has at a time: it copies the rest of them for each frame, twice."""


@share
@implementer(IHalfCloseableProtocol)
class WebSocketConnection(WebSocketServerProtocol):
    """One connection, from the opening handshake to the last frame.

    Autobahn's timers are off, ours run on the listener's clock; what it sends goes through an `Output`. Frames in
    which there is nothing to see are taken by `fast.deliver`, all others by Autobahn.
    """

    # Our own, and what Autobahn and Twisted set on every connection; the instance has no dict when it is idle.
    __slots__ = (
        "_alive",
        "_closeCame",
        "_entered",
        "_fin",
        "_frames",
        "_message",
        "_parsing",
        "_queue",
        "_refusal",
        "_request",
        "_ringing",
        "_serving",
        "connected",
        "conversation",
        "current_frame",
        "data",
        "factory",
        "inside_message",
        "output",
        "seam",
        "state",
        "transport",
    )
    log = Silence()
    deliver = staticmethod(deliver)
    factory: Any
    transport: Any  # Twisted's ITransport has not all that its transports have.
    data: bytes
    state: int

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._serving = serving
        self._request: ConnectionRequest | None = None
        self._queue: AlarmQueue | None = None
        self._ringing: Callable[[WebSocketConnection], None] | None = None
        self._alive = False
        self._frames = 0
        self._message: bytearray | None = None
        self._parsing = False
        self._fin = False
        self._closeCame = False
        self._refusal: Refusal | None = None
        self._entered = not serving.proxied

    def connectionMade(self) -> None:
        """A client has connected, and has yet to shake hands."""
        serving = self._serving
        self.seam = WebSocketTransport(self, serving)
        self.conversation = self.seam.conversation
        self.output = self.seam.output
        serving.connections.add(self.seam)
        serving.counts.accepted += 1
        serving.counts.open += 1
        # All else that Autobahn begins with is on the class (`slim.share`): to set it was a tenth of a handshake.
        self.state = _CONNECTING
        self.data = b""
        if serving.limits.handshake_timeout:
            self._later(serving.limits.handshake_timeout, WebSocketConnection._handshakeTooSlow)

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        state = self.state
        # All others have had a turn since the last read.
        self.conversation.burst = 0
        if state == _CLOSED or self._closeCame:
            # Autobahn would keep it for ever.
            self.output.ignored(len(data))
            return
        self._alive = True
        if self.data:
            data = self.data + data
        if state != _CONNECTING:
            self._parse(data)
        elif not self._isForeign(data) and not self._handshakeTooLong(data):
            self.data = data
            self._guarded(super().consumeData)

    def consumeData(self) -> None:
        """Parse what is left, for as long as the protocol may have messages."""
        if not self._parsing:
            self._parse(self.data)

    def _parse(self, data: bytes) -> None:
        """Take all that can be taken now of what has come, and keep the rest."""
        conversation = self.conversation
        position, size = 0, len(data)
        self._parsing = True
        try:
            while position < size and self.state != _CLOSED and not self._closeCame:
                if self.current_frame is None:
                    if conversation.held:
                        break
                    if self.state == _OPEN and not self.inside_message:
                        limit = self._serving.limits.message
                        position = self.deliver(data, position, limit, conversation, self.seam.cork)
                        if position == size or conversation.held or self.state == _CLOSED:
                            break
                taken = self._parseFrame(data, position)
                if not taken:
                    # It waits for the rest of a frame's header.
                    break
                position += taken
        except Exception:
            self._failed()
        self._parsing = False
        self.data = data[position:]
        if self.seam.corked is not None:
            self.seam.flush()

    def _parseFrame(self, data: bytes, position: int) -> int:
        """Have Autobahn parse one frame, or what has come of it; give how many bytes it took."""
        # It knows how long the rest of a frame is, and stops there.
        piece = data[position : position + _PIECE] if self.current_frame is None else data[position:]
        self.data = piece
        while self.processData() and self.current_frame is not None and self.state != _CLOSED:
            pass
        return len(piece) - len(self.data)

    def holdOrParse(self) -> None:
        """Stop reading, or go on where parsing had stopped."""
        if not self.conversation.held and self.state != _CONNECTING:
            self.consumeData()
        self._endInput()
        if not self._fin and not self.output.closing:
            if self.conversation.held:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def readConnectionLost(self) -> None:
        """The peer has sent FIN (or TLS close_notify): what it asked for before is still answered."""
        self._fin = True
        self._endInput()

    def writeConnectionLost(self) -> None:
        """Our own FIN is sent."""

    def _endInput(self) -> None:
        if not self._fin or self.conversation.held:
            return
        self.output.inputOver()
        if self.state != _CLOSED:
            self.conversation.closing("peer", "closed without a close frame")
            self._finish(lambda: self.dropConnection(abort=False))

    def _finish(self, end: Callable[[], object]) -> None:
        """The peer has ended it: what it asked for before is still done, then `end`, while it takes no longer than
        a close may take."""
        conversation = self.conversation
        if conversation.busy:
            self._later(self._serving.closeTimeout, WebSocketConnection._closeTooSlow)
        conversation.leave(end)

    def _closeTooSlow(self) -> None:
        self.output.abort()

    def _guarded(self, parse: Callable[[], None]) -> None:
        try:
            parse()
        except Exception:
            self._failed()

    def _failed(self) -> None:
        self._serving.events.emit(Failed(self._serving.service, self.conversation.peer, Failure()))
        self.conversation.closing("server", "the connection failed")
        self.output.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._cancel()
        self.output.lost()
        opened = self.state != _CONNECTING
        if INegotiated.providedBy(self.transport):
            self._explain(reason)
        WebSocketProtocol._connectionLost(self, reason)  # type: ignore[arg-type]
        if opened and not self.wasClean and not reason.check(ConnectionAborted):
            how = "closed" if reason.check(ConnectionDone) else "reset"
            self.conversation.closing("peer", f"{how} without a close frame")
        self.conversation.lost(Failure(ConnectionDone()) if self.wasClean else reason)
        self._serving.connections.discard(self.seam)
        self._serving.counts.open -= 1
        if self._entered:
            self._serving.gate.leave(self.seam.peer.host)

    def _explain(self, reason: Failure) -> None:
        from ..tls import tlsTrouble

        if trouble := tlsTrouble(reason):
            self.conversation.cut(trouble)

    # The opening handshake

    def _isForeign(self, data: bytes) -> bool:
        if len(self.data) >= LOOKED_AT:
            return False
        secure = INegotiated.providedBy(self.transport)
        foreign = onWebSocket(self._serving.service, secure, data[:LOOKED_AT])
        if foreign is None:
            return False
        self.conversation.cut(foreign.why)
        self.output.write(foreign.answer)
        self.dropConnection(abort=False)
        return True

    def _handshakeTooLong(self, data: bytes) -> bool:
        limit = self._serving.limits.handshake_bytes
        if len(data) <= limit or data.find(http.HEAD_END, 0, limit) >= 0:
            return False
        self.failHandshake(f"the request's head exceeds {limit} bytes", 431)
        return True

    def _handshakeTooSlow(self) -> None:
        self.conversation.cut(f"no WebSocket handshake within {self._serving.limits.handshake_timeout:g} s")
        self.output.abort()

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """The request is good: let it in or not, and choose the subprotocol (RFC 6455, 4.2.2).

        @raise ConnectionDeny: it is not let in.
        """
        serving = self._serving
        self._refusal = serving.pages.forbids(request.path, request.headers)
        if self._refusal is None and serving.proxied:
            self.seam.lookAtPeer()
            self._refusal = serving.gate.enter(self.seam.peer.host)
            self._entered = self._refusal is None
        if self._refusal is not None:
            raise ConnectionDeny(self._refusal.status, self._refusal.reason)
        self._request = request
        if not request.protocols:
            return None
        spoken = getattr(serving.factory, "subprotocols", ())
        return next((each for each in request.protocols if each in spoken), None)

    def failHandshake(
        self, reason: str, code: int = 400, responseHeaders: list[tuple[str, str]] | None = None
    ) -> None:
        """Answer what is no handshake, or is not let in, and close."""
        if self._refusal is not None:
            tell(self._serving, self.conversation.peer, self._refusal)
            self.conversation.closing("server", f"refused: {self._refusal.name}")
            self.conversation.deafen()
            # Even with `close`: whoever wrote the page sees the status in the browser's console.
            if self._serving.refusal == "reset":
                self.output.abort()
            else:
                self.output.write(refusalFor(self._refusal))
                self.dropConnection(abort=False)
            return
        if "upgrade" not in getattr(self, "http_headers", {"upgrade": ""}):
            code, reason = 426, "a plain HTTP request"
        elif responseHeaders:
            code = 426  # Autobahn gives headers with an unsupported version only (RFC 6455, 4.4).
        self.conversation.cut(f"no WebSocket handshake, {code}: {reason}")
        withBody = not self.data.startswith(b"HEAD ")
        self.output.write(answerTo(self._serving.service, code, withBody))
        self.dropConnection(abort=False)

    def _onOpen(self) -> None:
        self.onOpen()

    def onOpen(self) -> None:
        """The handshake is done."""
        self._cancel()
        serving = self._serving
        request, self._request = self._request, None
        assert request is not None
        self.seam.opened(request, self.websocket_protocol_in_use, self._perMessageCompress)
        forget(self)
        if serving.limits.ping_interval:
            self._later(serving.limits.ping_interval, WebSocketConnection._ping)
        if not self.conversation.begin():
            self._fail_connection(POLICY, "refused")

    # Messages

    def onMessageBegin(self, isBinary: bool) -> None:
        """The first frame of a message has begun."""
        super().onMessageBegin(isBinary)
        self._frames = 0
        self._message = bytearray()

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
            self._message += payload

    def onMessageFrameEnd(self) -> None:
        """A frame is complete."""

    def onMessageEnd(self) -> None:
        """A message is complete."""
        message, self._message = self._message, None
        if not self.failedByMe and message is not None:
            self.conversation.received(bytes(message), self.message_is_binary)

    # The end

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool | None:
        """The peer closes, or answers our close (RFC 6455, 5.5.1)."""
        if self.state == _OPEN:
            said = "no code" if code is None else f"code {code}"
            if reasonRaw:
                said += f": {bytes(reasonRaw).decode('utf-8', 'replace')}"
            self.conversation.closing("peer", f"closed, {said}")
            if self.conversation.busy:
                self._closeCame = True
                answer = super().onCloseFrame
                self._finish(lambda: answer(code, reasonRaw))
                return True
            self.conversation.deafen()
        return super().onCloseFrame(code, reasonRaw)

    def close(self, code: int) -> None:
        """Begin the closing handshake; the connection is cut when the peer does not end it in time."""
        if self.state != _OPEN:
            if self.state == _CONNECTING:
                self.dropConnection(abort=True)
            return
        # Autobahn's own sendClose refuses 1001 and 1011.
        self.sendCloseFrame(code=code, isReply=False)
        self._later(self._serving.closeTimeout, WebSocketConnection._closeTooSlow)

    def _fail_connection(self, code: int = GOING_AWAY, reason: str = "going away") -> None:
        """Tell the peer why, and hear no more of it (RFC 6455, 7.1.7).

        Autobahn either drops the connection without a word or goes on parsing a peer that it has given up.
        """
        if self.state == _CLOSED:
            return
        self.failedByMe = True
        self.conversation.cut(f"{reason} ({code})")
        if self.state == _OPEN:
            # A control frame holds 125 bytes, two of them the code.
            reasonUtf8 = reason.encode()[:123].decode(errors="ignore").encode()
            self.sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=False)
        self.dropConnection(abort=False)

    def _closeConnection(self, abort: bool = False) -> None:
        self._cancel()
        if abort and not self.wasClean:
            self.output.abort()
        else:
            self.seam.flush()
            self.output.close(patient=self.wasClean)

    # Still there?

    def _ping(self) -> None:
        self._alive = False
        self.output.write(frame(PING, b"socklab"), bounded=False)
        self._later(self._serving.limits.ping_timeout, WebSocketConnection._pinged)

    def _pinged(self) -> None:
        limits = self._serving.limits
        # While we do not read, to hold the peer back, its pong cannot be seen.
        if self._alive or self.conversation.held:
            self._later(max(0, limits.ping_interval - limits.ping_timeout), WebSocketConnection._ping)
            if self.current_frame is None and not self.inside_message:
                forget(self)
        else:
            self.conversation.cut(f"no answer to a ping within {limits.ping_timeout:g} s")
            self.output.abort()

    def _later(self, delay: float, ringing: Callable[[WebSocketConnection], None]) -> None:
        self._cancel()
        self._ringing = ringing
        self._queue = self.factory.alarms.add(self, delay)

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
