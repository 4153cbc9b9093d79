"""The lab in figures, for a page that draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..counts import SECONDS, Histogram
from ..policy.house import MemoryUsed
from ..rooms.memory import MemoryRooms
from ..transports.listen import whereOf

if TYPE_CHECKING:
    from ..lab import Lab
    from ..metrics.lag import ReactorLag
    from ..protocol_service import ProtocolService

BOUNDS: Final = SECONDS
"""Of the histograms, in seconds; one more holds what is above."""

_memory: Final = MemoryUsed()


def shapeOf(lab: Lab) -> dict[str, Any]:
    """Give what is served, and where; it changes with a reload only, and as rooms come and go."""
    return {
        "ready": lab.ready,
        "bounds": BOUNDS,
        "services": [
            {
                "name": service.config.name,
                "protocol": service.config.table.protocol,
                "leaving": service.leaving,
                "access": [*service.config.table.access],
                "rooms": _rooms(service),
                "listeners": [
                    {
                        "transport": each.transport,
                        "where": whereOf(each.port.getHost()),
                        "encoding": each.listener.encoding,
                    }
                    for each in service.listeners()
                    if each.port is not None
                ],
            }
            for service in lab.protocolServices()
        ],
    }


def _rooms(service: ProtocolService) -> list[tuple[str, int]] | None:
    rooms = getattr(service.config.factory, "rooms", None)
    return rooms.counts() if isinstance(rooms, MemoryRooms) else None


def figuresOf(lab: Lab, lag: ReactorLag) -> dict[str, Any]:
    """Give what is counted, by now."""
    return {
        "time": lab.reactor.seconds(),
        "memory": _memory(),
        "lag": _counts(lag.seconds),
        "counts": [
            {
                "service": service,
                "transport": transport,
                "open": counts.open,
                "accepted": counts.accepted,
                "refused": dict(counts.refused),
                "cut": counts.cut,
                "failed": counts.failed,
                "dropped": counts.dropped,
                "received": counts.received,
                "receivedBytes": counts.receivedBytes,
                "sent": counts.sent,
                "sentBytes": counts.sentBytes,
                "handling": _counts(counts.handling),
            }
            for (service, transport), counts in lab.counts.items()
        ],
        "limits": [*_limits(lab)],
    }


def _limits(lab: Lab) -> list[dict[str, Any]]:
    house, server = lab.house, lab.config.server
    found = [{"name": "[server] max_connections", "now": house.connections, "most": house.maxConnections}]
    if server.memory_budget:
        found.append({"name": "[server] memory_budget", "now": _memory(), "most": server.memory_budget})
    for service in lab.protocolServices():
        name, limits = service.config.name, service.config.limits
        if limits.max_connections is not None:
            now = service.gate.connections
            found.append({"name": f"{name}: max_connections", "now": now, "most": limits.max_connections})
        if limits.per_address is not None:
            found.append({"name": f"{name}: per_address", "now": service.gate.most, "most": limits.per_address})
        # Of the peer that is owed most.
        owed = max((each.owed() for each in service.connections), default=0)
        if owed:
            found.append({"name": f"{name}: pending", "now": owed, "most": limits.pending})
    return found


def _counts(histogram: Histogram) -> list[int]:
    below, found = 0, []
    for _, count in histogram.buckets():
        found.append(count - below)
        below = count
    return found
