"""Members at every node who talk while something happens, and who compare afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

from .members import PROXY, Dial, Member, byTcp, byWebSocket, faults
from .nodes import Front, Node

CHANGES = (
    ("[service.options]\n", '[service.options]\necho_self = true\nformat = "{text}"\n'),
    ("history = 20\n", "history = 5000\n"),
)
"""What members need of a chat."""

_CROWDS = count(1)


def at(node: Node) -> Dial:
    """Dial a node, as haproxy does."""
    return byTcp(node.ports.tcp, node.address, PROXY)


class Crowd:
    """Members who talk."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    async def talk(self, lines: int, pause: float = 0.0) -> None:
        """Have each say so many lines.

        @param pause: seconds between two lines of a member.
        """
        for _ in range(lines):
            for each in self.members:
                await each.say()
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def talking(self, pause: float = 0.01) -> AsyncIterator[None]:
        """Have them talk on and on while something happens."""

        isOver = False

        async def on() -> None:
            while not isOver:
                await self.talk(1, pause)

        task = asyncio.create_task(on())
        try:
            yield
        finally:
            isOver = True
            await task

    async def said(self, lines: int) -> None:
        """Wait until they have said so many more lines, all together."""
        before = sum(each.said for each in self.members)
        while sum(each.said for each in self.members) < before + lines:
            await self.members[0].speaks()

    async def heardAll(self) -> None:
        """Wait until each has heard all that they have said."""
        await asyncio.gather(*(each.hasHeard(self.members) for each in self.members))

    async def agree(self, live: bool = True) -> None:
        """Wait until each has heard all, and compare.

        @param live: whether nobody has been away.
        @raise AssertionError: a line is missing, came twice, or out of its sender's order.
        """
        # What comes twice comes before what its sender says next.
        await self.talk(1)
        with suppress(TimeoutError):
            await self.heardAll()
        found = [fault for each in self.members for fault in faults(each, self.members, live)]
        assert not found, "\n".join(found)


@asynccontextmanager
async def crowd(dials: Sequence[Dial], each: int = 2) -> AsyncIterator[Crowd]:
    """Bring members, so many by each way, and wait until all are there."""
    # The history has those who were here before.
    crowd = next(_CROWDS)
    members = [
        Member(f"m{crowd}-{way}-{number}", dial) for way, dial in enumerate(dials) for number in range(each)
    ]
    try:
        await asyncio.gather(*(member.here() for member in members))
        yield Crowd(members)
    finally:
        await asyncio.gather(*(member.leave() for member in members))


def through(front: Front) -> list[Dial]:
    """Dial haproxy, in both ways."""
    return [byTcp(front.tcp), byWebSocket(front.ws)]
