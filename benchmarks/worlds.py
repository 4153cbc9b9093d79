"""Who is where, and what is said: what is done with real processes, and what is simulated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

LEAST: Final = 2
"""Members of the smallest rooms."""


@dataclass(frozen=True)
class World:
    """So many members, and how much they say."""

    members: int
    nodes: int
    room: int
    """Members of a room, on average. Sizes differ: most rooms are small, and a few large."""
    rate: float
    """Lines of a member per second."""
    clusters: int = 1
    """Independent clusters, each with its own engine, nodes and rooms."""

    @property
    def each(self) -> World:
        """One of the clusters."""
        return replace(self, members=self.members // self.clusters, nodes=self.nodes // self.clusters, clusters=1)

    @property
    def said(self) -> float:
        """Lines per second."""
        return self.members * self.rate


class Said(NamedTuple):
    """A line."""

    when: float
    """Seconds from the beginning."""
    room: int
    node: int


class Traffic(NamedTuple):
    """What happens in a world for some seconds."""

    nodes: int
    rooms: Mapping[int, Mapping[int, int]]
    """How many members each room has at each node where it has some; of rooms in which something is said."""
    said: Sequence[Said]
    seconds: float


def sizes(members: int, mean: int, chance: random.Random) -> Iterator[int]:
    """Give the sizes of rooms until all members are in one; they are as a Pareto distribution has them.

    With an exponent of 2 the mean is twice the least.
    """
    left = members
    while left > 0:
        size = min(left, max(LEAST, round(mean / 2 * chance.paretovariate(2))), 100 * mean)
        left -= size
        yield size


def traffic(world: World, lines: int, seed: int = 1) -> Traffic:
    """Put the members of one cluster onto nodes, and have so many lines said, all by chance."""
    chance = random.Random(seed)
    rooms = [*sizes(world.members, world.room, chance)]
    found: dict[int, Counter[int]] = {}
    said: list[Said] = []
    when = 0.0
    # A line is said in a room as often as it has members. Where these are is drawn when it is needed.
    for room in chance.choices(range(len(rooms)), weights=rooms, k=lines):
        when += chance.expovariate(world.said)
        where = found.setdefault(room, Counter())
        if not where:
            where.update(chance.choices(range(world.nodes), k=rooms[room]))
        said.append(Said(when, room, chance.choices([*where], weights=[*where.values()])[0]))
    return Traffic(world.nodes, found, said, when)
