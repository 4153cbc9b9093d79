"""A worker's ports: it serves on sockets that the parent has opened."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable
from errno import EADDRNOTAVAIL
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime, IStreamServerEndpoint
from zope.interface import implementer

from ..limits import BACKLOG
from ..ports import MAX_DATAGRAM
from ..transports.adopted import unixPort
from ..transports.listen import Listen, endpointOf
from ..transports.serving import Serving

_PAUSE: Final = 0.005
"""Seconds for which a worker that has more connections than another one leaves newcomers to that."""
_BETWEEN: Final = 0.010
"""Seconds from one such pause to the next, at least: the other one may be busy."""
_LEAD: Final = 2
"""Connections that it may have more, beside a sixteenth of its own."""


class Turns:
    """Has newcomers come to the worker that has fewest: all wake up for each, and one may always be the first."""

    def __init__(self, clock: IReactorTime, lead: Callable[[], int]) -> None:
        """@param lead: gives how many connections this worker has beyond those that it should have by now."""
        self._clock = clock
        self._lead = lead
        self._next = 0.0
        self.over = False
        """Whether this worker is about to leave: then nobody is left to others."""

    def isOurs(self) -> bool:
        """Tell whether this worker has no more connections than it should."""
        return self._lead() <= 0

    def accepted(self, port: Any) -> None:
        """A port has accepted somebody: it may be another one's turn."""
        now = self._clock.seconds()
        # The system's time may have been set back meanwhile.
        if not self.over and not self._next - _BETWEEN - _PAUSE <= now < self._next and not self.isOurs():
            self._next = now + _PAUSE + _BETWEEN
            # Not while it accepts.
            self._clock.callLater(0, self._pause, port)

    def _pause(self, port: Any) -> None:
        if port.connected:
            port.stopReading()
            self._clock.callLater(_PAUSE, self._resume, port)

    def _resume(self, port: Any) -> None:
        if port.connected:
            port.startReading()


def leadOf(own: int, others: Iterable[int]) -> int:
    """Give how many connections a worker has too many, beside others of so many; 0 or less is none."""
    return own - min(others, default=own) - _LEAD - own // 16


class _Sharing:
    """A port that others accept from, too."""

    turns: Turns


class _TCPPort(_Sharing, tcp.Port):
    def doRead(self) -> None:
        """Somebody waits."""
        super().doRead()
        self.turns.accepted(self)


class _UnixPort(_Sharing, unix.Port):
    def doRead(self) -> None:
        """Somebody waits."""
        super().doRead()
        self.turns.accepted(self)


def _kinds(reactor: Any) -> tuple[Any, Any]:
    """Give the classes of a reactor's TCP ports and ports of Unix sockets."""
    if not hasattr(reactor, "native"):
        return _TCPPort, _UnixPort
    # Imported late: whoever has no uvloop has all else.
    from .uv import UvTCPPort, UvUnixPort

    return UvTCPPort, UvUnixPort


@implementer(IStreamServerEndpoint)
class _Passed:
    """A socket that listens already."""

    def __init__(self, reactor: Any, descriptor: int, backlog: int, turns: Turns) -> None:
        self._turns = turns
        self._reactor = reactor
        self._descriptor = descriptor
        self._backlog = backlog

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Accept from it (`IStreamServerEndpoint`)."""
        descriptor, reactor = self._descriptor, self._reactor
        stream, local = _kinds(reactor)
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            family = listening.family
        if family == socket.AF_UNIX:
            port = unixPort(local, reactor, descriptor, protocolFactory)
        else:
            port = stream._fromListeningDescriptor(reactor, descriptor, family, protocolFactory)
        os.close(descriptor)
        # Who accepts says again how many may wait, for all.
        port.backlog = self._backlog
        port.turns = self._turns
        port.startListening()
        return succeed(port)


class PassedPorts:
    """Opens what was passed (`socklab.ports.Ports`)."""

    isOpener = False

    def __init__(self, reactor: Any, turns: Turns) -> None:
        self._reactor = reactor
        self._turns = turns
        self._passed: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, service: str, text: str, descriptor: int) -> None:
        """A socket was passed.

        @param text: of the listener, as in the config.
        """
        self._passed[service, text].append(descriptor)

    def count(self, service: str, text: str) -> int:
        """Give how many sockets of a listener there are that nobody serves on yet."""
        return len(self._passed[service, text])

    def _take(self, service: str, listen: Listen) -> int:
        if error := self.probe(service, listen):
            raise error
        return self._passed[service, listen.text].pop(0)

    def stream(
        self, service: str, listen: Listen, doorway: Any, serving: Callable[[], Serving]
    ) -> Deferred[IListeningPort]:
        """Serve on a socket of streams."""
        backlog = int(listen.arguments.get("backlog", BACKLOG))
        opened = _Passed(self._reactor, self._take(service, listen), backlog, self._turns)
        return endpointOf(listen, self._reactor, serving, opened).listen(doorway)

    def datagrams(self, service: str, listen: Listen, adapter: Any) -> Deferred[IListeningPort]:
        """Serve on a socket of datagrams."""
        descriptor = self._take(service, listen)
        with socket.socket(fileno=os.dup(descriptor)) as bound:
            family = bound.family
        port = self._reactor.adoptDatagramPort(descriptor, family, adapter, MAX_DATAGRAM)
        os.close(descriptor)
        return succeed(port)

    def probe(self, service: str, listen: Listen) -> OSError | None:
        """Give what a listener fails with: the parent could not open it either."""
        # Most likely it is optional, and this machine lacks its address.
        return None if self.count(service, listen.text) else OSError(EADDRNOTAVAIL, "it was not passed")
