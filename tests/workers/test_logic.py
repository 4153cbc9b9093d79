"""What workers decide, without processes: when one is replaced, whose turn it is, what they count together."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from socklab.limits import Limits
from socklab.policy.access import Access
from socklab.policy.gate import Gate, House
from socklab.workers.backoff import BackOff
from socklab.workers.merging import mergedFigures, mergedMetrics
from socklab.workers.page import FIRST, Page, Shared, newPage
from socklab.workers.passed import Turns, leadOf


@pytest.fixture
def page() -> Iterator[Page]:
    """Give a page of two workers."""
    descriptor = newPage()
    made = Page(descriptor)
    made.top = 2
    yield made
    os.close(descriptor)


def worker(page: Page, number: int) -> Shared:
    """Give what a worker counts of one service, `echo`."""
    shared = Shared(page, number, b"key")
    shared.columns["echo"] = FIRST
    shared.processes = 2
    shared.serve(True)
    return shared


def gate(shared: Shared, clock: Clock, limits: Limits, house: House | None = None) -> Gate:
    """Give a worker's gate of `echo`."""
    house = house or House()
    house.shared = shared
    return Gate(Access(["allow all"]), limits, house, clock.seconds, "echo")


def test_backOff() -> None:
    """A worker that dies again and again is replaced later and later, at most 30 s; one that has served is not."""
    longest, shortest = BackOff(lambda: 1.0), BackOff(lambda: 0.0)
    assert [longest.died(0) for _ in range(11)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    assert [shortest.died(0) for _ in range(2)] == [0.05, 0.1]
    assert longest.died(61) == 0.1
    assert longest.times == 1


def test_backOffEndless() -> None:
    """However often it has died, the wait stays at 30 s."""
    backOff = BackOff(lambda: 1.0)
    assert [backOff.died(0) for _ in range(5000)][-1] == 30


def test_maxConnections(page: Page) -> None:
    """Two workers together let in `max_connections`, whoever of them was asked, and one more when one has left."""
    clock, limits = Clock(), Limits(max_connections=3)
    one, two = (gate(worker(page, number), clock, limits) for number in (1, 2))
    assert [each.enter("192.0.2.1") for each in (one, two, one)] == [None] * 3
    for each in (one, two):
        refusal = each.enter("192.0.2.2")
        assert refusal is not None
        assert (refusal.name, refusal.reason) == ("max_connections", "3 connections")
    one.leave("192.0.2.1")
    assert two.enter("192.0.2.2") is None
    assert two.enter("192.0.2.2") is not None


def test_serverMaxConnections(page: Page) -> None:
    """`[server] max_connections` is of all workers; without it each has its own bound, of its open files."""
    clock, limits = Clock(), Limits()
    one, two = (gate(worker(page, number), clock, limits, House(2)) for number in (1, 2))
    assert one.enter("") is None
    assert two.enter("") is None
    refusal = one.enter("")
    assert refusal is not None
    assert refusal.name == "server.max_connections"
    house = House()
    house.ownConnections = 1
    alone = gate(worker(page, 1), clock, limits, house)
    assert alone.enter("") is None
    assert alone.enter("") is not None


def test_perAddress(page: Page) -> None:
    """An address has `per_address` connections in all workers together; a /64 of IPv6 is one address."""
    clock, limits = Clock(), Limits(per_address=2)
    one, two = (gate(worker(page, number), clock, limits) for number in (1, 2))
    assert one.enter("2001:db8::1") is None
    assert two.enter("2001:db8::2") is None
    for each in (one, two):
        refusal = each.enter("2001:db8::3")
        assert refusal is not None
        assert refusal.name == "per_address"
    assert one.enter("192.0.2.1") is None
    two.leave("2001:db8::2")
    assert one.enter("2001:db8::3") is None


def test_acceptRate(page: Page) -> None:
    """All workers take from one bucket of `accept_rate`."""
    clock, limits = Clock(), Limits(accept_rate=2)
    clock.advance(100)
    one, two = (gate(worker(page, number), clock, limits) for number in (1, 2))
    assert [each.enter("") for each in (one, two)] == [None, None]
    assert [each.enter("") is None for each in (one, two)] == [False, False]
    clock.advance(0.5)
    assert [each.enter("") is None for each in (one, two)] == [True, False]


def test_dead(page: Page) -> None:
    """What a worker had counted is nobody's when it has died; its numbers are not given again."""
    clock, limits = Clock(), Limits(max_connections=2, per_address=2)
    shared = worker(page, 1)
    dead, other = gate(shared, clock, limits), gate(worker(page, 2), clock, limits)
    assert shared.newConnection() == 1001
    assert [dead.enter("192.0.2.1"), dead.enter("192.0.2.1")] == [None, None]
    assert other.enter("192.0.2.1") is not None
    page.clear(1)
    assert other.enter("192.0.2.1") is None
    assert worker(page, 1).newConnection() == 2001


def test_manyAddresses(page: Page) -> None:
    """Addresses that come and go leave room for others, and each is counted exactly."""
    shared = worker(page, 1)
    for number in range(3000):
        shared.add("echo", f"192.0.2.{number}", 1)
    assert {shared.ofAddress("echo", f"192.0.2.{number}") for number in range(3000)} == {1}
    for number in range(3000):
        shared.add("echo", f"192.0.2.{number}", -1)
        shared.add("echo", f"198.51.100.{number}", 1)
    assert {shared.ofAddress("echo", f"192.0.2.{number}") for number in range(3000)} == {0}
    assert {shared.ofAddress("echo", f"198.51.100.{number}") for number in range(3000)} == {1}
    # Without an entrance there is nothing to take back.
    shared.add("echo", "203.0.113.1", -1)
    assert shared.ofAddress("echo", "203.0.113.1") == 0


class FakePort:
    """Notes whether it accepts."""

    connected = True
    reading = True

    def stopReading(self) -> None:
        """Accept nobody."""
        self.reading = False

    def startReading(self) -> None:
        """Accept."""
        self.reading = True


def test_turns() -> None:
    """A worker with more connections than another one leaves newcomers to that for 5 ms, at most once in 15."""
    clock, port, lead = Clock(), FakePort(), [0]
    clock.advance(10)
    turns = Turns(clock, lambda: lead[0])
    turns.accepted(port)
    clock.advance(0)
    assert port.reading
    lead[0] = 1
    turns.accepted(port)
    clock.advance(0)
    assert not port.reading
    clock.advance(0.006)
    assert port.reading
    turns.accepted(port)
    clock.advance(0)
    assert port.reading
    clock.advance(0.010)
    turns.over = True
    turns.accepted(port)
    clock.advance(0)
    assert port.reading


def test_lead() -> None:
    """A worker may have two more than the other one, and a sixteenth; one that is alone may have any number."""
    assert leadOf(2, [0, 9]) <= 0 < leadOf(3, [0, 9])
    assert leadOf(1068, [1000]) <= 0 < leadOf(1080, [1000])
    assert leadOf(1000, []) <= 0


def test_mergedMetrics() -> None:
    """What services count is added up; what a process has for itself gets its worker's number, the parent's 0."""
    own = "# TYPE socklab_ready gauge\nsocklab_ready 1.0\n# TYPE process_open_fds gauge\nprocess_open_fds 9.0\n"
    one = (
        "# TYPE socklab_ready gauge\nsocklab_ready 0.0\n# TYPE process_open_fds gauge\nprocess_open_fds 7.0\n"
        "# TYPE socklab_messages_total counter\n"
        'socklab_messages_total{service="echo"} 3.0\n'
    )
    up = "# TYPE socklab_engine_up gauge\nsocklab_engine_up "
    one += f"{up}1.0\n"
    other = f'# TYPE socklab_messages_total counter\nsocklab_messages_total{{service="echo"}} 4.0\n{up}0.0\n'
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in mergedMetrics(own, [(1, one), (2, other)])
        for sample in metric.samples
    }
    assert found == {
        ("socklab_ready",): 1.0,
        ("process_open_fds", "0"): 9.0,
        ("process_open_fds", "1"): 7.0,
        ("socklab_messages_total", "echo"): 7.0,
        ("socklab_engine_up",): 0.0,
    }


def test_mergedFigures() -> None:
    """A page is shown the counts of all workers added up, and of `per_address` that which is nearest to it."""

    def figures(received: int, most: int) -> dict[str, object]:
        return {
            "memory": 10,
            "lag": [1, 0],
            "counts": [{"service": "echo", "transport": "tcp", "received": received, "refused": {"access": 1}}],
            "limits": [
                {"name": "echo: max_connections", "now": received, "most": 50},
                {"name": "echo: per_address", "now": most, "most": 5},
            ],
        }

    own = {"time": 1.0, "memory": 5, "lag": [0, 0], "counts": [], "limits": []}
    merged = mergedFigures(own, [figures(3, 2), figures(4, 1)])
    assert merged == {
        "time": 1.0,
        "memory": 25,
        "lag": [2, 0],
        "counts": [{"service": "echo", "transport": "tcp", "received": 7, "refused": {"access": 2}}],
        "limits": [
            {"name": "echo: max_connections", "now": 7, "most": 50},
            {"name": "echo: per_address", "now": 2, "most": 5},
        ],
    }
