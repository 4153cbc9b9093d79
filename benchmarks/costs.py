"""What nodes and their engine do, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class OfNode(NamedTuple):
    """What a node does: how often, or the µs that it takes each time."""

    turn: float = 0.0
    """A turn of its loop in which something has come."""
    sleep: float = 0.0
    """A sleep before it: 1 after a long one, less after a short one."""
    take: float = 0.0
    """A line from a member here."""
    publish: float = 0.0
    """An entry for the log."""
    publishAfterSleep: float = 0.0
    """A sleep before a turn in which it has entries for the log: the first of them costs more."""
    read: float = 0.0
    """An entry of another node, from the log."""
    deliver: float = 0.0
    """A write to a member: all that a turn has for it."""
    deliverAfterSleep: float = 0.0
    """A sleep before a turn in which it writes to members."""
    second: float = 0.0
    """A second, whatever comes: signs of life, timers."""


class OfEngine(NamedTuple):
    """What the engine does: how often, or the µs that it takes each time."""

    turn: float = 0.0
    sleep: float = 0.0
    store: float = 0.0
    """An entry."""
    hand: float = 0.0
    """An entry, to a node."""
    second: float = 0.0
    """A second, for each node."""


class Costs(NamedTuple):
    """µs of each."""

    node: OfNode
    engine: OfEngine
    nap: float
    """Seconds of sleep in which 63 % of what can go cold does."""


def total(work: Sequence[float], costs: OfNode | OfEngine) -> float:
    """Give the µs that something takes."""
    return sum(each * cost for each, cost in zip(work, costs, strict=True))
