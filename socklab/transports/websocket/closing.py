"""The end of an open connection: by a close frame, by FIN, or by a fault (RFC 6455, 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import INegotiated
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from .connection import WebSocketConnection

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_OPEN: Final = WebSocketProtocol.STATE_OPEN


def takeLeave(connection: WebSocketConnection, code: Any, reason: Any) -> bool | None:
    """The peer closes, or answers our close; True when nothing more of it is to be parsed."""
    conversation = connection.conversation
    if connection.state == _OPEN:
        said = "no code" if code is None else f"code {code}"
        if reason:
            said += f": {bytes(reason).decode('utf-8', 'replace')}"
        conversation.closing("peer", f"closed, {said}")
        if conversation.busy:
            connection.closeCame = True
            _finish(connection, lambda: WebSocketProtocol.onCloseFrame(connection, code, reason))
            return True
        conversation.deafen()
    return WebSocketProtocol.onCloseFrame(connection, code, reason)


def endInput(connection: WebSocketConnection) -> None:
    """The peer has sent FIN, and all that came before it was handed over."""
    connection.output.inputOver()
    if connection.state != _CLOSED:
        connection.conversation.closing("peer", "closed without a close frame (1006)")
        _finish(connection, lambda: connection.dropConnection(abort=False))


def _finish(connection: WebSocketConnection, end: Callable[[], object]) -> None:
    """The peer has ended it: what it asked for before is still done, then `end`, while it takes no longer than a
    close may take."""
    conversation = connection.conversation
    if conversation.busy:
        connection.later(connection._serving.closeTimeout, tooLate)
    conversation.leave(end)


def tooLate(connection: WebSocketConnection) -> None:
    """A close has taken as long as it may."""
    connection.output.abort()


def fail(connection: WebSocketConnection, code: int, reason: str) -> None:
    """Tell the peer what it did wrong, and drop the connection when it has been told."""
    connection.failedByMe = True
    connection.conversation.cut(f"{reason} ({code})")
    if connection.state == _OPEN:
        # A control frame holds 125 bytes, two of them the code.
        reasonUtf8 = reason.encode()[:123].decode(errors="ignore").encode()
        connection.sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=False)
    connection.dropConnection(abort=False)


def explain(connection: WebSocketConnection, reason: Failure) -> None:
    """The connection is gone: have Autobahn know, and remember who ended it if that is not known yet."""
    opened = connection.state != _CONNECTING
    if INegotiated.providedBy(connection.transport):
        from ..tls import tlsTrouble

        if trouble := tlsTrouble(reason):
            connection.conversation.cut(trouble)
    WebSocketProtocol._connectionLost(connection, reason)  # type: ignore[arg-type]
    if opened and not connection.wasClean and not reason.check(ConnectionAborted):
        how = "closed" if reason.check(ConnectionDone) else "reset"
        # Both sides call it by this number, which none of them may send (RFC 6455, 7.4.1).
        connection.conversation.closing("peer", f"{how} without a close frame (1006)")
