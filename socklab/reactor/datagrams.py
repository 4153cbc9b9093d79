"""A port of datagrams: Twisted's own, with less between the socket and the protocol."""

from __future__ import annotations

from errno import ECONNREFUSED
from typing import Any, Final

from twisted.internet import udp
from twisted.python import log

from .turn import Turn

_AT_ONCE: Final = 256
"""Datagrams that are read before everybody else has a turn; Twisted's own port reads any number of empty ones."""


class DatagramPort(udp.Port):
    """A UDP port: an answer to who has just been heard is sent without looking at its address again."""

    reactor: Any
    reading = False
    _heard: tuple[str, int] | None = None
    _connected = False

    def startReading(self) -> None:
        """Hear whoever sends."""
        if not self.reading:
            self.reading = True
            self.reactor.native.add(self)
            self.reactor.loop.add_reader(self.fileno(), self.doRead)

    def stopReading(self) -> None:
        """Leave datagrams in the socket."""
        if self.reading:
            self.reading = False
            self.reactor.native.discard(self)
            self.reactor.loop.remove_reader(self.fileno())

    def connect(self, host: str, port: int) -> None:
        """Speak to one address only (`IUDPTransport`)."""
        super().connect(host, port)
        self._connected = True

    def doRead(self) -> None:
        """Hand over the datagrams that are here, up to 256, and `maxThroughput` bytes."""
        receive, size = self.socket.recvfrom, self.maxPacketSize
        turn: Turn = self.reactor.turn
        read = 0
        turn.serving = self
        for _ in range(_AT_ONCE):
            try:
                data, address = receive(size)
            except BlockingIOError:
                break
            except OSError as error:
                self._failed(error)
                continue
            if len(address) > 2:
                # As Twisted has it: no flow and no scope.
                address = address[:2]
            self._heard = address
            try:
                self.protocol.datagramReceived(data, address)
            except BaseException:
                log.err()
            read += len(data)
            if read >= self.maxThroughput:
                break
        turn.serving = None

    def _failed(self, error: OSError) -> None:
        """The system has told of a datagram that was sent, or of trouble of its own."""
        if error.errno != ECONNREFUSED:
            log.err()
        elif self._connected:
            try:
                self.protocol.connectionRefused()
            except BaseException:
                log.err()

    def write(self, datagram: bytes, addr: tuple[str, int] | None = None) -> Any:
        """Send a datagram (`IUDPTransport`).

        @raise MessageLengthError: it is too long.
        @raise InvalidAddressError: the address is none.
        @raise OSError: the system does not send it.
        """
        if addr is not None and addr == self._heard and not self._connected:
            try:
                return self.socket.sendto(datagram, addr)
            except OSError:
                # Twisted knows what is to be said of it.
                pass
        return super().write(datagram, addr)

    def settle(self) -> None:
        """Nothing is kept until the end of a turn (`Settled`)."""
