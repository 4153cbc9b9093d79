"""What `socklab status` tells: the whole server at one look, and nobody's address."""

from __future__ import annotations

import json
import os
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..metrics.growth import Growth
from ..policy.house import MemoryUsed
from ..transports.listen import whereOf

if TYPE_CHECKING:
    from ..lab import Lab


class Status:
    """Gives it; begins to observe what connections cost."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._began = time.time()
        self._memory = MemoryUsed()
        self._atStart = self._memory()
        self._growth = Growth(self._memory)
        lab.events.subscribe(self._growth)

    def __call__(self) -> tuple[int, str]:
        """Give an answer of HTTP: 200 while newcomers are served, else 503; and a JSON object."""
        lab = self._lab
        told = {
            "version": version("socklab"),
            "pid": os.getpid(),
            "ready": lab.ready,
            "started": self._began,
            "connections": {"now": lab.house.connections, "most": lab.house.maxConnections or None},
            "memory": {
                "now": self._memory(),
                "start": self._atStart,
                "most": lab.config.server.memory_budget or None,
                "each": self._growth.each(),
            },
            "services": self._services(),
        }
        return 200 if lab.ready else 503, json.dumps(told, ensure_ascii=False) + "\n"

    def _services(self) -> list[dict[str, Any]]:
        where: dict[tuple[str, str], list[str]] = {}
        for service in self._lab.protocolServices():
            for each in service.listeners():
                if each.port is not None:
                    key = service.config.name, each.transport
                    where.setdefault(key, []).append(whereOf(each.port.getHost()))
        return [
            {
                "service": key[0],
                "transport": key[1],
                "where": where.get(key, []),
                "open": counts.open,
                "accepted": counts.accepted,
                "refused": counts.refused.total(),
                "cut": counts.cut,
                "failed": counts.failed,
                "received": counts.received,
                "sent": counts.sent,
            }
            for key, counts in self._lab.counts.items()
        ]
