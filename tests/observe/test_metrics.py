"""What the metrics say, and what the shipped dashboard and alerts make of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from socklab import Factory, Lines, MessageProtocol
from socklab.counts import Counts, Histogram
from socklab.limits import Limits
from socklab.metrics.collector import LabCollector, registryOf
from socklab.metrics.lag import ReactorLag
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryEngine, MemoryServer
from tests.clients.outside import requireClient
from tests.observe.support import MemoryLab
from tests.process import CHECKOUT

CONFIG = """
[console]
listen = 'tcp:0'
[[service]]
name = "echo"
protocol = "echo"
listen = ['tcp:0', 'udp:0']
access = ["deny 10.0.0.0/8", "allow all"]
[[service]]
name = "chat"
protocol = "chat"
listen = ['tcp:0']
"""


class Read:
    """The metrics of a lab, as Prometheus reads them."""

    def __init__(self, lab: MemoryLab, memory: list[int] | None = None) -> None:
        """@param memory: what the process will be found to have, one number for each look."""
        found = iter(memory or [])
        used = (lambda: next(found)) if memory else None
        self._registry = CollectorRegistry()
        self._registry.register(LabCollector(lab.lab, ReactorLag(lab.reactor), used))

    def __call__(self, name: str, **labels: str) -> float | None:
        """Give a value; None when there is none."""
        text = generate_latest(self._registry).decode()
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) < 2, found
        return found[0] if found else None


@pytest.fixture
def lab(tmp_path: Path) -> MemoryLab:
    """Echo and chat, and an engine for rooms."""
    made = MemoryLab(tmp_path, CONFIG)
    made.lab.node = MemoryEngine().node()
    return made


def test_connections(lab: MemoryLab) -> None:
    """Connections are counted as they come and go, by service and transport; the refused by their rule."""
    read = Read(lab)
    wire = lab.connect()
    lab.connect(port=40001)
    echo = {"service": "echo", "transport": "tcp"}
    assert read("socklab_connections_open", **echo) == 2
    wire.lose(ConnectionLost())
    lab.connect(host="10.0.0.5")
    assert read("socklab_connections_open", **echo) == 1
    assert read("socklab_connections_accepted_total", **echo) == 2
    assert read("socklab_connections_refused_total", **echo, rule="access") == 1
    assert read("socklab_connections_open", service="chat") == 0
    assert read("socklab_datagrams_dropped_total", service="echo") == 0
    assert read("socklab_datagrams_dropped_total", service="chat") is None


def test_messages(lab: MemoryLab) -> None:
    """Messages and their bytes are counted in each direction."""
    read = Read(lab)
    lab.connect().deliver(b"hello")
    assert read("socklab_messages_total", service="echo", transport="tcp", direction="received") == 1
    assert read("socklab_messages_total", service="echo", transport="tcp", direction="sent") == 1
    assert read("socklab_message_bytes_total", service="echo", transport="tcp", direction="sent") == 5
    assert read("socklab_messages_total", service="echo", transport="udp", direction="sent") == 0


def test_pending(lab: MemoryLab) -> None:
    """Output that waits for a peer shows, and that it does not read."""
    read = Read(lab)
    wire = lab.connect()
    wire.peerReads = False
    wire.deliver(bytes(100_000))
    assert read("socklab_connections_slow", service="echo") == 1
    assert read("socklab_pending_bytes", service="echo") == 0
    assert read("socklab_connections_slow", service="chat") == 0


def test_rooms(lab: MemoryLab) -> None:
    """Rooms and who is in them are counted."""
    read = Read(lab)
    lab.connect(1).deliver(b"/join tea\n")
    lab.connect(1, 40001)
    assert read("socklab_rooms", service="chat") == 2
    assert read("socklab_room_members", service="chat") == 2
    assert read("socklab_rooms", service="echo") is None


def test_memory(lab: MemoryLab) -> None:
    """What a connection costs is told from a hundred connections on."""
    lab.lab.house.connections = 99
    assert Read(lab, [1000, 50_000])("socklab_memory_per_connection_bytes") is None
    lab.lab.house.connections = 100
    assert Read(lab, [1000, 51_000])("socklab_memory_per_connection_bytes") == 500
    assert Read(lab, [1000, 900])("socklab_memory_per_connection_bytes") == 0


def test_ready(tmp_path: Path) -> None:
    """It is ready until it stops."""
    lab = MemoryLab(tmp_path, CONFIG.replace(", 'udp:0'", ""))
    read = Read(lab)
    assert read("socklab_ready") == 1
    lab.lab.stopService()
    assert read("socklab_ready") == 0


def test_histogram() -> None:
    """A value on a bound counts below it, one beyond the last one only below infinity."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.buckets() == [(1.0, 2), (2.0, 3), (float("inf"), 4)]
    assert histogram.sum == 12.0


def test_lag() -> None:
    """How late the reactor is shows; a clock that was set back is not late."""
    clock = Clock()
    lag = ReactorLag(clock)
    lag.start()
    clock.advance(0.5)
    clock.advance(0.7)
    assert lag.seconds.buckets()[-1] == (float("inf"), 2)
    assert lag.seconds.sum == pytest.approx(0.2)
    lag.stop()
    assert not clock.getDelayedCalls()


class Slow(MessageProtocol):
    """Promises an answer, and raises when it is told to."""

    factory: SlowFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> Deferred[None] | None:
        """Be busy."""
        if payload == b"raise":
            raise ValueError(payload)
        deferred: Deferred[None] = Deferred()
        self.factory.promised.append(deferred)
        return deferred


class SlowFactory(Factory):
    """Keeps what was promised."""

    protocol = Slow

    def __init__(self) -> None:
        self.promised: list[Deferred[None]] = []


