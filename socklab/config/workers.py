"""`[server] workers`, checked: how many processes serve, and what several of them cannot share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..rooms.memory import MemoryRooms
from .errors import Mistake
from .schema import ServerTable

if TYPE_CHECKING:
    from . import Service

_SHARED: Final = ("tcp", "ssl", "tls", "unix", "udp", "systemd", "haproxy")
"""Prefixes of `listen` whose sockets one process can open and others serve."""


def workersOf(server: ServerTable) -> int:
    """Give how many processes serve."""
    return len(os.sched_getaffinity(0)) if server.workers == "auto" else server.workers


def unshared(services: list[Service], hasEngine: bool) -> Iterator[Mistake]:
    """Find what several processes cannot serve together.

    @param hasEngine: whether there is an engine through which rooms are shared.
    """
    for index, service in enumerate(services):
        if not hasEngine and isinstance(getattr(service.factory, "rooms", None), MemoryRooms):
            why = (
                "its rooms would be apart in each of the [server] workers: they meet in an engine; "
                'add these two lines:\n[rooms]\nengine = "nats://127.0.0.1:4222"'
            )
            yield Mistake(("service", index, "protocol"), why)
        for number, listener in enumerate(service.listeners):
            listen = listener.listen
            if listen.prefix not in _SHARED:
                what = f'"{listen.text}": several [server] workers cannot share what {listen.prefix}: opens'
                yield Mistake(("service", index, "listen", number), what)
