"""Listening ports of streams: Twisted's own, but uvloop accepts."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop, Task, Transport
from asyncio import Server as AsyncioServer
from collections.abc import Coroutine
from functools import partial
from socket import socket as Socket
from typing import Any, Final, TypeVar

from twisted.internet import tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress

from .stream import Connection
from .turn import Turn
from .unixstream import UnixConnection

_Result = TypeVar("_Result")

_LONG: Final = 0.002
"""Seconds. uvloop accepts one in each turn of its loop: where turns take longer, many would wait long."""


def _atOnce(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Give the result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("uvloop did not open the port at once")


class ListeningPort(tcp.Port):
    """A TCP port: Twisted binds it, and uvloop accepts."""

    reactor: Any
    socket: Socket
    _server: AsyncioServer | None = None
    _lastNewcomer = 0.0
    connection: type[Connection] = Connection
    """What each accepted connection is driven by."""

    def startListening(self) -> None:
        """Bind, and accept from now on.

        @raise CannotListenError: the address cannot be had.
        """
        self.connections: set[Any] = self.reactor.native
        self._accepted: set[Task[Any]] = set()
        super().startListening()

    @property
    def loop(self) -> AbstractEventLoop:
        """uvloop's loop."""
        return self.reactor.loop  # type: ignore[no-any-return]

    @property
    def turn(self) -> Turn:
        """What its connections share."""
        return self.reactor.turn  # type: ignore[no-any-return]

    def startReading(self) -> None:
        """Accept whoever comes."""
        if self._server is None:
            # uvloop closes what it is given, and this port may read again.
            accepting = self.socket.dup()
            # Of an adopted socket nobody knows the backlog; the system has a bound of its own.
            backlog = self.backlog or socket.SOMAXCONN
            self._server = _atOnce(self.loop.create_server(self._newcomer, sock=accepting, backlog=backlog))
            self.connections.add(self)

    def _newcomer(self) -> Connection:
        """uvloop is about to accept somebody."""
        now = self.loop.time()
        if now - self._lastNewcomer > _LONG:
            self.loop.call_soon(self.doRead)
        self._lastNewcomer = now
        return self.connection(self)

    def stopReading(self) -> None:
        """Accept nobody for now: who comes waits in the backlog."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.connections.discard(self)

    @property
    def reading(self) -> bool:
        """Whether it accepts."""
        return self._server is not None

    def doRead(self) -> None:
        """Accept all who wait already."""
        for _ in range(self.backlog or socket.SOMAXCONN):
            try:
                accepted, _peer = self.socket.accept()
            except (OSError, AttributeError):
                # Nobody waits, or it is closed by now.
                return
            made = self.loop.create_task(
                self.loop.connect_accepted_socket(partial(self.connection, self), accepted)
            )
            self._accepted.add(made)
            made.add_done_callback(partial(self._known, accepted))

    def _known(self, accepted: Socket, made: Task[Any]) -> None:
        """Somebody who was accepted is with uvloop now, or was gone before."""
        self._accepted.discard(made)
        if made.cancelled() or made.exception() is not None:
            accepted.close()

    def loseConnection(self, *reason: Any) -> Any:
        """Close; the Deferred fires when all who were accepted are known to the Factory."""
        closed = super().loseConnection(*reason)
        accepted, self._accepted = self._accepted, set()
        if closed is not None and accepted:
            known = DeferredList([Deferred.fromFuture(each) for each in accepted], consumeErrors=True)
            closed.addCallback(lambda _: known)
        return closed

    stopListening = loseConnection

    def addressOf(self, where: Any) -> IAddress:
        """Give what a socket's address is to Twisted."""
        if len(where) == 2:
            return IPv4Address("TCP", *where)
        if where[3]:
            host, _ = socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
            where = (host, *where[1:])
        return IPv6Address("TCP", *where)

    @property
    def unknown(self) -> IAddress:
        """The address of a peer that is not known any more."""
        return self.addressOf(("::", 0, 0, 0) if self.addressFamily == socket.AF_INET6 else ("0.0.0.0", 0))

    def hostOf(self, uv: Transport) -> IAddress:
        """Give this side's address of an accepted connection."""
        return self.addressOf(uv.get_extra_info("sockname"))


class UnixListeningPort(ListeningPort, unix.Port):
    """A port of Unix sockets: Twisted binds it, and uvloop accepts."""

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

    @property
    def unknown(self) -> IAddress:
        """The address of a peer that is not known any more."""
        return UNIXAddress(None)

    def hostOf(self, uv: Transport) -> IAddress:
        """Give this side's address of an accepted connection."""
        return self._host
