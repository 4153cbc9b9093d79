"""From what is read of an open connection to its messages: the quick way where that goes, Autobahn's else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autobahn.websocket.protocol import WebSocketProtocol

from .opening import shakeHands

if TYPE_CHECKING:
    from .connection import WebSocketConnection

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_OPEN: Final = WebSocketProtocol.STATE_OPEN

_PIECE: Final = 4096
"""Bytes of its input that Autobahn has at a time: it copies the rest of them for each frame, twice."""


def take(connection: WebSocketConnection, data: bytes) -> None:
    """Take what was read."""
    if not connection.secure:
        # All others have had a turn since the last read. TLS gives each record of a read by itself.
        connection.conversation.burst = 0
    if connection.state == _CLOSED or connection.closeCame:
        # Autobahn would keep it for ever.
        connection.output.ignored(len(data))
        return
    connection.alive = True
    if connection.data:
        data = connection.data + data
    if connection.state == _CONNECTING:
        shakeHands(connection, data)
    else:
        parse(connection, data)


def parse(connection: WebSocketConnection, data: bytes) -> None:
    """Take all that can be taken now of what has come, and keep the rest."""
    conversation = connection.conversation
    position = 0
    connection.parsing = True
    try:
        # TLS gives what it has read in pieces, also of a peer that has been held since the first.
        if connection.unfinished is not None and not conversation.held:
            data = _resume(connection, data)
        size = len(data)
        while position < size and not (conversation.held or connection.state == _CLOSED or connection.closeCame):
            if connection.current_frame is None:
                if connection.state == _OPEN and not connection.inside_message:
                    position = connection.deliver(data, position)
                    if position == size or conversation.held or connection.state == _CLOSED:
                        break
                if taken := connection.takeClose(data, position):
                    position += taken
                    continue
            taken = _parseFrame(connection, data, position)
            if not taken:
                # It waits for the rest of a frame's header.
                break
            position += taken
    except Exception:
        connection.failed()
    connection.parsing = False
    connection.data = data = data[position:]
    connection.between = not (
        data
        or connection.secure
        or connection.unfinished
        or connection.inside_message
        or connection.current_frame is not None
    )
    if connection.seam.corked is not None:
        connection.seam.flush()


def _parseFrame(connection: WebSocketConnection, data: bytes, position: int) -> int:
    """Have Autobahn parse one frame, or what has come of it; give how many bytes it took."""
    # It knows how long the rest of a frame is, and stops there.
    piece = data[position : position + _PIECE] if connection.current_frame is None else data[position:]
    connection.data = piece
    while connection.processData() and connection.current_frame is not None and connection.state != _CLOSED:
        pass
    return len(piece) - len(connection.data)


def _resume(connection: WebSocketConnection, data: bytes) -> bytes:
    """Go on with the frame that has begun; give what is left for whoever comes next.

    That is the whole frame again when it is at fault, for Autobahn.
    """
    begun = connection.unfinished
    assert begun is not None
    piece = data[: begun.missing]
    if not begun.take(piece):
        connection.unfinished = None
        return begun.asItCame() + data
    if begun.missing:
        return b""
    connection.unfinished = None
    rest = data[len(piece) :]
    if rest:
        connection.seam.cork()
    connection.conversation.received(begun.payload(), begun.isBinary)
    return rest
