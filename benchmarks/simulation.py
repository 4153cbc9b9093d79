"""Rooms over nodes, on paper: what a line costs each of them and the engine, and what is used up first.

It knows what a line, a member and a node cost (`benchmarks.nodes` has measured that), puts members into rooms and
onto nodes by chance, has some of them speak, and adds up.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple


@dataclass(frozen=True)
class Costs:
    """What was measured: µs of a core, and bytes."""

    take: float
    """A node: to take a line from a member."""
    publish: float
    """A node: to have it in the engine's log."""
    read: float
    """A node: to read a line of another one from the log."""
    deliver: float
    """A node: to send a line to one member."""
    hand: float
    """The engine, all its nodes together: to store a line, and to hand it to one node; so much each."""
    member: float
    """Bytes of a node for a member of its own."""
    known: float
    """Bytes of a node for a member of another one."""
    base: float
    """Bytes of a node without members."""
    idle: float
    """Of a node's core, when nothing is said: signs of life, timers."""
    idleEngine: float
    """Of the engine's core, for each node."""


@dataclass(frozen=True)
class World:
    """Who is where, and how much is said."""

    members: int
    nodes: int
    room: int
    """Members of a room, on average. Sizes differ: most rooms are small, and a few large."""
    rate: float
    """Lines of a member per second."""
    engines: int = 3
    clusters: int = 1
    """Independent clusters, each with its own engine, nodes and rooms."""

    @property
    def each(self) -> World:
        """One of the clusters."""
        return replace(self, members=self.members // self.clusters, nodes=self.nodes // self.clusters, clusters=1)


class Loads(NamedTuple):
    """What is used of each resource; 1 is all of it."""

    node: float
    """The busiest node's core."""
    engine: float
    """The core of the engine's busiest node, if each has one."""
    memory: float
    """Of the fullest node, of 4 GiB."""
    spans: float
    """Nodes on which a line's room has members, on average."""
    line: float
    """µs of all cores for a line, without those that its members' deliveries take."""

    @property
    def first(self) -> str:
        """What ends first."""
        return max(("node", "engine", "memory"), key=lambda each: float(getattr(self, each)))


MEMORY: Final = 4 * 2**30
"""Bytes of a node."""
LEAST: Final = 2
"""Members of the smallest rooms."""


def sizes(members: int, mean: int, chance: random.Random) -> Iterator[int]:
    """Give the sizes of rooms until all members are in one; they are as a Pareto distribution has them.

    With an exponent of 2 the mean is twice the least.
    """
    left = members
    while left > 0:
        size = min(left, max(LEAST, round(mean / 2 * chance.paretovariate(2))), 100 * mean)
        left -= size
        yield size


def simulate(world: World, costs: Costs, lines: int = 20_000, seed: int = 1) -> Loads:
    """Put members onto nodes, have so many lines said by chance, and give what that takes of each resource."""
    world = world.each
    chance = random.Random(seed)
    rooms = [*sizes(world.members, world.room, chance)]
    # A line is said in a room as often as it has members. Where these are is drawn when it is needed.
    busy: defaultdict[int, float] = defaultdict(float)
    spans = 0
    for number in chance.choices(range(len(rooms)), weights=rooms, k=lines):
        where = _placed(number, rooms[number], world.nodes, seed)
        origin = chance.choices([*where], weights=[*where.values()])[0]
        busy[origin] += costs.take + (costs.publish if world.nodes > 1 else 0.0)
        for node, count in where.items():
            busy[node] += costs.deliver * (count - (node == origin))
        spans += len(where)
    said = world.members * world.rate
    others = world.nodes - 1
    own = world.members / world.nodes
    read = costs.read * lines * others / world.nodes
    engine = costs.hand * (1 + world.nodes) if others else 0.0
    idle = costs.idleEngine * world.nodes if others else 0.0
    return Loads(
        node=(max(busy.values()) + read) / lines * said / 1e6 + costs.idle,
        engine=(engine * said / 1e6 + idle) / world.engines,
        memory=(costs.base + own * costs.member + (world.members - own) * costs.known) / MEMORY,
        spans=spans / lines,
        line=costs.take + costs.read * others + (costs.publish if others else 0) + engine,
    )


def _placed(room: int, size: int, nodes: int, seed: int) -> Mapping[int, int]:
    """Give how many members of a room each node has: always the same of the same room."""
    chance = random.Random(seed * 1_000_003 + room)
    return Counter(chance.choices(range(nodes), k=size))
