"""What a connection tells of itself, and the options of its socket."""

from __future__ import annotations

import os
import socket
from asyncio import AbstractEventLoop
from socket import SocketType
from socket import socket as Socket
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import ILoggingContext

if TYPE_CHECKING:
    from .ports import ListeningPort


class Endpoint:
    """One end of a connection; `Sending` and `Connection` add what goes through it."""

    __slots__ = ()

    _port: ListeningPort
    _peer: Any
    _socket: SocketType
    connected: bool
    protocol: Any
    sessionno: int

    @property
    def disconnected(self) -> bool:
        """Whether it is closed."""
        return not self.connected

    @property
    def reactor(self) -> Any:
        """The reactor that serves it."""
        return self._port.reactor

    @property
    def loop(self) -> AbstractEventLoop:
        """uvloop's loop."""
        return self._port.loop

    @property
    def server(self) -> ListeningPort:
        """The port that has accepted it."""
        return self._port

    def getPeer(self) -> Any:
        """Give the address of the other side (`ITransport`)."""
        return self._peer

    def getHost(self) -> Any:
        """Give the address of this side (`ITransport`)."""
        return self._port.hostOf(self._socket)

    def getHandle(self) -> Any:
        """Give its socket (`ISystemHandle`)."""
        return self._socket

    @property
    def socket(self) -> Socket:
        """Another descriptor of its socket: whoever asks for it closes it."""
        return Socket(fileno=os.dup(self.fileno()))

    def fileno(self) -> int:
        """Give the descriptor; -1 when it is closed."""
        return self._socket.fileno() if self.connected else -1

    def getTcpNoDelay(self) -> bool:
        """Tell whether short messages are sent at once (`ITCPTransport`): they are, unless told otherwise."""
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send short messages at once, or wait for more (`ITCPTransport`)."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        """Tell whether the system asks a silent peer now and then if it is there (`ITCPTransport`)."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Have the system ask a silent peer now and then if it is there (`ITCPTransport`)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    def logPrefix(self) -> str:
        """Give how the log calls it (`ILoggingContext`)."""
        protocol = self.protocol
        name = protocol.logPrefix() if ILoggingContext.providedBy(protocol) else type(protocol).__name__
        return f"{name},{self.sessionno},{self.hostname}"

    @property
    def hostname(self) -> str:
        """The other side's address."""
        return getattr(self._peer, "host", "")

    @property
    def logstr(self) -> str:
        """The same as `logPrefix`."""
        return self.logPrefix()

    def __repr__(self) -> str:
        if not self.connected:
            return "<Connection, closed>"
        where = self.getHost()
        return f"<{type(self.protocol).__name__} #{self.sessionno} on {getattr(where, 'port', where)}>"
