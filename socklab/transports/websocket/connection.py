"""One WebSocket connection as Autobahn speaks it, bounded, and on the listener's clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, INegotiated
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
from .frames import GOING_AWAY, PING, POLICY, frame
from .transport import WebSocketTransport


def refusalFor(refusal: Refusal) -> bytes:
    """Give the answer to a handshake that is refused."""
    headers = [("Retry-After", "5")] if refusal.status in (429, 503) else []
    return http.response(refusal.status, f"Refused: {refusal.name}.\n".encode(), headers, True)


class Silence:
    """Takes the place of Autobahn's logger, which writes what peers sent as it is; what matters is an event."""

    def _nothing(self, *args: object, **values: object) -> None:
        """Say nothing."""

    trace = debug = info = warn = warning = error = critical = failure = _nothing


@implementer(IHalfCloseableProtocol)
class WebSocketConnection(WebSocketServerProtocol):
    """One connection, from the opening handshake to the last frame.

    Autobahn's timers are off, ours run on the listener's clock; what it sends goes through an `Output`.
    """

    log = Silence()
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
        super().connectionMade()
        if serving.limits.handshake_timeout:
            self._later(serving.limits.handshake_timeout, self._handshakeTooSlow)

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if self.state == self.STATE_CLOSED or self._closeCame:
            # Autobahn would keep it for ever.
            self.output.ignored(len(data))
            return
        self._alive = True
        if self.state == self.STATE_CONNECTING and (self._isForeign(data) or self._handshakeTooLong(data)):
            return
        self._guarded(self._dataReceived, data)

    def consumeData(self) -> None:
        """Parse what was read, for as long as the protocol may have messages."""
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
        elif not self._parsing:
            self._parsing = True
            try:
                while not self.conversation.held and self.processData() and self.state != self.STATE_CLOSED:
                    pass
            finally:
                self._parsing = False

    def holdOrParse(self) -> None:
        """Stop reading, or go on where parsing had stopped."""
        if not self.conversation.held and self.state != self.STATE_CONNECTING:
            self._guarded(self.consumeData)
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
        if self.state != self.STATE_CLOSED:
            self.conversation.closing("peer", "closed without a close frame")
            self._finish(lambda: self.dropConnection(abort=False))

    def _finish(self, end: Callable[[], object]) -> None:
        """The peer has ended it: what it asked for before is still done, then `end`, while it takes no longer than
        a close may take."""
        conversation = self.conversation
        if conversation.busy:
            self._later(self._serving.closeTimeout, self.output.abort)
        conversation.leave(end)

    def _guarded(self, parse: Callable[..., None], *data: bytes) -> None:
        try:
            parse(*data)
        except Exception:
            self._serving.events.emit(Failed(self._serving.service, self.conversation.peer, Failure()))
            self.conversation.closing("server", "the connection failed")
            self.output.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._cancel()
        self.output.lost()
        opened = self.state != self.STATE_CONNECTING
        if INegotiated.providedBy(self.transport):
            self._explain(reason)
        self._connectionLost(reason)  # type: ignore[arg-type]
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
        foreign = onWebSocket(self._serving.service, secure, self.data + data[:LOOKED_AT])
        if foreign is None:
            return False
        self.conversation.cut(foreign.why)
        self.output.write(foreign.answer)
        self.dropConnection(abort=False)
        return True

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
        return next((each for each in request.protocols if each in self._subprotocols), None)

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
            if self.conversation.busy:
                self._closeCame = True
                answer = super().onCloseFrame
                self._finish(lambda: answer(code, reasonRaw))
                return True
            self.conversation.deafen()
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
        self.output.write(frame(PING, b"socklab"), bounded=False)
        self._later(self._serving.limits.ping_timeout, self._pinged)

    def _pinged(self) -> None:
        limits = self._serving.limits
        # While we do not read, to hold the peer back, its pong cannot be seen.
        if self._alive or self.conversation.held:
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
        """Write what is no message through the `Output`: the handshake and control frames.

        None of them is refused for what is waiting: the close frame must come, and pings are not even read while
        the peer does not take their pongs.
        """
        self.output.write(data, bounded=False)

    def unregisterProducer(self) -> None:
        """The `Output` does that when it has sent all."""


class TappedWebSocket(Tapped, WebSocketConnection):  # type: ignore[misc]  # Autobahn's two bases disagree.
    """One whose bytes are told."""

    def tappedPeer(self) -> Peer:
        """Give what is known by now of whose connection it is."""
        return self.seam.peer
