"""Whether a silent client is still there: pings, and the time in which something must come (RFC 6455, 5.5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frames import PING, frame
from .slim import forget

if TYPE_CHECKING:
    from .connection import WebSocketConnection


def ping(connection: WebSocketConnection) -> None:
    """Ask whether it is there."""
    connection.alive = False
    connection.output.write(frame(PING, b"socklab"), bounded=False)
    connection.later(connection._serving.limits.ping_timeout, _look)


def _look(connection: WebSocketConnection) -> None:
    limits = connection._serving.limits
    # While we do not read, to hold the peer back, its pong cannot be seen.
    if connection.alive or connection.conversation.held:
        connection.later(max(0, limits.ping_interval - limits.ping_timeout), ping)
        if connection.current_frame is None and not connection.inside_message:
            forget(connection)
    else:
        connection.conversation.cut(f"no answer to a ping within {limits.ping_timeout:g} s")
        connection.output.abort()
