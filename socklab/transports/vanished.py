"""Peers that went without a word while something was on its way to them.

TCP's keepalive asks only when nothing is on its way (RFC 9293, 3.8.4); what is, the system sends again and again
for about a quarter of an hour (`tcp_retries2`). `TCP_USER_TIMEOUT` would end that sooner, but it ends a peer, too,
that is there and has merely stopped to read.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LOOK: Final = 10.0
"""Seconds between two looks."""
_AT_ONCE: Final = 200
"""How many connections are looked at in one turn of the reactor: 0.5 ms."""
_KEEPALIVE_PROBES: Final = 3
_INFO: Final = struct.Struct("=2xBB20xI28xI")
"""Of Linux's `struct tcp_info`: retransmits, probes, unacked, last_ack_recv in ms."""


class Carried(TypingProtocol):
    """An open connection, as it is looked at."""

    def carrier(self) -> Any:
        """Give the Twisted transport that it goes over; None over datagrams."""

    def vanished(self, seconds: float) -> None:
        """Its peer has not acknowledged anything for so long: end it."""


def unacknowledged(transport: Any) -> float | None:
    """Give the seconds since the peer's last acknowledgement, if the system sends it something again by now.

    A peer that is there and does not read acknowledges each question whether it does (RFC 9293, 3.8.6.1).

    @return: None where nothing is sent again, and where the system does not tell.
    """
    fileno = getattr(transport, "fileno", None)
    if fileno is None or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        # With a family given nothing is asked of the system but this one thing.
        handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno())
    except (OSError, ValueError):
        # It is closed.
        return None
    try:
        return sentAgainFor(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    except OSError:
        # It is no TCP.
        return None
    finally:
        handle.detach()


def sentAgainFor(info: bytes) -> float | None:
    """Read what `unacknowledged` tells from a `struct tcp_info`."""
    if len(info) < _INFO.size:
        return None
    retransmits, probes, unacked, silence = _INFO.unpack(info[: _INFO.size])
    isSentAgain = (unacked and retransmits) or probes > _KEEPALIVE_PROBES
    return silence / 1000 if isSentAgain else None


class VanishedPeers:
    """Looks now and then for connections of a service whose peers have vanished, and ends them."""

    def __init__(
        self,
        connections: Iterable[Carried],
        clock: IReactorTime,
        keepalive: Callable[[], float],
        ask: Callable[[Any], float | None] = unacknowledged,
    ) -> None:
        """@param connections: changes as they come and go.
        @param keepalive: gives the limit of that name, in seconds; 0: nobody is looked at.
        @param ask: tells of a transport what `unacknowledged` does.
        """
        self._ask = ask
        self._connections = connections
        self._clock = clock
        self._keepalive = keepalive
        self._suspects: dict[Carried, float] = {}
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Look from now on."""
        self._timer = self._clock.callLater(LOOK, self._begin)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._suspects = {}

    def _begin(self) -> None:
        suspects, self._suspects = self._suspects, {}
        connections = [*self._connections] if self._keepalive() else []
        self._look(iter(connections), suspects)

    def _look(self, connections: Iterator[Carried], suspects: dict[Carried, float]) -> None:
        some = [*islice(connections, _AT_ONCE)]
        for each in some:
            self._judge(each, suspects.get(each))
        self._timer = (
            self._clock.callLater(0, self._look, connections, suspects)
            if len(some) == _AT_ONCE
            else self._clock.callLater(LOOK, self._begin)
        )

    def _judge(self, connection: Carried, since: float | None) -> None:
        """@param since: when it was first found so; it may have been idle for long before."""
        silence = self._ask(connection.carrier())
        if silence is None:
            return
        now = self._clock.seconds()
        if since is None or silence < now - since:
            self._suspects[connection] = now
        elif now - since < self._keepalive() + LOOK:
            self._suspects[connection] = since
        else:
            connection.vanished(silence)
