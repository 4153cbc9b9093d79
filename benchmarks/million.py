"""What follows for many members: what each resource is used for, and what ends first."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmarks.costs import Costs, OfEngine, OfNode, total
from benchmarks.simulation import Simulation
from benchmarks.worlds import Said, Traffic, World, traffic

LINE: Final = 1 / 60
"""Lines of a member per second: one a minute."""
MOVE: Final = 1 / 600
"""Times per second that a member goes into another room."""
STAY: Final = 1 / 3600
"""Times per second that a member leaves, and another one comes."""
ROOM: Final = 20
OWN: Final = 20_000
"""Members of a node."""
ENGINES: Final = 3
MEMORY: Final = 4 * 2**30
"""Bytes of a node."""
SPANS: Final = (1, 2, 3, 5, 10, 20, 50)
SELDOM: Final = 10
OFTEN: Final = 1000
"""Lines per second."""
LINES: Final = 3000
"""Lines that are simulated."""


class Loads(NamedTuple):
    """What is used of each resource; 1 is all of it."""

    node: float
    """A node's core."""
    engine: float
    """The core of one of the engine's nodes."""
    memory: float
    """Of a node."""
    spans: float
    """Nodes on which a line's room has members, on average."""
    moves: float
    """Of a node's core: for those who come, go, and change rooms; it is in `node`, too."""
    asked: float
    """Seconds of a node for one answer to `/rooms`."""

    @property
    def first(self) -> str:
        """What ends first."""
        return max(("node", "engine", "memory"), key=lambda each: float(getattr(self, each)))


def loads(world: World, costs: Costs, rooms: Mapping[str, Any]) -> Loads:
    """Simulate a cluster of a world, each process on a core of its own.

    @param rooms: what `benchmarks.rooms` has measured.
    """
    world = world.each
    happens = traffic(world, LINES)
    done = Simulation(happens, costs, ENGINES)
    second = 1e6 * happens.seconds
    node = sum(total(each.done, costs.node) for each in done.nodes) / world.nodes / second
    said = happens.said
    here, there, engine = (
        world.members * (MOVE * move + STAY * (come + go)) / 1e6
        for move, come, go in zip(rooms["move"], rooms["come"], rooms["go"], strict=True)
    )
    moves = (here + (world.nodes - 1) * there) / world.nodes
    # With two nodes the engine has taken each, and handed it to both.
    told = engine * (1 + world.nodes) / 3 / ENGINES
    own = world.members / world.nodes
    known = world.members - own
    kept = rooms["base"] + own * rooms["member"][0] + known * rooms["member"][1]
    return Loads(
        node=node + moves,
        engine=total(done.engine.done, costs.engine) / second + told,
        memory=(kept + world.members / world.room * rooms["room"][0]) / MEMORY,
        spans=sum(len(happens.rooms[each.room]) for each in said) / len(said),
        moves=moves,
        asked=rooms["rooms"] * world.members / world.room / 1e6,
    )


def million(costs: Costs, rooms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what a thousand members take, and more, up to a million."""
    found = []
    for members in (1_000, 10_000, 100_000, 1_000_000):
        for clusters in (1,) if members < 100_000 else (1, members // OWN):
            world = World(members, max(3 * clusters, members // OWN), ROOM, LINE, clusters)
            took = loads(world, costs, rooms)
            found.append({"world": vars(world), **took._asdict(), "first": took.first})
    return found


def lines(costs: Costs) -> list[dict[str, Any]]:
    """Give the µs of all processes for a line in rooms with one member at each of k nodes: those of a cluster that
    has no others, and of one that has as many as the largest."""
    return [
        {"k": k}
        | {
            name: _line(costs, k, nodes, rate)
            for name, nodes, rate in (
                ("seldom", k, SELDOM),
                ("often", k, OFTEN),
                ("seldom of many", SPANS[-1], SELDOM),
                ("often of many", SPANS[-1], OFTEN),
            )
        }
        for k in SPANS
    ]


def _line(costs: Costs, k: int, nodes: int, rate: float) -> dict[str, float]:
    chance = random.Random(1)
    said: list[Said] = []
    when = 0.0
    for room in range(LINES // 6):
        when += chance.expovariate(rate)
        said.append(Said(when, room, chance.randrange(k)))
    rooms = {line.room: dict.fromkeys(range(k), 1) for line in said}
    done = Simulation(Traffic(nodes, rooms, said, when), costs)
    # What they do when nothing is said is not the line's.
    used = sum(total(each.done._replace(second=0.0), costs.node) for each in done.nodes)
    engine = total(done.engine.done._replace(second=0.0), costs.engine)
    return {"all": (used + engine) / len(said), "engine": engine / len(said)}


def costsOf(stored: Mapping[str, Any]) -> Costs:
    """Give costs as a record has them."""
    return Costs(OfNode(**stored["node"]), OfEngine(**stored["engine"]), stored["nap"])
