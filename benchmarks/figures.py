"""The arithmetic: medians, ratios with their spread, and how a cost grows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Ratio(NamedTuple):
    """How many times as much one does as another, in the middle of the rounds and at their ends."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


class Growth(NamedTuple):
    """How a cost grows with a size."""

    slope: float
    """The exponent of the power law that fits best: 0 if size does not matter, 1 if the cost is proportional."""
    fixed: float
    """What it costs at size 0, of the straight line that fits best."""
    each: float
    """What each unit of the size adds, of that line."""


def spread(values: Sequence[float]) -> float:
    """Give half of the range, as a part of the median."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Ratio | None:
    """Divide round by round, so that what disturbs a whole round disturbs the ratio little.

    @param ours: for each round what was measured; a round that failed is not there.
    @return: None if no round has both.
    """
    ratios = [ours[each] / theirs[each] for each in ours if theirs.get(each)]
    return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None


def moved(old: Ratio, new: Ratio) -> str | None:
    """Tell whether a ratio has gone "up" or "down" so far that the rounds of then and now do not overlap."""
    if new.low > old.high:
        return "up"
    return "down" if new.high < old.low else None


def growth(sizes: Sequence[float], costs: Sequence[float]) -> Growth:
    """Fit a power law (a straight line of the logarithms) and a straight line.

    The line takes each cost's deviation as a part of the cost: otherwise the largest alone would decide.

    @raise ValueError: there are fewer than two sizes, or a cost is not above 0.
    """
    if len(set(sizes)) < 2 or min(costs) <= 0:
        raise ValueError("a fit needs two sizes, and costs above 0")
    slope, _ = _line([math.log(each) for each in sizes], [math.log(each) for each in costs], [1.0] * len(costs))
    each, fixed = _line(sizes, costs, [1 / cost**2 for cost in costs])
    return Growth(slope, fixed, each)


def _line(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Give the slope and the beginning of the line with the least weighted squares."""
    total = sum(weights)
    x = sum(w * each for w, each in zip(weights, xs, strict=True)) / total
    y = sum(w * each for w, each in zip(weights, ys, strict=True)) / total
    above = sum(w * (a - x) * (b - y) for w, a, b in zip(weights, xs, ys, strict=True))
    slope = above / sum(w * (a - x) ** 2 for w, a in zip(weights, xs, strict=True))
    return slope, y - slope * x


def leastSquares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Give a factor for each column, none below 0, so that the sums of the rows come nearest to the values.

    A deviation counts as a part of its value. A column whose factor would be below 0 is left out, and so is one
    that those before it make up.
    """
    weighed = [[each / value for each in row] for row, value in zip(rows, values, strict=True)]
    columns = [*range(len(weighed[0]))]
    while True:
        found = _solved(
            [[sum(row[a] * row[b] for row in weighed) for b in columns] for a in columns],
            [sum(row[a] for row in weighed) for a in columns],
        )
        if min(found) >= 0:
            of = dict(zip(columns, found, strict=True))
            return [of.get(column, 0.0) for column in range(len(weighed[0]))]
        del columns[found.index(min(found))]


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solve linear equations, by Gauss and Jordan; what they leave open is 0."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(len(rows)):
        best = max(range(column, len(rows)), key=lambda each: abs(rows[each][column]))
        rows[column], rows[best] = rows[best], rows[column]
        pivot = rows[column][column]
        if abs(pivot) <= 1e-9 * matrix[column][column]:
            # What the columns before it make up adds nothing.
            rows[column] = [float(each == column) for each in range(len(rows) + 1)]
        else:
            rows[column] = [each / pivot for each in rows[column]]
        for other in range(len(rows)):
            if other != column and (factor := rows[other][column]):
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[column], strict=True)]
    return [row[-1] for row in rows]
