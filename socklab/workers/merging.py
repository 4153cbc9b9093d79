"""What the workers count, added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import add
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_SAME: Final = {"service", "transport"}
_PLACES: Final = {*_SAME, "where"}
_MOST: Final = ("per_address", "pending")
"""Limits of which the worker counts that is nearest to it."""


def mergedFigures(own: dict[str, Any], workers: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up the figures of a page.

    @param own: those of the parent, which serves nobody.
    @param workers: those of each worker.
    """
    counts: dict[tuple[str, str], Any] = {}
    limits = {each["name"]: {**each, "now": 0} for each in own["limits"]}
    for figures in workers:
        for each in figures["counts"]:
            key = each["service"], each["transport"]
            counts[key] = _sum(counts[key], each) if key in counts else each
        for each in figures["limits"]:
            known = limits.setdefault(each["name"], {**each, "now": 0})
            isMost = each["name"].endswith(_MOST)
            known["now"] = max(known["now"], each["now"]) if isMost else known["now"] + each["now"]
            known["most"] = max(known["most"], each["most"])
    lags = [each["lag"] for each in workers]
    return {
        **own,
        "memory": own["memory"] + sum(each["memory"] for each in workers),
        "lag": [sum(each) for each in zip(*lags, strict=True)] or own["lag"],
        "counts": [*counts.values()],
        "limits": [*limits.values()],
    }


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: value if key in _SAME else _add(value, other[key]) for key, value in one.items()}


def _add(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
    if isinstance(one, list):
        return [each + more for each, more in zip(one, other, strict=True)]
    return one + other


def mergedStatus(own: dict[str, Any], workers: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what is told at one look.

    @param own: what the parent tells; where it listens is right there.
    """
    services = {(each["service"], each["transport"]): each for each in own["services"]}
    for worker in workers:
        for each in worker["services"]:
            key = each["service"], each["transport"]
            known = services.setdefault(key, {**each, **{name: 0 for name in each if name not in _PLACES}})
            services[key] = {
                name: value if name in _PLACES else value + each[name] for name, value in known.items()
            }
    memory = [each["memory"] for each in workers]
    costs: dict[str, float] = {}
    for each in memory:
        for transport, cost in each["each"].items():
            costs[transport] = max(cost, costs.get(transport, 0))
    return {
        **own,
        "connections": {
            **own["connections"],
            "now": sum(each["connections"]["now"] for each in workers),
        },
        "memory": {
            **own["memory"],
            "now": own["memory"]["now"] + sum(each["now"] for each in memory),
            "start": own["memory"]["start"] + sum(each["start"] for each in memory),
            "each": costs,
        },
        "services": [*services.values()],
    }


def mergedRooms(shape: dict[str, Any], workers: list[dict[str, Any]]) -> dict[str, Any]:
    """Give what is served, with the rooms that the workers know.

    Each counts the members of its own rooms everywhere: the one that has heard of most is nearest.
    """
    known: dict[str, dict[str, int]] = {}
    for worker in workers:
        for service in worker["services"]:
            for name, count in service["rooms"] or ():
                rooms = known.setdefault(service["name"], {})
                rooms[name] = max(count, rooms.get(name, 0))
    services = [
        {**each, "rooms": sorted(known[each["name"]].items()) if each["name"] in known else None}
        for each in shape["services"]
    ]
    return {**shape, "services": services}


_EACH: Final = ("process_", "python_", "socklab_reactor_", "socklab_start_memory", "socklab_memory_per")
"""How the names begin of what each process has for itself: it gets the label `worker`."""
_ONCE: Final = ("socklab_build", "socklab_ready", "socklab_connections_limit")
"""What the parent tells for all."""
_HOW: Final[dict[str, Callable[[float, float], float]]] = {
    "socklab_rooms": max,
    "socklab_room_members": max,
    "socklab_nodes": max,
    "socklab_engine_up": min,
}
"""What is not added up: rooms each worker counts for all, and the engine is up when it is for all."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


def mergedMetrics(parent: str, workers: Iterable[tuple[int, str]]) -> list[Metric]:
    """Add up metrics of the same labels; what is a process's own gets the label `worker`, 0 for the parent.

    @param parent: its metrics, as text.
    @param workers: each one's number, and its metrics.
    """
    families: dict[str, Metric] = {}
    sums: dict[str, dict[_Key, float]] = {}
    for number, text in ((0, parent), *workers):
        for family in text_string_to_metric_families(text):
            isEach = family.name.startswith(_EACH)
            if not isEach and family.name.startswith(_ONCE) != (number == 0):
                continue
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            samples = sums.setdefault(family.name, {})
            for sample in family.samples:
                labels = {**sample.labels, "worker": str(number)} if isEach else sample.labels
                key = sample.name, tuple(sorted(labels.items()))
                join = _HOW.get(family.name, add)
                samples[key] = join(samples[key], sample.value) if key in samples else sample.value
    for name, family in families.items():
        family.samples = [Sample(sample, dict(labels), value) for (sample, labels), value in sums[name].items()]
    return [*families.values()]
