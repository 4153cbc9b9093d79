"""The parent's ports: it opens them, reads from none, and hands their sockets to the workers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from ..ports import RECEIVE_BUFFER
from ..transports.advice import probe
from ..transports.listen import Listen, endpointOf
from ..transports.serving import Serving


@implementer(IListeningPort)
class HeldStream:
    """A port of streams, that all workers accept from."""

    def __init__(self, port: Any) -> None:
        self._port = port
        port.stopReading()
        # What is done to the socket is done to it in all processes: the workers close theirs when nobody waits.
        port._shouldShutdown = False
        self.fileno = port.fileno

    def startListening(self) -> None:
        """It listens (`IListeningPort`)."""

    def getHost(self) -> IAddress:
        """Give where it is (`IListeningPort`)."""
        return self._port.getHost()  # type: ignore[no-any-return]

    def resize(self, workers: int) -> None:
        """There are so many workers."""

    def of(self, worker: int) -> int:
        """Give the descriptor for a worker."""
        return self.fileno()  # type: ignore[no-any-return]

    def stopListening(self) -> Deferred[None]:
        """Close it here (`IListeningPort`)."""
        return maybeDeferred(self._port.stopListening)


@implementer(IListeningPort)
class HeldDatagrams:
    """A port of datagrams: a socket for each worker, among which the system chooses by the peer's address.

    They stay while a worker is replaced: its peers' datagrams wait, and all other peers stay where they are.
    """

    def __init__(self, listen: Listen, workers: int) -> None:
        """@raise CannotListenError: the address cannot be had."""
        host, port = listen.interface, listen.port or 0
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sockets: list[socket.socket] = []
        try:
            info = socket.getaddrinfo(host or "0.0.0.0", port, self._family, socket.SOCK_DGRAM)
            # Alone at first: sockets that share a port are no obstacle to each other, whosever they are.
            with socket.socket(self._family, socket.SOCK_DGRAM) as alone:
                alone.bind(info[0][4])
                self._address: Any = alone.getsockname()
            self.resize(workers)
        except OSError as error:
            self.stopListening()
            raise CannotListenError(host, port, error) from None

    def resize(self, workers: int) -> None:
        """Have so many sockets.

        @raise OSError: there can be no more.
        """
        while len(self._sockets) < workers:
            made = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            made.bind(self._address)
        while len(self._sockets) > workers:
            self._sockets.pop().close()

    def startListening(self) -> None:
        """It is bound (`IListeningPort`)."""

    def getHost(self) -> IAddress:
        """Give where it is (`IListeningPort`)."""
        kind = IPv4Address if self._family == socket.AF_INET else IPv6Address
        return kind("UDP", *self._address[:2])

    def of(self, worker: int) -> int:
        """Give the descriptor for a worker; they count from 1."""
        return self._sockets[worker - 1].fileno()

    def stopReading(self) -> None:
        """Nobody reads from it here."""

    def stopListening(self) -> Deferred[None]:
        """Close them here (`IListeningPort`)."""
        self.resize(0)
        return succeed(None)


class HeldPorts:
    """Opens ports for workers (`socklab.ports.Ports`)."""

    isOpener = True

    def __init__(self, reactor: Any, workers: int) -> None:
        self._reactor = reactor
        self.workers = workers

    def stream(
        self, service: str, listen: Listen, doorway: Any, serving: Callable[[], Serving]
    ) -> Deferred[IListeningPort]:
        """Open a port of streams."""
        return endpointOf(listen, self._reactor, serving).listen(doorway).addCallback(HeldStream)

    def datagrams(self, service: str, listen: Listen, adapter: Any) -> Deferred[IListeningPort]:
        """Open a port of datagrams."""
        return succeed(HeldDatagrams(listen, self.workers))

    def probe(self, service: str, listen: Listen) -> OSError | None:
        """Give what a listener would fail with: it is bound, and let go."""
        return probe(listen)


def heldBy(listeners: Iterator[Any]) -> Iterator[tuple[Any, HeldStream | HeldDatagrams]]:
    """Give those listeners that are open, each with its port."""
    for each in listeners:
        if isinstance(each.port, HeldStream | HeldDatagrams):
            yield each, each.port
