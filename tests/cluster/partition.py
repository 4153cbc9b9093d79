"""A cluster in two parts: what each part does by itself, and that both are one again afterwards.

python -m tests.cluster.partition FOLDER    within a network of our own; see `apart.ALONE`
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.process import CHECKOUT, ENVIRONMENT

from .apart import ALONE, HERE, Cable, byRelays, byVeth, canBeAlone, prepare
from .crowd import CHANGES, Crowd, at, crowd
from .engine import PATIENCE, EngineCluster
from .members import Member
from .nodes import Nodes
from .scenarios import agreed, until


def partition(folder: Path, seconds: float = 0, within: float = PATIENCE) -> str:
    """The third node is cut off from the engines, and the second is killed at the same time.

    Those of both leave `/who` at the first. The two parts go on by themselves; afterwards each has
    heard all of the other, once and in order.

    @param seconds: how long it is cut off, at least.
    @param within: seconds until nobody of the two is listed any more.
    @return: what was counted.
    """
    if canBeAlone():
        command = [*ALONE, sys.executable, "-m", "tests.cluster.partition", str(folder), str(seconds), str(within)]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False
        )
        assert not done.returncode, done.stdout + done.stderr
        return f"network namespaces: {done.stdout.strip()}"
    return f"relays: {asyncio.run(_partition(folder, seconds, within, False))}"


async def _partition(folder: Path, seconds: float, within: float, isAlone: bool) -> str:
    with EngineCluster(folder, address=HERE if isAlone else "127.0.0.1") as engines:
        async with (byVeth if isAlone else byRelays)(engines) as (cable, third):
            nodes = Nodes(folder, engines.urls, *CHANGES, third=third)
            await asyncio.to_thread(nodes.__enter__)
            try:
                one, two, three = nodes.all
                async with crowd([at(one), at(three)]) as there:
                    lost = Member(f"{there.members[0].name}-lost", at(two))
                    try:
                        return await _apart(there, lost, cable, two.kill, seconds, within)
                    finally:
                        await lost.leave()
            finally:
                nodes.leave()


async def _apart(
    there: Crowd, lost: Member, cable: Cable, kill: Callable[[], None], seconds: float, within: float
) -> str:
    await lost.here()
    here, far = there.members[:2], there.members[2:]
    farNames = {f"{each.name}.0" for each in far}
    lostName = f"{lost.name}.0"
    await asyncio.gather(*(until(each, lambda who: farNames | {lostName} <= who) for each in here))
    async with Crowd([*there.members, lost]).talking():
        await Crowd([*there.members, lost]).said(100)
        kill()
        cable.cut()
        begun = time.monotonic()
    async with there.talking(0.05):
        await asyncio.gather(*(until(each, lambda who: not (farNames | {lostName}) & who) for each in here))
        gone = time.monotonic() - begun
        assert gone < within, f"they were listed for {gone:.1f} s"
        while time.monotonic() - begun < seconds:
            await there.said(10)
        # Those of the part that is cut off hear each other.
        await Crowd(far).heardAll()
        cable.heal()
        healed = time.monotonic()
        await asyncio.gather(*(until(each, lambda who: farNames <= who) for each in here))
        whole = time.monotonic() - healed
        assert lostName not in await here[0].who()
    told = await agreed(there)
    return f"{told}; gone from /who after {gone:.1f} s, back {whole:.1f} s after the cut was healed"


if __name__ == "__main__":
    prepare()
    print(asyncio.run(_partition(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), True)))
