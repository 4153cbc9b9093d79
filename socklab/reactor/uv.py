"""The reactor itself."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvloop
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import DelayedCall
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.interfaces import IReactorDaemonize
from twisted.internet.process import reapAllProcesses
from twisted.python import context
from twisted.python.log import ILogContext
from zope.interface import implementer

from .datagrams import DatagramPort
from .ports import ListeningPort, UnixListeningPort
from .stream import Connection
from .turn import LogContext, Turn
from .wire import Watch

_NATIVE: Final = (ListeningPort, DatagramPort, Connection)
"""What reads its socket by itself."""
_UNSORTED: Final = 1000
"""Calls that may wait unsorted until the next one is due: who cancels them leaves them there."""


@implementer(IReactorDaemonize)
class UvloopReactor(AsyncioSelectorReactor):
    """Twisted on uvloop, whose ports read and write their sockets themselves; clients are Twisted's."""

    def __init__(self) -> None:
        self.native: set[Any] = set()
        """The ports that accept, and the connections that are open."""
        self._begin()
        super().__init__(self.loop)
        self._onCancel, self._onSooner = self._cancelCallLater, self._moveCallLaterSooner

    def _begin(self) -> None:
        self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.turn = Turn(self.loop)
        self.watch = Watch(self.loop)

    def run(self, installSignalHandlers: bool = True) -> None:
        """Run until `stop` (`IReactorCore`)."""
        context.call({ILogContext: LogContext(self.turn)}, super().run, installSignalHandlers)

    def startRunning(self, installSignalHandlers: bool = True) -> None:
        """Begin, and heed signals unless told not to (`ReactorBase`)."""
        super().startRunning(installSignalHandlers)
        if installSignalHandlers:
            # Twisted waits for a byte of signal.set_wakeup_fd, which uvloop takes for its own.
            signal.signal(signal.SIGCHLD, lambda number, frame: self.callFromThread(reapAllProcesses))

    def beforeDaemonize(self) -> None:
        """Let go of the loop: nothing of it must be shared with the daemon (`IReactorDaemonize`)."""
        self._watched = self.getReaders(), self.getWriters()
        readers, writers = self._watched
        for each in readers:
            self.removeReader(each)
        for each in writers:
            self.removeWriter(each)
        self.watch.close()
        self.loop.close()

    def afterDaemonize(self) -> None:
        """In the daemon, begin anew (`IReactorDaemonize`)."""
        self._begin()
        self._asyncioEventloop = self.loop
        readers, writers = self._watched
        for each in readers:
            self.addReader(each)
        for each in writers:
            self.addWriter(each)
        # A call that becomes due sooner has the new loop learn of all that are due.
        self.callLater(0, lambda: None).reset(-1)

    def settle(self) -> bool:
        """Send all that was written in this turn, now; False while a connection is being served.

        After it what `Connection.through` writes comes in order.
        """
        return self.turn.settle()

    def soon(self, call: Callable[[], object]) -> None:
        """Call something in the loop's next turn: `callLater(0, call)` for what nobody cancels, at a tenth of its
        cost."""
        self.loop.call_soon(call)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call something when all that was read in this turn is handled, sooner than `soon` would."""
        self.watch.afterwards(call)

    # Time (IReactorTime)

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kw: object) -> DelayedCall:
        """Call something in so many seconds (`IReactorTime`)."""
        assert delay >= 0, f"{delay} is not greater than or equal to 0 seconds"
        call = DelayedCall(
            self.seconds() + delay, callable, args, kw, self._onCancel, self._onSooner, self.seconds
        )
        # Twisted's own sorts each call in at once, at several times the cost. Most are cancelled before they are
        # due, and those are dropped unsorted.
        calls = self._newTimedCalls
        calls.append(call)
        scheduled = self._scheduledAt
        if scheduled is None or self.loop.time() + delay < scheduled:
            self._reschedule()
        elif len(calls) > _UNSORTED:
            self._insertNewDelayedCalls()
        return call

    # Ports (IReactorTCP, IReactorSocket)

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> ListeningPort:
        """Open a TCP port (`IReactorTCP`).

        @raise CannotListenError: the address cannot be had.
        """
        opened = ListeningPort(port, factory, backlog, interface, self)
        opened.startListening()
        return opened

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> UnixListeningPort:
        """Open a port of Unix sockets (`IReactorUNIX`).

        @raise CannotListenError: the path cannot be had.
        """
        opened = UnixListeningPort(address, factory, backlog, mode, self, wantPID)
        opened.startListening()
        return opened

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: socket.AddressFamily, factory: Any) -> Any:
        """Serve on a socket that listens already (`IReactorSocket`)."""
        opened: ListeningPort
        if addressFamily == socket.AF_UNIX:
            opened = UnixListeningPort._fromListeningDescriptor(self, fileDescriptor, factory)
        elif addressFamily in (socket.AF_INET, socket.AF_INET6):
            opened = ListeningPort._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory)
        else:
            raise UnsupportedAddressFamily(addressFamily)
        opened.startListening()
        return opened

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> DatagramPort:
        """Open a UDP port (`IReactorUDP`).

        @raise CannotListenError: the address cannot be had.
        """
        opened = DatagramPort(port, protocol, interface, maxPacketSize, self)
        opened.startListening()
        return opened

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: socket.AddressFamily, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        """Hear on a socket that is bound already (`IReactorSocket`)."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            raise UnsupportedAddressFamily(addressFamily)
        opened = DatagramPort._fromListeningDescriptor(
            self, fileDescriptor, addressFamily, protocol, maxPacketSize
        )
        opened.startListening()
        return opened

    # Descriptors (IReactorFDSet)

    def addReader(self, reader: Any) -> None:
        """Watch a descriptor (`IReactorFDSet`)."""
        if isinstance(reader, _NATIVE):
            reader.startReading()
        else:
            super().addReader(reader)

    def removeReader(self, reader: Any) -> None:
        """Watch it no more (`IReactorFDSet`)."""
        if isinstance(reader, _NATIVE):
            reader.stopReading()
        else:
            super().removeReader(reader)

    def removeAll(self) -> list[Any]:
        """Watch nothing any more, and give what was watched (`IReactorFDSet`)."""
        native = [*self.native]
        for each in native:
            each.stopReading()
        return [*native, *super().removeAll()]

    def getReaders(self) -> list[Any]:
        """Give what is read from (`IReactorFDSet`)."""
        return [*(each for each in self.native if each.reading), *super().getReaders()]
