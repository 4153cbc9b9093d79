"""From what is read of an open connection to its messages: the quick way where that goes, Autobahn's else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autobahn.websocket.protocol import WebSocketProtocol

from .fast import resume

if TYPE_CHECKING:
    from .connection import WebSocketConnection

_CLOSED: Final = WebSocketProtocol.STATE_CLOSED
_OPEN: Final = WebSocketProtocol.STATE_OPEN

_PIECE: Final = 4096
"""Bytes of its input that Autobahn has at a time: it copies the rest of them for each frame, twice."""


def parse(connection: WebSocketConnection, data: bytes, position: int = 0) -> None:
    """Take all that can be taken now of what has come, and keep the rest.

    @param position: in the data; what stands before it was taken.
    """
    conversation = connection.conversation
    connection.parsing = True
    try:
        # TLS gives what it has read in pieces, also of a peer that has been held since the first.
        if connection.unfinished is not None and not conversation.held:
            data = resume(connection, data)
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
    connection.data = data[position:]
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
