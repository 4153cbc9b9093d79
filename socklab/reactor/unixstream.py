"""One accepted connection of a Unix socket; descriptors can travel over it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from socket import SocketType
from socket import socket as Socket
from typing import Any, Final, cast

from twisted.internet import unix
from twisted.internet.error import ConnectionLost, FileDescriptorOverrun
from twisted.internet.interfaces import IFileDescriptorReceiver, IUNIXTransport
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from .stream import Connection

_MANY: Final = 64
"""Descriptors that wait to be sent before a producer is paused, as with Twisted's own transport."""


@implementer(IUNIXTransport)
class UnixConnection(Connection):
    """What a Twisted Protocol has as its transport on a Unix socket."""

    __slots__ = ()

    _descriptors: Sequence[int] = ()
    _sending: Socket | None = None
    """Sends them when the peer has read."""

    def _begin(self, accepted: SocketType) -> None:
        protocol: Any = self.protocol
        if not IFileDescriptorReceiver.providedBy(self.protocol):
            super()._begin(accepted)
            return
        # A read of bytes only drops the descriptors that came with them: this one is for Twisted's transport.
        port = self._port
        accepted.setblocking(False)
        session = port.sessionno
        port.sessionno += 1
        try:
            protocol.makeConnection(
                unix.Server(accepted, protocol, accepted.getpeername(), port, session, port.reactor)
            )
        except BaseException:
            log.err()

    def sendFileDescriptor(self, descriptor: int) -> None:
        """Send a descriptor with the next byte that is written (`IUNIXTransport`)."""
        if not self._writable:
            return
        self._descriptors = (*self._descriptors, descriptor)
        if len(self._descriptors) > _MANY:
            self.pause_writing()
        self._settleLater()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces (`ITransport`), after the descriptors that wait."""
        self.write(b"".join(data))

    def through(self) -> None:
        """Nothing overtakes the descriptors that wait."""

    def settle(self) -> None:
        """Send what was written, and the descriptors with it (`Settled`)."""
        if self._descriptors and self._output is not None:
            self._flush()
            if self._output is not None:
                return
        super().settle()

    def _flush(self) -> None:
        if not self._descriptors:
            super()._flush()
        elif self._sending is None and not self._waits():
            self._sendDescriptors()

    def _sendDescriptors(self) -> None:
        data = b"".join(self._output) if isinstance(self._output, list) else self._output or b""
        if len(self._descriptors) > len(data):
            # Each needs a byte to travel with.
            self._lose(Failure(FileDescriptorOverrun()))
            return
        try:
            while self._descriptors:
                socket.send_fds(cast(Socket, self._socket), [data[:1]], [self._descriptors[0]])
                self._descriptors, data = self._descriptors[1:], data[1:]
        except BlockingIOError:
            self._output, self._size = [data], len(data)
            self._wait()
            return
        except OSError:
            self._lose(Failure(ConnectionLost()))
            return
        self._output = data
        if self._full:
            self.resume_writing()
        else:
            super()._flush()

    def _wait(self) -> None:
        """Go on when the peer has read."""
        try:
            # The epoll tells of the one that it has when bytes can be sent.
            self._sending = self.socket
        except OSError:
            # No descriptor is left for that.
            self._lose(Failure(ConnectionLost()))
        else:
            self.loop.add_writer(self._sending, self._goOn)

    def _goOn(self) -> None:
        """The peer has read."""
        self._stopWaiting()
        self.settle()

    def _stopWaiting(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            self.loop.remove_writer(sending)
            sending.close()

    def connection_lost(self, error: OSError | None) -> None:
        """It is closed (`Wire`)."""
        self._stopWaiting()
        super().connection_lost(error)

    def getTcpNoDelay(self) -> bool:
        """Tell that nothing waits for more (`ITCPTransport`)."""
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """A Unix socket has no such option (`ITCPTransport`)."""
