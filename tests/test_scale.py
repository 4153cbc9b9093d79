"""What docs/scale.md says of growth: the simulation adds up, and the page has what was recorded."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from benchmarks import paper, report
from benchmarks.nodes import WORLDS, costsOf
from benchmarks.simulation import Costs, World, simulate, sizes
from tests.process import CHECKOUT

COSTS = Costs(
    take=40,
    publish=60,
    read=50,
    deliver=5,
    hand=10,
    member=3000,
    known=1000,
    base=0,
    idle=0,
    idleEngine=0,
)
WORLD = World(members=6000, nodes=3, room=20, rate=0.1)
RECORDED = sorted((CHECKOUT / "benchmarks" / "results" / "nodes").glob("*.json"))


def test_sizes() -> None:
    """Rooms hold all members, none has too few, and they are about as large as they should be on average."""
    found = [*sizes(100_000, 20, random.Random(1))]
    assert sum(found) == 100_000
    assert min(found[:-1]) >= 2
    assert 10 < sum(found) / len(found) < 30


def test_rooms_of_one_node() -> None:
    """Within one node nothing is published, read or stored: a line is taken, and sent to the others."""
    loads = simulate(replace(WORLD, nodes=1), replace(COSTS, deliver=0))
    assert (loads.engine, loads.spans, loads.line) == (0, 1, 40)
    assert loads.node == pytest.approx(600 * 40 / 1e6)


def test_line_over_nodes() -> None:
    """A line costs each other node a reading, and the engine a handing over, wherever its room is."""
    loads = simulate(WORLD, COSTS)
    assert loads.line == 40 + 60 + 2 * 50 + 4 * 10
    assert loads.engine == pytest.approx(600 * 4 * 10 / 3 / 1e6)
    # Two of three lines are read; the busiest node takes a few more than its third.
    assert 600 * (100 + 2 * 50) / 3 / 1e6 < loads.node < 600 * (100 + 2 * 50 + 60 * 5) / 3 / 1e6
    assert loads.memory == pytest.approx((2000 * 3000 + 4000 * 1000) / 2**32)


def test_span() -> None:
    """Placed by chance, a room has members on as many nodes as is to be expected."""
    loads = simulate(World(40_000, 10, 5, 1), COSTS)
    weights = [*sizes(40_000, 5, random.Random(1))]
    expected = sum(size * 10 * (1 - 0.9**size) for size in weights) / sum(weights)
    assert loads.spans == pytest.approx(expected, rel=0.03)


def test_clusters() -> None:
    """Ten clusters of a tenth each have a tenth of the load."""
    one = simulate(World(60_000, 30, 20, 0.1), COSTS)
    ten = simulate(World(60_000, 30, 20, 0.1, clusters=10), COSTS)
    assert ten.engine < one.engine / 10
    assert ten.node < one.node
    assert one.first in ("node", "engine")


def test_page_is_as_recorded() -> None:
    """The tables of the page are those of the last record; what was simulated is within a factor of 3."""
    results = json.loads(RECORDED[-1].read_text())
    text = (CHECKOUT / "docs" / "scale.md").read_text()
    assert report.between(text, paper.page(results) + "\n") == text
    assert len(results["placed"]) == len(WORLDS)
    for each in results["placed"]:
        for key in ("node", "engine"):
            assert 1 / 3 < each["simulated"][key] / each["used"][key] < 3
    assert min(vars(costsOf(results)).values()) > 0
