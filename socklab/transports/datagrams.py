"""A plain DatagramProtocol on a port of its own: unchanged, but that what it raises harms nothing else.

Twisted logs that without a word of the service, and a `stopProtocol` that raises would keep the process from its
end: nobody would hear that the port is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..blame import ownLine
from ..events import Failed
from .datagram import peerAt
from .guard import Address
from .serving import Serving

_log: Final = Logger(namespace="socklab")


class PlainDatagrams(DatagramProtocol):
    """What the port calls, and passes on."""

    noisy = False

    def __init__(self, make: Callable[[], DatagramProtocol], serving: Serving) -> None:
        self._make = make
        self._serving = serving

    def startProtocol(self) -> None:
        """The port is open.

        @raise RuntimeError: the protocol does not start; says why on one line.
        """
        try:
            self._protocol = self._make()
            self._protocol.makeConnection(self.transport)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:
            why = ownLine(error, self._make.__module__)
            raise RuntimeError(f"startProtocol failed: {why}") from None

    def stopProtocol(self) -> None:
        """The port is closed."""
        try:
            self._protocol.doStop()
        except Exception:
            _log.failure("{service}: stopProtocol failed", service=self._serving.service, log_system="socklab")

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """A datagram has come."""
        try:
            self._protocol.datagramReceived(datagram, addr)
        except Exception:
            self._serving.events.emit(Failed(self._serving.service, peerAt(addr), Failure()))

    def connectionRefused(self) -> None:
        """A connected port's other side is not there."""
        self._protocol.connectionRefused()
