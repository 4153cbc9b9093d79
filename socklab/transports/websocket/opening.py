"""The opening handshake: whom it lets in, and what the others are told (RFC 6455, 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import INegotiated

from ... import http
from ..recognise import LOOKED_AT, onWebSocket
from ..refusing import tell
from .answers import answerTo, refusalFor
from .handshake import Handshake

if TYPE_CHECKING:
    from .connection import WebSocketConnection


def shakeHands(connection: WebSocketConnection, data: bytes) -> None:
    """Answer the request, when all of it has come.

    @param data: all that has come.
    """
    asked = connection.ordinary(data, connection._serving.limits.handshake_bytes)
    try:
        if asked is not None:
            _welcome(connection, asked, data[asked.size :])
        elif not _isForeign(connection, data) and not _isTooLong(connection, data):
            connection.data = data
            WebSocketProtocol.consumeData(connection)
    except Exception:
        connection.failed()


def _welcome(connection: WebSocketConnection, asked: Handshake, rest: bytes) -> None:
    """Do what Autobahn does with a request that it has read."""
    connection.data = rest
    connection._wskey = asked.key
    connection.websocket_protocols = asked.protocols
    offered = asked.headers.get("sec-websocket-extensions")
    parse: Any = connection._parseExtensionsHeader
    connection.websocket_extensions = parse(offered) if offered else []
    try:
        spoken = connection.onConnect(asked)
    except ConnectionDeny as denied:
        connection.failHandshake(denied.reason or "", denied.code)
    else:
        connection.succeedHandshake(spoken)


def _isForeign(connection: WebSocketConnection, data: bytes) -> bool:
    if len(connection.data) >= LOOKED_AT:
        return False
    secure = INegotiated.providedBy(connection.transport)
    foreign = onWebSocket(connection._serving.service, secure, data[:LOOKED_AT])
    if foreign is None:
        return False
    connection.conversation.cut(foreign.why)
    connection.output.write(foreign.answer)
    connection.dropConnection(abort=False)
    return True


def _isTooLong(connection: WebSocketConnection, data: bytes) -> bool:
    limit = connection._serving.limits.handshake_bytes
    if len(data) <= limit or data.find(http.HEAD_END, 0, limit) >= 0:
        return False
    connection.failHandshake(f"the request's head exceeds {limit} bytes", 431)
    return True


def tooSlow(connection: WebSocketConnection) -> None:
    """The request has not come in time."""
    seconds = connection._serving.limits.handshake_timeout
    connection.conversation.cut(f"no WebSocket handshake within {seconds:g} s")
    connection.output.abort()


def admit(connection: WebSocketConnection, request: ConnectionRequest | Handshake) -> str | None:
    """Let in who has sent a good request, or not; give the subprotocol that is spoken.

    @raise ConnectionDeny: it is not let in.
    """
    serving = connection._serving
    connection.refusal = serving.pages.forbids(request.path, request.headers)
    if connection.refusal is None and serving.proxied:
        connection.seam.lookAtPeer()
        connection.refusal = serving.gate.enter(connection.seam.peer.host)
        connection.entered = connection.refusal is None
    if connection.refusal is not None:
        raise ConnectionDeny(connection.refusal.status, connection.refusal.reason)
    connection.request = request
    if not request.protocols:
        return None
    spoken = getattr(serving.factory, "subprotocols", ())
    return next((each for each in request.protocols if each in spoken), None)


def refuse(connection: WebSocketConnection, reason: str, code: int, unsupported: bool) -> None:
    """Answer what is no handshake, or is not let in, and close.

    @param code: of HTTP, as Autobahn has it.
    @param unsupported: whether it asks for a version of WebSocket that nobody speaks here (RFC 6455, 4.4).
    """
    serving, refusal = connection._serving, connection.refusal
    if refusal is not None:
        tell(serving, connection.conversation.peer, refusal)
        connection.conversation.closing("server", f"refused: {refusal.name}")
        connection.conversation.deafen()
        # Even with `close`: whoever wrote the page sees the status in the browser's console.
        if serving.refusal == "reset":
            connection.output.abort()
        else:
            connection.output.write(refusalFor(refusal))
            connection.dropConnection(abort=False)
        return
    if "upgrade" not in getattr(connection, "http_headers", {"upgrade": ""}):
        code, reason = 426, "a plain HTTP request"
    elif unsupported:
        code = 426
    connection.conversation.cut(f"no WebSocket handshake, {code}: {reason}")
    withBody = not connection.data.startswith(b"HEAD ")
    connection.output.write(answerTo(serving.service, code, withBody))
    connection.dropConnection(abort=False)
