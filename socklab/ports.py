"""How listeners come to their ports: this process opens them, unless others have to do with them too."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort

from .transports.advice import probe
from .transports.listen import Listen, endpointOf
from .transports.serving import Serving

MAX_DATAGRAM: Final = 65536
"""Bytes; Twisted's own 8192 would cut longer datagrams without a word."""
RECEIVE_BUFFER: Final = 1024 * 1024
"""Bytes of datagrams that the system keeps for a port."""


class Ports(Protocol):
    """Opens ports."""

    isOpener: bool
    """Whether it is this process that opens them, and tells of it."""

    def stream(
        self, service: str, listen: Listen, doorway: Any, serving: Callable[[], Serving]
    ) -> Deferred[IListeningPort]:
        """Open a port of streams.

        @param doorway: the Factory for what is accepted.
        @param serving: gives what is served there by now.
        """

    def datagrams(self, service: str, listen: Listen, adapter: Any) -> Deferred[IListeningPort]:
        """Open a port of datagrams.

        @param adapter: the protocol that takes them.
        """

    def probe(self, service: str, listen: Listen) -> OSError | None:
        """Give what a listener would fail with, if that shows."""


class OwnPorts:
    """Opens them in this process, for this process (`Ports`)."""

    isOpener = True

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def stream(
        self, service: str, listen: Listen, doorway: Any, serving: Callable[[], Serving]
    ) -> Deferred[IListeningPort]:
        """Open a port of streams."""
        return endpointOf(listen, self._reactor, serving).listen(doorway)

    def datagrams(self, service: str, listen: Listen, adapter: Any) -> Deferred[IListeningPort]:
        """Open a port of datagrams."""
        port = self._reactor.listenUDP(listen.port, adapter, listen.interface, maxPacketSize=MAX_DATAGRAM)
        port.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return succeed(port)

    def probe(self, service: str, listen: Listen) -> OSError | None:
        """Give what a listener would fail with: it is bound, and let go."""
        return probe(listen)
