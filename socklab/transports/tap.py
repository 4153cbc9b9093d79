"""The bytes of a connection as events, for those who look at the wire; nobody else pays for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..events import BytesReceived, BytesSent
from ..message import Peer
from .serving import Serving


class Tapped:
    """Goes before the class of a connection, and tells of all that it reads and writes, within TLS."""

    _serving: Serving

    def tappedPeer(self) -> Peer:
        """Give what is known by now of whose connection it is."""
        raise NotImplementedError

    def makeConnection(self, transport: Any) -> None:
        """A client has connected (`IProtocol`)."""
        # On the instance: a wrapper around the transport would hide what else it provides.
        write = transport.write

        def tellWritten(data: bytes) -> None:
            serving = self._serving
            serving.events.emit(BytesSent(serving.service, self.tappedPeer(), bytes(data)))
            write(data)

        def tellAllWritten(pieces: Iterable[bytes]) -> None:
            # Some transports write piece after piece by their `write`: each would be told twice.
            tellWritten(b"".join(pieces))

        transport.write = tellWritten
        transport.writeSequence = tellAllWritten
        super().makeConnection(transport)  # type: ignore[misc]

    def dataReceived(self, data: bytes) -> None:
        """Take what was read (`IProtocol`)."""
        serving = self._serving
        serving.events.emit(BytesReceived(serving.service, self.tappedPeer(), bytes(data)))
        super().dataReceived(data)  # type: ignore[misc]
