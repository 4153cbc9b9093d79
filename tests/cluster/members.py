"""Members of a chat that count: what each said, what each heard, and what is wrong with that."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Final, Protocol

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from .engine import PATIENCE

PROXY: Final = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 1\r\n"
"""What haproxy says first."""


_SAID: Final = re.compile(r"[\w-]+ \d+")
"""What members say, and not the server."""


class Wire(Protocol):
    """How lines travel."""

    async def send(self, line: str) -> None:
        """Send a line; one that cannot be is lost."""

    async def receive(self) -> str | None:
        """Wait for a line; None at the end."""

    async def close(self) -> None:
        """End it."""


Dial = Callable[[], Awaitable[Wire]]


class Stream:
    """Lines over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, line: str) -> None:
        with suppress(OSError):
            self._writer.write(line.encode() + b"\n")
            await self._writer.drain()

    async def receive(self) -> str | None:
        try:
            return (await self._reader.readuntil(b"\n")).decode().removesuffix("\n")
        except (OSError, asyncio.IncompleteReadError):
            return None

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Messages:
    """Lines over WebSocket."""

    def __init__(self, port: int) -> None:
        self._connecting = connect(f"ws://127.0.0.1:{port}/", max_queue=None, proxy=None)

    async def open(self) -> Wire:
        self._client = await self._connecting
        return self

    async def send(self, line: str) -> None:
        with suppress(ConnectionClosed):
            await self._client.send(line)

    async def receive(self) -> str | None:
        try:
            return str(await self._client.recv())
        except ConnectionClosed:
            return None

    async def close(self) -> None:
        await self._client.close()


def byTcp(port: int, host: str = "127.0.0.1", header: bytes = b"") -> Dial:
    """Dial a port for lines.

    @param header: said first; PROXY for a node that has no haproxy in front.
    """

    async def dial() -> Wire:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(header)
        return Stream(reader, writer)

    return dial


def byWebSocket(port: int) -> Dial:
    """Dial a port for messages."""
    return lambda: Messages(port).open()


class Member:
    """Says `NAME N` for N from 0 on and remembers all that anybody said; cut, it comes back to where it dials.

    The server must echo a member's own lines (`echo_self`), relay them as they are (`format`), and show a newcomer
    more lines (`history`) than are said in the time that coming back takes. What it hears of its own is said. Who
    is back looks in the history for lines that it has not heard, and says again what is not there.
    """

    def __init__(self, name: str, dial: Dial) -> None:
        self.name = name
        self.comings = 0
        """How often it has come."""
        self.live: list[str] = []
        """What it heard while it was there, by all its connections."""
        self.heard: list[str] = []
        """The same, and what it was shown when it came back of what it had not heard: each line once."""
        self.twice: list[str] = []
        """What it was told twice by one node; another one may be a moment behind."""
        self.notices: list[str] = []
        self._known: set[str] = set()
        self._by: Counter[str] = Counter()
        self._unsaid: list[str] = []
        self._count = 0
        self._dial = dial
        self._wire: Wire | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def say(self) -> None:
        """Say the next line, now or when it is back."""
        line = f"{self.name} {self._count}"
        self._count += 1
        self._unsaid.append(line)
        async with self._changed:
            self._changed.notify_all()
        if self._wire is not None:
            await self._wire.send(line)

    async def speaks(self) -> None:
        """Wait until it says something."""
        number = self._count
        await self.until(lambda: self._count > number)

    async def command(self, line: str) -> None:
        """Send a command, if it is there."""
        if self._wire is not None:
            await self._wire.send(line)

    @property
    def said(self) -> int:
        """How many lines it has said."""
        return self._count

    async def who(self) -> set[str]:
        """Ask who is there, and give the names."""
        number = len(self.notices)
        await self.command("/who")
        await self.until(lambda: any(each.startswith("* in ") for each in self.notices[number:]))
        answer = next(each for each in self.notices[number:] if each.startswith("* in "))
        return {each.removesuffix(" (you)") for each in answer.partition(": ")[2].split(", ")}

    async def until(self, ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until something is so of it, looking whenever it hears something.

        @raise TimeoutError: it is not so in time.
        """
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(ready)

    async def here(self) -> None:
        """Wait until it is there, and has been shown what was said before."""
        await self.until(lambda: self._wire is not None)

    async def hasHeard(self, members: Iterable[Member]) -> None:
        """Wait until it has heard all that these have said."""
        said = {each.name: each.said for each in members}
        await self.until(lambda: all(self._by[name] >= count for name, count in said.items()))

    async def hearsMore(self, members: Iterable[Member], lines: int) -> None:
        """Wait until it has heard so many more lines of each of these."""
        wanted = {each.name: self._by[each.name] + lines for each in members}
        await self.until(lambda: all(self._by[name] >= count for name, count in wanted.items()))

    @property
    def confirmed(self) -> int:
        """How many of its lines it has heard itself."""
        return self._count - len(self._unsaid)

    async def leave(self) -> None:
        """Go, for good."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                wire = await self._dial()
            except (OSError, ConnectionClosed, EOFError):
                # A node that has just been killed; haproxy is about to know.
                await asyncio.sleep(0.05)
                continue
            try:
                await self._stay(wire)
            finally:
                self._wire = None
                await wire.close()

    async def _stay(self, wire: Wire) -> None:
        await wire.send(f"/nick {self.name}.{self.comings}")
        await wire.send("/who")
        isBack = False
        told: set[str] = set()
        while (line := await wire.receive()) is not None:
            if _SAID.fullmatch(line):
                if line in told:
                    self.twice.append(line)
                told.add(line)
                if isBack:
                    self.live.append(line)
                if line not in self._known:
                    self._known.add(line)
                    self.heard.append(line)
                    self._by[line.partition(" ")[0]] += 1
                    if line in self._unsaid:
                        self._unsaid.remove(line)
            else:
                self.notices.append(line)
                if not isBack and line.startswith("* in "):
                    isBack = True
                    self.comings += 1
                    for unsaid in self._unsaid:
                        await wire.send(unsaid)
                    self._wire = wire
            async with self._changed:
                self._changed.notify_all()


def faults(member: Member, everybody: Iterable[Member], live: bool = False) -> list[str]:
    """Say what is wrong with what a member heard; nothing, if it heard every line of everybody once, and in order.

    @param live: whether it has been there all the time.
    """
    found = []
    lines = member.live if live else member.heard
    numbers: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        name, _, number = line.rpartition(" ")
        numbers[name].append(int(number))
    for each in everybody:
        got = numbers[each.name]
        if missing := sorted(set(range(each.said)) - set(got)):
            found.append(
                f"{member.name} has not heard {len(missing)} of {each.said} by {each.name}: {missing[:5]}"
            )
        if got != sorted(got):
            late = next(after for before, after in pairwise(got) if after < before)
            found.append(f"{member.name} heard {each.name} out of order: {late}")
    if member.twice:
        found.append(f"{member.name} heard {len(member.twice)} lines more than once: {member.twice[:5]}")
    return found
