"""A UDP socket that speaks with one server only."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from .address import Address, hostPort
from .failures import connectError, sourceTaken
from .names import resolve
from .seam import End, Receiver, SendError, Settings


class DatagramClient(DatagramProtocol):
    """One socket (`seam.Connection`): only that server's datagrams, and its refusals, are heard."""

    transport: Any
    about: Mapping[str, str] = {}

    def __init__(self, receiver: Receiver, ip: str, port: int) -> None:
        self._receiver = receiver
        self._server = (ip, port)
        self._over = False
        self.peer = hostPort(ip, port)
        self.host = ""
        self.port = 0

    def startProtocol(self) -> None:
        """Bind the socket to the server, so that the system tells when nobody listens there."""
        self.transport.connect(*self._server)
        own = self.transport.socket.getsockname()
        self.host, self.port = hostPort(own[0], own[1]), own[1]

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Give it on."""
        if not self._over:
            self._receiver.received(datagram, True)

    def connectionRefused(self) -> None:
        """The server's machine says that nobody listens (ICMP port unreachable; RFC 1122, 4.1.3.1)."""
        self._end(End("peer", "refused it: nobody listens there", clean=False))

    def stopProtocol(self) -> None:
        """The socket is closed; the epoll reactor closes it when the refusal comes, and says no more."""
        self.connectionRefused()

    def send(self, payload: bytes, isBinary: bool) -> None:
        """Send a datagram."""
        if self._over:
            return
        try:
            self.transport.write(payload)
        except MessageLengthError:
            raise SendError(
                f"{len(payload)} B do not fit into a datagram: 65507 B are the most, 65487 B on IPv6"
            ) from None
        except OSError as error:
            raise SendError((error.strerror or str(error)).lower()) from None

    def pace(self, producer: object) -> None:
        """A datagram that finds no place is lost; nothing waits."""

    def finish(self) -> bool:
        """UDP cannot say that nothing more comes."""
        return False

    def close(self) -> None:
        """Close the socket; nobody is told."""
        self._end(End("us", "closed the socket"))

    abort = close

    def _end(self, end: End) -> None:
        if not self._over:
            self._over = True
            if self.transport is not None:
                self.transport.stopListening()
            self._receiver.ended(end)


async def openDatagrams(reactor: Any, address: Address, receiver: Receiver, settings: Settings) -> DatagramClient:
    """Open the socket; whether anybody listens shows only when something is sent.

    @raise ConnectError: it cannot be opened.
    """
    ip, *_ = await resolve(reactor, address.host, address.port, socket.SOCK_DGRAM)
    client = DatagramClient(receiver, ip, address.port)
    any = "::" if ":" in ip else "0.0.0.0"
    try:
        reactor.listenUDP(settings.sourcePort, client, interface=any, maxPacketSize=settings.bufferSize)
    except CannotListenError as error:
        raise sourceTaken(settings.sourcePort, error.socketError) from None
    except OSError as error:
        from twisted.python.failure import Failure

        raise connectError(Failure(error), address) from None
    return client
