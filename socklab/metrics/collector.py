"""The lab as Prometheus's metrics, made when they are asked for.

Imported only where the console gives metrics: prometheus-client is in the extra `lab`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..counts import Counts, Histogram
from ..policy.house import MemoryUsed
from ..rooms.memory import MemoryRooms
from .lag import ReactorLag

if TYPE_CHECKING:
    from ..lab import Lab
    from ..rooms.node import Node

_ENOUGH: Final = 100
"""Connections from which on what one of them costs can be told from what everything else does."""


def registryOf(lab: Lab, lag: ReactorLag) -> CollectorRegistry:
    """Give all metrics of this process: the lab's, and what prometheus-client knows of any process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LabCollector(lab, lag))
    for kind in (ProcessCollector, PlatformCollector, GCCollector):
        kind(registry=registry)
    return registry


class LabCollector(Collector):
    """Reads what is counted; nothing is paid between two looks.

    Labels name services, transports and keys of the config, never peers: there may be any number of those.
    """

    def __init__(self, lab: Lab, lag: ReactorLag, memory: Callable[[], int] | None = None) -> None:
        """@param memory: gives the process's resident memory, in bytes."""
        self._lab = lab
        self._lag = lag
        self._memory = memory or MemoryUsed()
        self._atStart = self._memory()

    def collect(self) -> Iterator[Metric]:
        """Give each metric."""
        lab = self._lab
        yield InfoMetricFamily("socklab_build", "The program.", {"version": version("socklab")})
        yield _gauge(
            "socklab_ready", "Whether newcomers are served: 0 while the server starts or stops.", lab.ready
        )
        yield from self._counted()
        yield from self._handled()
        yield from self._rooms()
        yield from self._output()
        yield from self._recorded()
        yield from self._house()

    def _counted(self) -> Iterator[Metric]:
        labels = ("service", "transport")
        now = GaugeMetricFamily(
            "socklab_connections_open", "Connections, and datagram peers that are remembered.", labels=labels
        )
        for key, counts in self._lab.counts.items():
            now.add_metric(key, counts.open)
        yield now
        for name, help_, read in _COUNTERS:
            counter = CounterMetricFamily(name, help_, labels=labels)
            for key, counts in self._lab.counts.items():
                counter.add_metric(key, read(counts))
            yield counter
        refused = CounterMetricFamily(
            "socklab_connections_refused",
            "Newcomers that were not let in, by the key of the config that decided.",
            labels=(*labels, "rule"),
        )
        dropped = CounterMetricFamily(
            "socklab_datagrams_dropped", "Datagrams that were not taken or not sent.", labels=("service",)
        )
        messages = CounterMetricFamily("socklab_messages", "Messages.", labels=(*labels, "direction"))
        payload = CounterMetricFamily(
            "socklab_message_bytes", "Bytes of the messages, without framing.", labels=(*labels, "direction")
        )
        for key, counts in self._lab.counts.items():
            for rule, number in counts.refused.items():
                refused.add_metric((*key, rule), number)
            service, transport = key
            if transport == "udp":
                dropped.add_metric((service,), counts.dropped)
            messages.add_metric((*key, "received"), counts.received)
            messages.add_metric((*key, "sent"), counts.sent)
            payload.add_metric((*key, "received"), counts.receivedBytes)
            payload.add_metric((*key, "sent"), counts.sentBytes)
        yield from (refused, dropped, messages, payload)

    def _handled(self) -> Iterator[Metric]:
        handling = HistogramMetricFamily(
            "socklab_handling_seconds",
            "How long the protocol was busy with a message: the first 100 of each, then one in 16.",
            labels=("service", "transport"),
        )
        for key, counts in self._lab.counts.items():
            _add(handling, key, counts.handling)
        yield handling
        lag = HistogramMetricFamily(
            "socklab_reactor_lag_seconds", "How late the reactor called what was due, looked at twice a second."
        )
        _add(lag, (), self._lag.seconds)
        yield lag

    def _rooms(self) -> Iterator[Metric]:
        rooms = GaugeMetricFamily("socklab_rooms", "Chat rooms, the lobby among them.", labels=("service",))
        members = GaugeMetricFamily("socklab_room_members", "Who is in them, in total.", labels=("service",))
        for service in self._lab.protocolServices():
            found = getattr(service.config.factory, "rooms", None)
            if isinstance(found, MemoryRooms) and not service.leaving:
                counts = found.counts()
                rooms.add_metric((service.config.name,), len(counts))
                members.add_metric((service.config.name,), sum(number for _, number in counts))
        yield from (rooms, members)
        if self._lab.node is not None:
            yield from _spread(self._lab.node)

    def _output(self) -> Iterator[Metric]:
        pending = GaugeMetricFamily(
            "socklab_pending_bytes",
            "Output that waits for peers that do not read, beyond 64 KiB and the system's buffer of each.",
            labels=("service",),
        )
        slow = GaugeMetricFamily(
            "socklab_connections_slow",
            "Connections whose peers do not read what they are owed.",
            labels=("service",),
        )
        bytes_: dict[str, int] = {}
        numbers: dict[str, int] = {}
        # A service that was replaced has the name of the one that took its place.
        for service in self._lab.protocolServices():
            name = service.config.name
            owed, stuck = service.connections.owed()
            bytes_[name] = bytes_.get(name, 0) + owed
            numbers[name] = numbers.get(name, 0) + stuck
        for name in bytes_:
            pending.add_metric((name,), bytes_[name])
            slow.add_metric((name,), numbers[name])
        yield from (pending, slow)

    def _recorded(self) -> Iterator[Metric]:
        written = CounterMetricFamily("socklab_record_bytes", "Bytes written to records.", labels=("service",))
        lost = CounterMetricFamily(
            "socklab_record_lost",
            "Events that are not in the record, because the disk was full or slow.",
            labels=("service",),
        )
        for service, counts in self._lab.recorded.items():
            written.add_metric((service,), counts.bytes)
            lost.add_metric((service,), counts.lost)
        yield from (written, lost)

    def _house(self) -> Iterator[Metric]:
        house = self._lab.house
        yield _gauge(
            "socklab_connections_limit",
            "How many connections all services may have; 0 for any number.",
            house.maxConnections,
        )
        used = self._memory()
        yield _gauge("socklab_start_memory_bytes", "Resident memory before anybody came.", self._atStart)
        each = GaugeMetricFamily(
            "socklab_memory_per_connection_bytes",
            "Resident memory beyond that of the start, for each connection; from 100 connections on.",
            labels=(),
        )
        if house.connections >= _ENOUGH:
            each.add_metric((), max(0, used - self._atStart) / house.connections)
        yield each