def counted(server: MemoryServer) -> Counts:
    """Have a server take the time of each message; give its counts."""
    counts = Counts()
    serving = server._serving

    def timed(encoding: str) -> Any:
        made = serving(encoding)
        made.counts = counts
        made.counting = True
        return made

    server._serving = timed  # type: ignore[method-assign]
    return counts


def timed(counts: Counts) -> int:
    """Give how many messages were timed."""
    return counts.handling.buckets()[-1][1]


def test_handling() -> None:
    """Each message is timed, one that the protocol is busy with until it is done."""
    factory = SlowFactory()
    server = MemoryServer(factory, raising=False)
    counts = counted(server)
    peer = server.tcp()
    peer.send(b"one")
    assert timed(counts) == 0
    factory.promised[0].callback(None)
    assert timed(counts) == 1
    peer.send(b"raise")
    assert (counts.failed, counts.received, counts.open) == (1, 2, 0)


def test_cut() -> None:
    """A peer that goes too far is counted as cut, over each transport that has messages of a length."""
    server = MemoryServer(EchoFactory(prefix="> "), limits=Limits(line=10), raising=False)
    counts = counted(server)
    server.tcp().send(b"x" * 100)
    assert (counts.cut, counts.accepted) == (1, 1)


@pytest.mark.parametrize("transport", ["tcp", "udp", "websocket"])
def test_some_are_timed(transport: str) -> None:
    """All messages are counted, on the short way that most of them take too; of many one in 16 is timed."""
    server = MemoryServer(EchoFactory(), traffic=False)
    counts = counted(server)
    peer = getattr(server, transport)()
    for _ in range(500):
        peer.sendMessage(b"hello", False) if transport == "websocket" else peer.send(b"hello")
    assert (counts.received, counts.receivedBytes) == (500, 2500)
    assert (counts.sent, counts.sentBytes) == (500, 2500)
    assert timed(counts) == 100 + 400 // 16


def test_room() -> None:
    """What is said to all is counted for each who hears it."""
    server = MemoryServer(ChatFactory(announce=False))
    counts = counted(server)
    members = [server.tcp(), server.tcp(), server.websocket(), server.udp()]
    members[3].say("/who")
    before = counts.sent, counts.sentBytes
    members[0].say("안녕")
    members[0].say("hello")
    server.advance(1)
    text = len("user1: 안녕".encode()) + len("user1: hello")
    assert (counts.sent - before[0], counts.sentBytes - before[1]) == (6, 3 * text)


@pytest.mark.parametrize("transport", ["tcp", "unix", "udp", "websocket"])
def test_counts(transport: str) -> None:
    """Each transport counts alike."""
    server = MemoryServer(EchoFactory(), framing=Lines)
    counts = counted(server)
    peer = getattr(server, transport)()
    peer.say("hello")
    assert (counts.received, counts.receivedBytes, counts.sent, counts.sentBytes) == (1, 5, 1, 5)
    # Echo remembers no datagram peers.
    assert counts.accepted == counts.open == (transport != "udp")


# What is shipped


def names(lab: MemoryLab) -> set[str]:
    """Give the names of all metrics, as PromQL has them."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
    registry = registryOf(lab.lab, ReactorLag(lab.reactor))
    return {
        f"{family.name}{suffix}" for family in registry.collect() for suffix in suffixes.get(family.type, [""])
    }


def used(text: str) -> set[str]:
    """Give the names of metrics in a text."""
    return set(re.findall(r"\b(?:socklab|process)_[a-z_]+\b", text))


def expressions(shipped: Any) -> Iterator[str]:
    """Give the PromQL of a dashboard."""
    for panel in shipped["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_dashboard(lab: MemoryLab) -> None:
    """Each metric that the dashboard asks for is there, and each of ours is on it."""
    shipped = json.loads((CHECKOUT / "configs" / "grafana-dashboard.json").read_text())
    asked = used(" ".join(expressions(shipped)))
    assert asked <= names(lab)
    shown = {each.rpartition("_")[0] if each.endswith("_bucket") else each for each in asked}
    ours = {each for each in names(lab) if each.startswith("socklab_")}
    ours = {each for each in ours if not each.endswith(("_sum", "_count", "_bucket"))}
    assert ours - shown == {"socklab_build_info", "socklab_ready", "socklab_connections_limit"}
    ids = [panel["id"] for panel in shipped["panels"]]
    assert len(ids) == len({*ids})


def test_alerts(lab: MemoryLab) -> None:
    """Each metric that the alerts ask for is there."""
    text = (CHECKOUT / "configs" / "alerts.yml").read_text()
    asked = used("\n".join(line for line in text.splitlines() if "expr:" in line))
    assert asked <= names(lab)
    assert "socklab_reactor_lag_seconds_bucket" in asked


def check(*arguments: str, text: bytes = b"") -> None:
    """Run promtool, which must find nothing."""
    requireClient("promtool")
    result = subprocess.run(["promtool", "check", *arguments], input=text, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_rules_load() -> None:
    """Prometheus takes the rules."""
    check("rules", str(CHECKOUT / "configs" / "alerts.yml"))


def test_conventions(lab: MemoryLab) -> None:
    """Prometheus has nothing to say against names, units and types."""
    lab.connect().deliver(b"hello")
    check("metrics", text=generate_latest(registryOf(lab.lab, ReactorLag(lab.reactor))))


def test_labels(lab: MemoryLab) -> None:
    """No label names a peer: however many come, the metrics are as many."""
    registry = registryOf(lab.lab, ReactorLag(lab.reactor))
    before = len(generate_latest(registry).splitlines())
    for port in range(40000, 40050):
        lab.connect(port=port).deliver(b"hello")
    text = generate_latest(registry).decode()
    assert len(text.splitlines()) == before
    assert "127.0.0.1" not in text
