"""What docs/scale.md says of growth: the simulation adds up, costs are found again, the page is the record."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from statistics import median

import pytest

from benchmarks import paper, report
from benchmarks.costs import Costs, OfEngine, OfNode, total
from benchmarks.fitted import fitted
from benchmarks.million import loads
from benchmarks.placed import Talk
from benchmarks.simulation import Simulation
from benchmarks.worlds import Said, Traffic, World, sizes, traffic
from tests.process import CHECKOUT

COSTS = Costs(
    node=OfNode(50, 250, 5, 100, 400, 20, 6, 150, 1300),
    engine=OfEngine(70, 250, 5, 10, 700),
    nap=0.004,
)
ROOMS = {
    "base": 0,
    "member": [3000, 1000, 0],
    "room": [2000, 1000, 0],
    "come": [200, 60, 30],
    "go": [40, 10, 3],
    "move": [100, 40, 20],
    "rooms": 0.8,
}
RECORDED = sorted((CHECKOUT / "benchmarks" / "results" / "nodes").glob("*.json"))


def simulated(
    *said: tuple[float, int, int], nodes: int = 3, engines: int = 1, isOneCore: bool = False
) -> Simulation:
    """Simulate lines: when, in which room, at which node; each room has two members at each node."""
    rooms = {room: dict.fromkeys(range(nodes), 2) for _, room, _ in said}
    happens = Traffic(nodes, rooms, [Said(*each) for each in said], 10.0)
    return Simulation(happens, COSTS, engines, isOneCore)


def test_sizes() -> None:
    """Rooms hold all members, none has too few, and they are about as large as they should be on average."""
    found = [*sizes(100_000, 20, random.Random(1))]
    assert sum(found) == 100_000
    assert min(found[:-1]) >= 2
    assert 10 < sum(found) / len(found) < 30


def test_line() -> None:
    """A line is taken, published and stored once, handed to each node, and read by those that did not say it."""
    done = simulated((1.0, 7, 0))
    origin, other, _ = (each.done for each in done.nodes)
    assert (origin.take, origin.publish, origin.read, origin.deliver) == (1, 1, 0, 1)
    assert (other.take, other.publish, other.read, other.deliver) == (0, 0, 1, 2)
    assert (done.engine.done.store, done.engine.done.hand) == (1, 3)
    # The answer of the engine has the first node awake once more, and so soon that it is not cold.
    assert origin.turn == 2
    assert 1 < origin.sleep < 1.2
    assert other.turn == other.sleep == 1


def test_line_in_one_node() -> None:
    """Within one node nothing is published, read or stored."""
    done = simulated((1.0, 7, 0), nodes=1)
    assert done.nodes[0].done == OfNode(turn=1, sleep=1, take=1, deliver=1, deliverAfterSleep=1, second=10)
    assert done.engine.done == OfEngine(second=10)


def test_lines_share() -> None:
    """Lines that come while a process is busy share its next turn: an entry for each room, a write to a member."""
    done = simulated((1.0, 7, 0), (1.0, 7, 0), (1.0001, 7, 0), (1.0001, 8, 0))
    origin, other, _ = (each.done for each in done.nodes)
    # The second comes when the turn with the first has begun; all others share one with it.
    assert (origin.take, origin.publish, origin.deliver) == (4, 3, 3)
    assert other.read == 3
    assert done.engine.done.turn == 2


def test_one_core() -> None:
    """Where all share a core a process waits for it, and finds more to do when it has it."""
    said = [(1 + each / 5000, each % 5, each % 3) for each in range(300)]
    apart, together = simulated(*said), simulated(*said, isOneCore=True)
    assert sum(each.done.turn for each in together.nodes) < sum(each.done.turn for each in apart.nodes)
    assert together.engine.done.store <= apart.engine.done.store == 300


def test_engine_of_three() -> None:
    """Each of three nodes of an engine stores all, and hands to its third."""
    work = simulated((1.0, 7, 0), engines=3).engine.done
    assert (work.store, work.hand, work.second) == (1, 1, 10)


def talks(rates: Sequence[int]) -> list[Talk]:
    """Give runs that have taken what the simulation with known costs says."""
    found = []
    for seed, rate in enumerate(rates):
        for nodes in (2, 4):
            happens = traffic(World(200, nodes, 10, rate / 200), 2 * rate, seed)
            done = Simulation(happens, COSTS, isOneCore=True)
            used = [total(each.done, COSTS.node) for each in done.nodes]
            found.append(Talk(happens, [*used, total(done.engine.done, COSTS.engine)]))
    return found


def test_costs_are_found_again() -> None:
    """Of runs at several rates the costs are found with which others are simulated as they were."""
    found = fitted([[each] for each in talks([10, 50, 400])]).costs
    for talk in talks([30, 200]):
        done = Simulation(talk.traffic, found, isOneCore=True)
        for each, used in zip(done.nodes, talk.used, strict=False):
            assert total(each.done, found.node) == pytest.approx(used, rel=0.1)
        assert total(done.engine.done, found.engine) == pytest.approx(talk.used[-1], rel=0.1)


def test_span() -> None:
    """Placed by chance, a room has members on as many nodes as is to be expected."""
    weights = [*sizes(40_000, 5, random.Random(1))]
    expected = sum(size * 10 * (1 - 0.9**size) for size in weights) / sum(weights)
    assert loads(World(40_000, 10, 5, 1), COSTS, ROOMS).spans == pytest.approx(expected, rel=0.03)


def test_clusters() -> None:
    """Ten clusters of a tenth each have less for each node and engine to do; memory is what is known."""
    one = loads(World(60_000, 30, 20, 0.1), COSTS, ROOMS)
    ten = loads(World(60_000, 30, 20, 0.1, clusters=10), COSTS, ROOMS)
    assert ten.engine < one.engine / 5
    assert ten.node < one.node
    assert one.first in ("node", "engine")
    assert ten.memory == pytest.approx((2000 * 3000 + 4000 * 1000 + 300 * 2000) / 2**32)
    assert ten.moves < ten.node


def test_page_is_as_recorded() -> None:
    """The tables of the page are those of the last record; what was simulated is near to what was measured."""
    results = json.loads(RECORDED[-1].read_text())
    text = (CHECKOUT / "docs" / "scale.md").read_text()
    assert report.between(text, paper.page(results) + "\n") == text
    off = [
        abs(each["simulated"][key] / each["measured"][key] - 1)
        for each in results["placed"]
        for key in ("node", "engine")
    ]
    assert median(off) < 0.15
    assert max(off) < 0.5