# What is read of each service and transport.
_COUNTERS: Final[tuple[tuple[str, str, Callable[[Counts], int]], ...]] = (
    (
        "socklab_connections_accepted",
        "Connections that were let in, and datagram peers that were remembered.",
        lambda counts: counts.accepted,
    ),
    (
        "socklab_connections_cut",
        "Conversations that the server ended because of what the peer did.",
        lambda counts: counts.cut,
    ),
    ("socklab_protocol_failures", "How often the protocol raised.", lambda counts: counts.failed),
)


def _spread(node: Node) -> Iterator[Metric]:
    """Give what this process has to do with others that share its rooms."""
    outbox = node.outbox
    yield _gauge(
        "socklab_engine_up", "Whether the engine that rooms are shared through can be reached.", node.isUp
    )
    yield _gauge("socklab_nodes", "Other processes that share the rooms.", len(node.presence.others))
    yield _gauge("socklab_engine_lines_waiting", "Lines that are not in the engine's log yet.", outbox.owed)
    for name, help_, value in (
        ("said", "Lines for members at other nodes.", outbox.counts.lines),
        ("heard", "Lines of members at other nodes.", node.inbox.heard),
        (
            "dropped",
            "Lines that only members here were told: too many waited for the engine.",
            outbox.counts.dropped,
        ),
        ("resent", "Lines that were sent once more: nobody knew whether they had come.", outbox.counts.resent),
    ):
        yield CounterMetricFamily(f"socklab_engine_lines_{name}", help_, value=value)
    yield CounterMetricFamily(
        "socklab_engine_entries_missed",
        "Entries of the engine's log that were gone before they were read.",
        value=node.inbox.missed,
    )
    storing = HistogramMetricFamily(
        "socklab_engine_storing_seconds", "From the moment when a line was said until it was in the engine's log."
    )
    _add(storing, (), outbox.counts.storing)
    yield storing


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    buckets = [(floatToGoString(bound), count) for bound, count in histogram.buckets()]
    family.add_metric(labels, buckets, histogram.sum)
