"""Listening ports of streams: Twisted's own, but many are accepted at a time, and heard at once."""

from __future__ import annotations

import errno
import socket
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from select import EPOLLIN
from socket import SocketType
from socket import socket as Socket
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from .stream import Connection
from .unixstream import UnixConnection
from .wire import Watch

_AT_ONCE: Final = 64
"""Newcomers that are accepted, and heard, before those who are here have a turn."""
_STREAM: Final = socket.SOCK_STREAM
_FULL: Final = {errno.EMFILE, errno.ENFILE}
"""No descriptor is left."""


class ListeningPort(tcp.Port):
    """A TCP port: Twisted binds it."""

    reactor: Any
    socket: Socket
    reading = False
    """Whether it accepts."""
    connection: type[Connection] = Connection
    """What each accepted connection is driven by."""

    def startListening(self) -> None:
        """Bind, and accept from now on.

        @raise CannotListenError: the address cannot be had.
        """
        self.connections: set[Any] = self.reactor.native
        super().startListening()

    @property
    def loop(self) -> AbstractEventLoop:
        """uvloop's loop."""
        return self.reactor.loop  # type: ignore[no-any-return]

    @property
    def watch(self) -> Watch:
        """What tells when there is something to read."""
        return self.reactor.watch  # type: ignore[no-any-return]

    def startReading(self) -> None:
        """Accept whoever comes."""
        if not self.reading:
            self.reading = True
            if self.addressFamily != socket.AF_UNIX:
                # Linux gives it to those who are accepted.
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.watch.watch(self.socket.fileno(), self, EPOLLIN, 0)
            self.connections.add(self)

    def stopReading(self) -> None:
        """Accept nobody for now: who comes waits in the backlog."""
        if self.reading:
            self.reading = False
            self.watch.watch(self.socket.fileno(), self, 0, EPOLLIN)
            self.connections.discard(self)

    def ready(self, events: int) -> None:
        """Somebody waits to be accepted (`Watched`)."""
        # What others have sent may be older than that.
        self.watch.afterwards(self._acceptIfOpen)

    def _acceptIfOpen(self) -> None:
        if self.reading:
            self._acceptSome()

    def doRead(self) -> None:
        """Accept all who wait already."""
        # Of an adopted socket nobody knows the backlog; the system has a bound of its own.
        for _ in range(0, self.backlog or socket.SOMAXCONN, _AT_ONCE):
            if self.connected:
                self._acceptSome()

    def _acceptSome(self) -> None:
        port = self.socket
        family = self.addressFamily
        # Who comes while these are heard is behind those who are here: what they have sent is older.
        for descriptor, peer in [*self._newcomers(port)]:
            self.connection(self, SocketType(family, _STREAM, 0, descriptor), peer)

    def _newcomers(self, port: Socket) -> Iterator[tuple[int, Any]]:
        for _ in range(_AT_ONCE):
            try:
                # `accept` itself would look up the names of three numbers each time, which takes twice as long.
                yield port._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _FULL and not self.watch.turnAway(port):
                    return

    def addressOf(self, where: Any) -> IAddress:
        """Give what a socket's address is to Twisted."""
        if len(where) == 2:
            return IPv4Address("TCP", *where)
        if where[3]:
            host, _ = socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
            where = (host, *where[1:])
        return IPv6Address("TCP", *where)

    def hostOf(self, accepted: SocketType) -> IAddress:
        """Give this side's address of an accepted connection."""
        return self.addressOf(accepted.getsockname())


class UnixListeningPort(ListeningPort, unix.Port):
    """A port of Unix sockets: Twisted binds it."""

    connection = UnixConnection

    def startListening(self) -> None:
        """Bind, and accept from now on.

        @raise CannotListenError: the path cannot be had.
        """
        super().startListening()
        self._host: UNIXAddress = self.getHost()

    def addressOf(self, where: Any) -> IAddress:
        """Give what a socket's address is to Twisted."""
        return UNIXAddress(where or None)

    def hostOf(self, accepted: SocketType) -> IAddress:
        """Give this side's address of an accepted connection."""
        return self._host
