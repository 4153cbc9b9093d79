"""What a turn, a sleep and a line cost: that with which the simulation comes nearest to runs at several rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.costs import Costs, OfEngine, OfNode, total
from benchmarks.figures import leastSquares
from benchmarks.placed import Talk
from benchmarks.simulation import Simulation

NAPS: Final = (0.0015, 0.003, 0.006, 0.012)
"""Seconds of which the best is taken."""
TIMES: Final = 5
"""How often it is simulated: what happens depends on the costs, and they on what happens."""
FIRST: Final = Costs(OfNode(50, 250, 10, 100, 400, 20, 6, 150, 1300), OfEngine(80, 150, 5, 8, 900), 0.003)


class Fit(NamedTuple):
    """Costs, and how far simulated runs are from the real ones with them: the root of the mean square."""

    costs: Costs
    off: float


def fitted(runs: Sequence[Sequence[Talk]]) -> Fit:
    """Give what fits best.

    @param runs: each with its passes, which count together.
    """
    return min((_with(runs, nap) for nap in NAPS), key=lambda each: each.off)


def _with(runs: Sequence[Sequence[Talk]], nap: float) -> Fit:
    costs = FIRST._replace(nap=nap)
    used = [_sums([talk.used for talk in talks]) for talks in runs]
    nodes, engines = [each for run in used for each in run[:-1]], [run[-1] for run in used]
    for _ in range(TIMES):
        ofNodes, ofEngines = [], []
        for talks in runs:
            done = [Simulation(talk.traffic, costs, isOneCore=True) for talk in talks]
            ofNodes += [
                _sums([each.done for each in same]) for same in zip(*(each.nodes for each in done), strict=True)
            ]
            ofEngines.append(_sums([each.engine.done for each in done]))
        node, engine = OfNode(*leastSquares(ofNodes, nodes)), OfEngine(*leastSquares(ofEngines, engines))
        # Half of the way: from sharing little it would jump to sharing much, and back.
        costs = Costs(OfNode(*_between(costs.node, node)), OfEngine(*_between(costs.engine, engine)), nap)
    parts = [total(work, costs.node) / was - 1 for work, was in zip(ofNodes, nodes, strict=True)]
    parts += [total(work, costs.engine) / was - 1 for work, was in zip(ofEngines, engines, strict=True)]
    return Fit(costs, (sum(each**2 for each in parts) / len(parts)) ** 0.5)


def _sums(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) for column in zip(*rows, strict=True)]


def _between(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(one, other, strict=True)]
