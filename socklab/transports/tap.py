"""The bytes of a connection as events, for those who look at the wire; nobody else pays for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ..events import BytesReceived, BytesSent
from ..message import Peer
from .serving import Serving


class HasPeer(Protocol):
    """Who knows whose connection it is."""

    peer: Peer


def tap(connection: Any, owner: HasPeer, serving: Serving) -> None:
    """Have all that a connection reads and writes told, within TLS, as long as it lasts.

    @param connection: a Protocol that has its transport.
    @param owner: knows the peer, the same or more of it later.
    """
    # On the instances, and only of connections that are looked at: a wrapper would hide half-close, and cost all.
    transport, events, service = connection.transport, serving.events, serving.service
    received, write = connection.dataReceived, transport.write

    def tellReceived(data: bytes) -> None:
        events.emit(BytesReceived(service, owner.peer, bytes(data)))
        received(data)

    def tellWritten(data: bytes) -> None:
        events.emit(BytesSent(service, owner.peer, bytes(data)))
        write(data)

    def tellAllWritten(pieces: Iterable[bytes]) -> None:
        # Some transports write piece after piece by their `write`: each would be told twice.
        tellWritten(b"".join(pieces))

    connection.dataReceived = tellReceived
    transport.write = tellWritten
    transport.writeSequence = tellAllWritten
