"""WebSocket connections, which Autobahn speaks."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ..text import printable, quoted
from .address import Address, hostPort
from .failures import lost
from .mistaken import isTls, secure
from .seam import ConnectError, End, Receiver, Settings
from .stream import aboutTls

MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of one message that is taken; a longer one ends the connection with 1009."""
_HEAD: Final = 64 * 1024
"""Bytes that the answer to the handshake may have."""
_LINE: Final = 200
"""Bytes of the first line of that answer's body which are shown."""
_PATIENCE: Final = 5
"""Seconds until a server that does not answer a close frame, or does not close, is left."""
_CODES: Final = {
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "text that is no UTF-8",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}
"""RFC 6455, 7.4.1, and IANA's registry of close codes."""


class _Silence:
    """Takes the place of Autobahn's logger, which writes what servers sent as it is."""

    def _nothing(self, *args: object, **values: object) -> None:
        """Say nothing."""

    trace = debug = info = warn = warning = error = critical = failure = _nothing


class WebSocketClient(WebSocketClientProtocol):
    """One connection (`seam.Connection`), from the handshake to the last frame."""

    log = _Silence()
    transport: Any
    host = ""
    port = 0

    def __init__(self, reactor: Any, address: Address, receiver: Receiver) -> None:
        super().__init__()
        self._reactor = reactor
        self._address = address
        self._receiver = receiver
        self._timer: IDelayedCall | None = None
        self._refused: ConnectError | None = None
        self._isPaced = False
        self.about: Mapping[str, str] = {}
        self.ready: Deferred[WebSocketClient] | None = Deferred()
        """Fires when the handshake is done."""

    def dataReceived(self, data: bytes) -> None:
        """Take what was read; as long as the handshake lasts, only what can be HTTP."""
        if self.state == self.STATE_CONNECTING and self._refused is None:
            came = bytes(self.data) + data
            if isTls(came):
                self._refuse(f"what came is TLS: say {secure(self._address)}")
                return
            if not b"HTTP/".startswith(came[:5]) or len(came) > _HEAD or not _isText(came):
                self._refuse(f"what came is no HTTP: {quoted(came[:40])}: the port does not speak WebSocket")
                return
        super().dataReceived(data)

    def _refuse(self, why: str) -> None:
        self._refused = ConnectError("handshake", f"{self._address}: {why}")
        self.transport.abortConnection()

    def failHandshake(self, reason: str) -> None:
        """Say what the server answered instead."""
        status = printable(getattr(self, "http_status_line", "").partition(" ")[2].strip())
        why = f"the server answered {status} to the WebSocket handshake" if status else printable(reason)
        if status.startswith("101"):
            why = f"the WebSocket handshake is wrong: {printable(reason)}"
        body = bytes(self.data).partition(b"\r\n\r\n")[2].partition(b"\n")[0]
        if 0 < len(body) < _LINE and not body.lstrip().startswith(b"<"):
            why += f": {printable(body.decode('utf-8', 'replace')).strip()}"
        self._refuse(why)

    def onOpen(self) -> None:
        """The handshake is done."""
        own, peer = self.transport.getHost(), self.transport.getPeer()
        self.host, self.port, self.peer = hostPort(own.host, own.port), own.port, hostPort(peer.host, peer.port)
        about = aboutTls(self.transport) if self._address.isSecure else {}
        if self.websocket_protocol_in_use:
            about["subprotocol"] = self.websocket_protocol_in_use
        self.about = about
        ready, self.ready = self.ready, None
        if ready is not None:
            ready.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Give it on."""
        self._receiver.received(bytes(payload), isBinary)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """Say it, and wait for the server to close."""
        if self._isPaced:
            self._isPaced = False
            self.transport.unregisterProducer()
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self._timer is None and self.state == self.STATE_CLOSING:
            self._timer = self._reactor.callLater(_PATIENCE, self._tooSlow)

    def _tooSlow(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connectionLost(reason)
        if self.ready is not None:
            ready, self.ready = self.ready, None
            ready.errback(self._refused or lost(reason, self._address))
        else:
            self._receiver.ended(self._end(reason))

    def _end(self, reason: Failure) -> End:
        if self.wasClean or self.remoteCloseCode is not None:
            if self.closedByMe:
                return End("us", f"closed with {_code(self.localCloseCode)}")
            return End("peer", f"closed with {_code(self.remoteCloseCode, self.remoteCloseReason)}")
        if self.failedByMe:
            code = _code(self.localCloseCode, self.localCloseReason)
            return End("us", f"closed with {code}: the server broke the rules", clean=False)
        if self.closedByMe:
            return End("us", "closed, and the server did not answer the close frame", clean=False)
        if reason.check(ConnectionAborted):
            return End("us", "aborted the connection", clean=False)
        return End("peer", "closed without a close frame (1006)", clean=False)

    def send(self, payload: bytes, isBinary: bool) -> None:
        """Send a message."""
        if self.state == self.STATE_OPEN:
            self.sendMessage(payload, isBinary)

    def pace(self, producer: object) -> None:
        """Pause it while the socket is full."""
        if self.state == self.STATE_OPEN:
            self._isPaced = True
            self.transport.registerProducer(producer, True)

    def finish(self) -> bool:
        """WebSocket cannot say that nothing more comes without closing."""
        return False

    def close(self) -> None:
        """Send a close frame with 1000, and wait for the server's."""
        self.sendClose(1000)

    def abort(self) -> None:
        """Reset it."""
        self.transport.abortConnection()


def websocketFactory(
    reactor: Any, address: Address, receiver: Receiver, settings: Settings
) -> tuple[Any, WebSocketClient]:
    """Give a factory of one connection, and that."""
    said = settings.websocket
    factory = WebSocketClientFactory(
        url=f"{address.scheme}://{address.where}{address.path}",
        origin=said.origin,
        protocols=[*said.subprotocols],
        useragent=f"socklab/{version('socklab')}",
        headers=dict(said.headers),
        reactor=reactor,
    )
    # Autobahn's timers would run on the global reactor.
    factory.setProtocolOptions(
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
        serverConnectionDropTimeout=0,
        maxMessagePayloadSize=MESSAGE,
        maxFramePayloadSize=MESSAGE,
        tcpNoDelay=True,
        failByDrop=False,
    )
    client = WebSocketClient(reactor, address, receiver)
    client.factory = factory
    return factory, client


def _isText(data: bytes) -> bool:
    # Autobahn decodes the head, and does not expect that it cannot.
    try:
        data.partition(b"\r\n\r\n")[0].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def _code(code: int | None, reason: str | bytes | None = None) -> str:
    if code is None:
        return "no code"
    word = _CODES.get(code)
    said = f" {quoted(reason)}" if reason else ""
    return f"{code}{f' ({word})' if word else ''}{said}"
