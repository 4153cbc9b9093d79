"""Rooms over nodes, simulated: lines come, processes wake up, take all that is there in one turn, and sleep again.

A turn costs more after a sleep, since caches go cold. What comes while a process is busy, or waits for its core,
shares its next turn; lines of one room share an entry of the log, and a write to each member.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

from benchmarks.costs import Costs, OfEngine, OfNode, total
from benchmarks.worlds import Traffic

ENGINE: Final = -1
"""Where a node sends to."""


class Item(NamedTuple):
    """What comes to a process: a member's line to its node, an entry to the engine, or from there to a node."""

    room: int
    node: int
    """Where it was said."""
    isEntry: bool


Sent = list[tuple[int, Item]]
"""Where to, and what."""
Work = TypeVar("Work", OfNode, OfEngine)


class Process(Generic[Work]):
    """A node, or the engine."""

    def __init__(self, core: int, nothing: Work) -> None:
        """@param nothing: what it has done so far."""
        self.core = core
        self.done: Work = nothing
        self.came: list[Item] = []
        self.isAsleep = True
        self.ended = -math.inf
        """When its last turn has ended."""

    def turn(self, came: Sequence[Item], cold: float) -> tuple[Work, Sent]:
        """Give what a turn takes, and what it sends.

        @param cold: 1 after a long sleep, 0 after none.
        """
        raise NotImplementedError


class Node(Process[OfNode]):
    """A node of socklab."""

    def __init__(self, number: int, core: int, traffic: Traffic) -> None:
        super().__init__(core, OfNode(second=traffic.seconds))
        self._number = number
        self._rooms = traffic.rooms
        self._isAlone = traffic.nodes == 1

    def turn(self, came: Sequence[Item], cold: float) -> tuple[OfNode, Sent]:
        """Take lines and entries, write to the members, publish."""
        lines = [each for each in came if not each.isEntry]
        read = [each for each in came if each.isEntry and each.node != self._number]
        mine = {each.room for each in lines}
        here = sum(self._rooms[room].get(self._number, 0) for room in mine.union(each.room for each in read))
        # Who has said something is not told it; that two of a room speak in the same turn is rare.
        writes = here - len(mine)
        entries = [] if self._isAlone else [Item(room, self._number, True) for room in sorted(mine)]
        work = OfNode(
            turn=1,
            sleep=cold,
            take=len(lines),
            publish=len(entries),
            publishAfterSleep=cold if entries else 0,
            read=len(read),
            deliver=writes,
            deliverAfterSleep=cold if writes else 0,
        )
        return work, [(ENGINE, each) for each in entries]


class Engine(Process[OfEngine]):
    """All that nodes of the engine do, or, of several, what each of them does."""

    def __init__(self, core: int, traffic: Traffic, engines: int) -> None:
        super().__init__(core, OfEngine(second=traffic.seconds * traffic.nodes / engines))
        self._nodes, self._engines = traffic.nodes, engines

    def turn(self, came: Sequence[Item], cold: float) -> tuple[OfEngine, Sent]:
        """Store entries, and hand each to all nodes: for the one that has sent it that is the answer."""
        hand = len(came) * self._nodes / self._engines
        work = OfEngine(turn=1, sleep=cold, store=len(came), hand=hand)
        return work, [(node, each) for each in came for node in range(self._nodes)]


class Simulation:
    """What happens, in its order."""

    def __init__(self, traffic: Traffic, costs: Costs, engines: int = 1, isOneCore: bool = False) -> None:
        """@param engines: nodes of the engine: each stores all entries, and hands them to its part of the nodes.
        @param isOneCore: whether all processes share a core, as where this is measured.
        """
        self._costs = costs
        self.nodes = [Node(each, 0 if isOneCore else each, traffic) for each in range(traffic.nodes)]
        self.engine = Engine(0 if isOneCore else ENGINE, traffic, engines)
        processes: list[Node | Engine] = [*self.nodes, self.engine]
        self._ready: dict[int, deque[Node | Engine]] = {each.core: deque() for each in processes}
        self._busy: set[int] = set()
        self._order = count()
        # When; in which order; whose turn has ended, if it was one; what was sent.
        self._events: list[tuple[float, int, Node | Engine | None, Sent]] = []
        for line in traffic.said:
            self._add(line.when, None, [(line.node, Item(line.room, line.node, False))])
        while self._events:
            self._happen(*heapq.heappop(self._events))

    def _add(self, when: float, ended: Node | Engine | None, sent: Sent) -> None:
        heapq.heappush(self._events, (when, next(self._order), ended, sent))

    def _happen(self, now: float, _: int, ended: Node | Engine | None, sent: Sent) -> None:
        free = set()
        if ended is not None:
            ended.ended, ended.isAsleep = now, True
            self._busy.discard(ended.core)
            free.add(ended.core)
            if ended.came:
                self._wake(ended)
        for where, item in sent:
            process = self.engine if where == ENGINE else self.nodes[where]
            process.came.append(item)
            if process.isAsleep:
                self._wake(process)
                free.add(process.core)
        for core in free - self._busy:
            if self._ready[core]:
                self._begin(self._ready[core].popleft(), now)

    def _wake(self, process: Node | Engine) -> None:
        process.isAsleep = False
        self._ready[process.core].append(process)

    def _begin(self, process: Node | Engine, now: float) -> None:
        """Have a turn of who has waited longest for its core."""
        came, process.came = process.came, []
        self._busy.add(process.core)
        cold = -math.expm1((process.ended - now) / self._costs.nap)
        if isinstance(process, Node):
            work, sent = process.turn(came, cold)
            process.done = OfNode(*map(sum, zip(process.done, work, strict=True)))
            took = total(work, self._costs.node)
        else:
            stored, sent = process.turn(came, cold)
            process.done = OfEngine(*map(sum, zip(process.done, stored, strict=True)))
            took = total(stored, self._costs.engine)
        self._add(now + took / 1e6, process, sent)
