"""What may become of a cluster while its members talk, and what has to hold; for the tests, and `make chaos`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from .crowd import CHANGES, Crowd, at, crowd, through
from .engine import PATIENCE, EngineCluster, EngineNode
from .members import Member, Wire, faults
from .nodes import Front, Nodes

GONE: Final = 10.0
"""Seconds after which nobody of a node that died is listed any more; `make chaos` insists on it."""


LITTLE: Final = "max_pending: 4MB"
"""Settings of an engine that soon cuts who does not read."""
LONG: Final = 8000 * "x"
HELD: Final = 12.0
"""Seconds after which an engine has cut who reads nothing of what was sent (write_deadline: 10 s)."""


class Stage(NamedTuple):
    """Three engines, three nodes, HAProxy."""

    engines: EngineCluster
    nodes: Nodes
    front: Front


@contextmanager
def stage(folder: Path, *changes: tuple[str, str]) -> Iterator[Stage]:
    """Start all of it."""
    with ExitStack() as stack:
        engines = stack.enter_context(EngineCluster(folder))
        nodes = stack.enter_context(Nodes(folder, engines.urls, *CHANGES, *changes))
        yield Stage(engines, nodes, stack.enter_context(Front(nodes)))


async def engineKilled(engine: EngineNode, nodes: Nodes, times: int) -> str:
    """The only engine is killed in mid-traffic, and started again."""
    async with crowd([at(each) for each in nodes.all]) as there:
        async with there.talking():
            for _ in range(times):
                await _heardMore(there, 5)
                engine.kill()
                await there.said(50)
                engine.start()
                await asyncio.to_thread(engine.waitUntilHealthy)
                await _heardMore(there, 1)
        return await agreed(there)


async def oneEngineKilled(on: Stage, times: int = 1) -> str:
    """One of three engine nodes is killed in mid-traffic, another one each time, and started again."""
    async with crowd([at(each) for each in on.nodes.all]) as there:
        async with there.talking():
            for number in range(times):
                engine = on.engines.nodes[number % 3]
                await _heardMore(there, 5)
                await asyncio.to_thread(engine.kill)
                await _heardMore(there, 20)
                engine.start()
                await asyncio.to_thread(engine.waitUntilHealthy)
        return await agreed(there)


async def allEnginesKilled(on: Stage, times: int = 1) -> str:
    """All engine nodes are killed in mid-traffic, and started again: what was said meanwhile comes late."""
    async with crowd([at(each) for each in on.nodes.all]) as there:
        async with there.talking():
            for _ in range(times):
                await _heardMore(there, 5)
                for engine in on.engines.nodes:
                    engine.kill()
                await there.said(100)
                for engine in on.engines.nodes:
                    engine.start()
                await asyncio.to_thread(on.engines.waitUntilHealthy)
                await _heardMore(there, 1)
        return await agreed(there)


async def engineHangs(on: Stage) -> str:
    """An engine node hangs for longer than its connections last, and goes on: nothing is lost."""
    async with crowd([at(each) for each in on.nodes.all]) as there:
        async with there.talking():
            await _heardMore(there, 5)
            on.engines.nodes[0].pause()
            begun = time.monotonic()
            while time.monotonic() - begun < 15:
                await _heardMore(there, 1)
            # Not until it is healthy: NATS 2.9 may hold a consumer against it that was deleted meanwhile.
            on.engines.nodes[0].resume()
            await _heardMore(there, 5)
        return await agreed(there)


async def slowReader(engine: EngineNode, nodes: Nodes) -> str:
    """A node reads nothing while much is said, until the engine cuts it: it comes back, and has missed nothing.

    @param engine: one that lets little wait (`LITTLE`).
    """
    slow = nodes.all[2]
    async with crowd([at(each) for each in nodes.all]) as there:
        await there.talk(10)
        loud = await at(nodes.all[0])()
        await loud.send("/join loud")
        hearing = asyncio.create_task(_hear(loud))
        try:
            # The engine has few bytes on their way to a reader at first, and 32 MiB when that has read some time.
            for _ in range(3000):
                await loud.send(LONG)
                await asyncio.sleep(0)
            await there.talk(1)
            await there.heardAll()
            os.kill(slow.server.pid, signal.SIGSTOP)
            async with there.talking(0.05):
                begun = time.monotonic()
                # What the system holds for the two ends of a connection comes first, some 10 MB.
                while "Slow Consumer" not in engine.log and time.monotonic() - begun < HELD:
                    await loud.send(LONG)
                    await asyncio.sleep(0.001)
                os.kill(slow.server.pid, signal.SIGCONT)
                await _heardMore(there, 5)
            cuts = engine.log.count("Slow Consumer")
            return f"{await agreed(there)}; the engine has cut a slow reader {cuts} times"
        finally:
            os.kill(slow.server.pid, signal.SIGCONT)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            await loud.close()


async def _hear(wire: Wire) -> None:
    while await wire.receive() is not None:
        pass


async def nodeKilled(on: Stage, within: float = PATIENCE) -> str:
    """A node is killed: its members leave `/who`; the others miss nothing but what it had in hand.

    @param within: seconds that this may take.
    """
    victim, *others = on.nodes.all
    async with crowd([at(each) for each in others]) as there:
        lost = [Member(f"{there.members[0].name}-lost{number}", at(victim)) for number in range(3)]
        try:
            await asyncio.gather(*(each.here() for each in lost))
            names = {f"{each.name}.0" for each in lost}
            for each in there.members:
                await until(each, lambda who: names <= who)
            everybody = Crowd([*there.members, *lost])
            async with everybody.talking(0):
                await everybody.said(1000)
                victim.kill()
                begun = time.monotonic()
            for each in there.members:
                await until(each, lambda who: not names & who)
            seconds = time.monotonic() - begun
        finally:
            for each in lost:
                await each.leave()
        assert seconds < within, f"they were listed for {seconds:.1f} s"
        told = await agreed(there)
        # Of those who were at the node: nothing twice, in order, and all others have had the same.
        heard = [[line for line in each.live if "-lost" in line] for each in there.members]
        assert all(each == heard[0] for each in heard)
        found = [fault for each in there.members for fault in faults(each, [], live=True)]
        assert not found, found
        came = [sum(line.startswith(f"{each.name} ") for line in heard[0]) for each in lost]
        # Of some the others have heard more than came back to themselves.
        missing = sum(max(0, each.confirmed - count) for each, count in zip(lost, came, strict=True))
        victim.start()
        on.front.waitFor(1, "UP")
        return f"{told}; gone from /who after {seconds:.1f} s; {missing} lines in hand lost"


async def killedInTheDark(engine: EngineNode, nodes: Nodes) -> str:
    """A node is killed while the engine is away: what its members have said since then is lost to the others."""
    victim, *others = nodes.all
    async with crowd([at(each) for each in others]) as there, crowd([at(victim)]) as lost:
        everybody = Crowd([*there.members, *lost.members])
        await everybody.talk(50)
        await everybody.heardAll()
        before = sum(each.said for each in lost.members)
        engine.kill()
        await everybody.talk(50)
        await lost.heardAll()
        said = sum(each.said for each in lost.members)
        victim.kill()
        engine.start()
        await asyncio.to_thread(engine.waitUntilHealthy)
        told = await agreed(there)
        names = tuple(f"{each.name} " for each in lost.members)
        heard = [[line for line in each.live if line.startswith(names)] for each in there.members]
        assert [len(each) for each in heard] == [before] * len(heard)
        return f"{told}; {said - before} lines in hand lost, of {said}"


async def rolling(on: Stage, members: int = 4) -> str:
    """Each node in turn is told to end, and started again, while members talk through HAProxy and come back."""
    async with crowd(through(on.front), members) as there:
        async with there.talking(0.02):
            for number, node in enumerate(on.nodes.all, 1):
                await _heardMore(there, 5)
                await asyncio.to_thread(node.drain)
                await asyncio.to_thread(node.start)
                await asyncio.to_thread(on.front.waitFor, number, "UP")
                await asyncio.gather(*(each.here() for each in there.members))
        comings = sum(each.comings for each in there.members) - len(there.members)
        assert comings
        return f"{await agreed(there, live=False)}; members came back {comings} times"


async def _heardMore(there: Crowd, lines: int) -> None:
    """Wait until each has heard so many more lines of each other one."""
    await asyncio.gather(*(each.hearsMore(there.members, lines) for each in there.members))


async def agreed(there: Crowd, live: bool = True) -> str:
    """Have a crowd agree, and say of how much.

    @param live: whether nobody has been away.
    """
    await there.agree(live)
    return f"{sum(each.said for each in there.members)} lines heard by each of {len(there.members)} members"


async def until(member: Member, isSo: Callable[[set[str]], bool]) -> None:
    """Wait until a member is told that those are there who have to be."""
    begun = time.monotonic()
    while not isSo(who := await member.who()):
        assert time.monotonic() - begun < PATIENCE, f"{member.name} sees {who}"
        await asyncio.sleep(0.1)
