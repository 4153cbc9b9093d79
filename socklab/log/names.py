"""Names of addresses, as DNS or /etc/hosts has them: nobody waits for one, and a flood asks for few."""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

_KEPT: Final = 1000
"""Addresses whose names are remembered."""
_LIFE: Final = 300.0
"""Seconds for which one is."""
_AT_ONCE: Final = 10
"""Questions at a time: a silent name server takes seconds for each. Who comes meanwhile is not asked for."""


class Names:
    """Looks up the names of hosts."""

    def __init__(self, reactor: Any, ask: Callable[[str], str] | None = None) -> None:
        """@param ask: gives the name of an address, which may take its time; raises OSError when there is none."""
        self._reactor = reactor
        self._ask = ask or _nameOf
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._asked: dict[str, list[Callable[[str], None]]] = {}

    def find(self, host: str, found: Callable[[str], None]) -> None:
        """Have `found` called with a host's name, if it has one; soon, or now.

        @param host: an IP address.
        """
        known = self._known.get(host)
        if known is not None and self._reactor.seconds() < known[0] + _LIFE:
            if known[1]:
                found(known[1])
        elif host in self._asked:
            self._asked[host].append(found)
        elif len(self._asked) < _AT_ONCE:
            self._asked[host] = [found]
            # Not one of the reactor's threads: those have to end before the process does.
            threading.Thread(target=self._look, args=(host,), name=f"name of {host}", daemon=True).start()

    def _look(self, host: str) -> None:
        try:
            name = self._ask(host)
        except OSError:
            name = ""
        self._reactor.callFromThread(self._answered, host, name)

    def _answered(self, host: str, name: str) -> None:
        self._known[host] = self._reactor.seconds(), name
        self._known.move_to_end(host)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        for found in self._asked.pop(host):
            if name:
                found(name)


def _nameOf(host: str) -> str:
    return socket.getnameinfo((host, 0), socket.NI_NAMEREQD)[0]
