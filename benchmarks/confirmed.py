"""Runs that the costs are taken from, and others that are simulated with these, and must agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from benchmarks.clustered import Served, engine, node
from benchmarks.costs import Costs, total
from benchmarks.measure import order
from benchmarks.placed import Crowd, Rooms, Talk, placed
from benchmarks.servers import Process
from benchmarks.simulation import Simulation
from benchmarks.worlds import World

Results = dict[str, Any]
Tell = Callable[[str], None]


class Paced(NamedTuple):
    """One member of each room speaks, at the first node; all others are at the last one."""

    nodes: int
    rooms: int
    others: int
    rates: tuple[int, ...]
    """Lines per second, of all rooms together."""

    @property
    def members(self) -> Rooms:
        """The node of each member."""
        return [[0] + [self.nodes - 1] * self.others] * self.rooms


PACED: Final = (
    Paced(2, 20, 8, (0, 10, 50, 200, 700, 1800)),
    Paced(2, 5, 60, (20, 100, 400)),
    Paced(2, 1, 8, (3000,)),
    Paced(4, 20, 8, (0, 10, 50, 200, 700, 1300)),
)
WORLDS: Final = (
    (World(300, 2, 10, 0), (30, 150, 900)),
    (World(600, 3, 10, 0), (30, 200, 800)),
    (World(300, 3, 100, 0), (30, 100, 300)),
    (World(400, 4, 20, 0), (20, 150, 600)),
)
"""Everybody is somewhere by chance, and speaks: in all so many lines per second."""
SPANS: Final = 4
SPANNING: Final = 12
"""Members of a room that spans 1 to 4 nodes."""
SLOW: Final = 100
"""Lines per second, of those."""
QUIET: Final = 1.5
"""Seconds until all nodes know of those who have come."""
PASSES: Final = 3
EACH: Final = 1.2
"""Times as long as other runs, in each pass."""


class Run(NamedTuple):
    """Somebody who speaks."""

    crowd: Crowd
    rate: int
    facts: Results
    """What it is; nothing for one that costs are taken from."""


Others = list[tuple[Results, list[Talk]]]


def measured(core: int, seconds: float, tell: Tell) -> tuple[list[list[Talk]], Others]:
    """Give the passes of each run that costs are taken from; and of the others, each with what it is.

    All take turns, several times: what disturbs a minute of this machine disturbs all of them.
    """
    with ExitStack() as stack:
        runs = [*_runs(stack, core)]
        time.sleep(QUIET)
        talks: list[list[Talk]] = [[] for _ in runs]
        for number in range(PASSES):
            for index in order(number, len(runs)):
                crowd, rate, facts = runs[index]
                talk = crowd.talk(rate, EACH * seconds, number * len(runs) + index, onlyFirst=not facts)
                talks[index].append(talk)
            tell(f"paced, pass {number + 1} of {PASSES}")
    together = [*zip(runs, talks, strict=True)]
    return [found for run, found in together if not run.facts], [
        (run.facts, found) for run, found in together if run.facts
    ]


def _runs(stack: ExitStack, core: int) -> Iterator[Run]:
    """Start all clusters, and have all members come."""
    clusters: dict[int, tuple[list[Served], Process]] = {}

    def crowd(rooms: Rooms, count: int, name: str) -> Crowd:
        if count not in clusters:
            nats, url = stack.enter_context(engine(core))
            clusters[count] = [stack.enter_context(node(core, url)) for _ in range(count)], nats
        nodes, nats = clusters[count]
        return stack.enter_context(Crowd(rooms, nodes, nats, name))

    for number, each in enumerate(PACED):
        one = crowd(each.members, each.nodes, f"paced{number}")
        yield from (Run(one, rate, {}) for rate in each.rates)
    for seed, (world, rates) in enumerate(WORLDS, 1):
        one = crowd(placed(world, seed), world.nodes, f"placed{seed}")
        yield from (Run(one, rate, {"world": vars(world), "rate": rate}) for rate in rates)
    for k in range(1, SPANS + 1):
        rooms = [[member % k for member in range(SPANNING)] for _ in range(SPANNING)]
        yield Run(crowd(rooms, SPANS, f"span{k}"), SLOW, {"k": k})


def compared(talks: Sequence[Talk], costs: Costs) -> Results:
    """Give parts of a core: of the busiest node, of the engine, and the µs of all for a line; and as simulated."""
    simulated = []
    for talk in talks:
        done = Simulation(talk.traffic, costs, isOneCore=True)
        nodes = (total(each.done, costs.node) for each in done.nodes)
        simulated.append([*nodes, total(done.engine.done, costs.engine)])
    return {
        "measured": _parts(talks, [talk.used for talk in talks]),
        "simulated": _parts(talks, simulated),
    }


def _parts(talks: Sequence[Talk], used: Sequence[Sequence[float]]) -> Results:
    seconds = sum(talk.traffic.seconds for talk in talks)
    lines = sum(len(talk.traffic.said) for talk in talks)
    *nodes, engine = (sum(each) for each in zip(*used, strict=True))
    return {
        "node": max(nodes) / seconds / 1e6,
        "engine": engine / seconds / 1e6,
        "line": (sum(nodes) + engine) / max(1, lines),
        "rate": lines / seconds,
    }
