"""What rooms cost: their memory at each process, who comes and goes, and who asks for them."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from benchmarks.clustered import Served, engine, node
from benchmarks.tools import Failed

MEMBERS: Final = 4000
ASKED: Final = 20
"""Times that somebody asks for all rooms, or for all members."""
SINGLY: Final = 1000
"""Members who go into another room one after the other."""
FIRST: Final = 100
"""Members who are there before memory is looked at."""

Results = dict[str, Any]


class Client:
    """A member who waits for answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rb")

    def say(self, line: str) -> None:
        """Say a line, and wait for nothing."""
        self._socket.sendall(f"{line}\n".encode())

    def answer(self) -> str:
        """Give the next line that comes.

        @raise Failed: the connection was closed.
        """
        line = self._lines.readline()
        if not line:
            raise Failed("the chat has closed a connection")
        return line.decode()

    def ask(self, line: str) -> str:
        """Say a line, and give the answer."""
        self.say(line)
        return self.answer()

    def close(self) -> None:
        """Go."""
        self._lines.close()
        self._socket.close()


class Rooms:
    """Two nodes and their engine; all members are at the first node."""

    def __init__(self, one: Served, two: Served, nats: Served) -> None:
        self._served = one, two, nats
        self._port = one.ports["chat"]
        self._witness = Client(two.ports["chat"])
        self._members: list[Client] = []

    def _settled(self) -> None:
        for each in self._served:
            each.process.settle()

    def _memory(self) -> list[int]:
        return [each.memory for each in self._served]

    def _each(self, times: int, do: Callable[[], object]) -> list[float]:
        """Give the µs that each process uses for one of so many that are done."""
        before = [each.process.cpu() for each in self._served]
        do()
        self._settled()
        used = [each.process.cpu() - start for each, start in zip(self._served, before, strict=True)]
        return [1e6 * each / times for each in used]

    def _come(self, count: int) -> None:
        for _ in range(count):
            self._members.append(Client(self._port))
            self._members[-1].ask("/join hall")

    def _move(self, members: Sequence[Client]) -> None:
        """Have each go into a room of its own, all at once."""
        for number, member in enumerate(members):
            member.say(f"/join room-{number}")
        for member in members:
            member.answer()

    def _open(self, members: Sequence[Client]) -> None:
        """Have each say the first line of its room; wait until the last has come to the other node."""
        for member in members:
            member.say("the first line here")
        self._witness.answer()

    def _gather(self, members: Sequence[Client]) -> None:
        """Have them come into the hall, one after the other."""
        for member in members:
            member.ask("/join hall")

    def _go(self) -> None:
        for member in self._members:
            member.close()

    def measured(self, comes: Callable[[], Any]) -> Results:
        """Measure.

        @param comes: starts another node, and is its context.
        """
        started = self._served[1].process.cpu()
        self._come(FIRST)
        self._settled()
        found: Results = {"base": self._served[1].memory}
        asker = self._members[0]

        def asked(line: str) -> list[float]:
            return self._each(ASKED, lambda: [asker.ask(line) for _ in range(ASKED)])

        few = asked("/rooms")[0]
        before = self._memory()
        found["come"] = self._each(MEMBERS, lambda: self._come(MEMBERS))
        found["member"] = self._grown(before)
        found["who"] = asked("/who")[0] / (FIRST + MEMBERS)
        movers = self._members[FIRST:]
        before = self._memory()
        found["move at once"] = self._each(MEMBERS, lambda: self._move(movers))
        found["room"] = self._grown(before)
        found["rooms"] = (asked("/rooms")[0] - few) / MEMBERS
        before = self._memory()
        self._witness.ask(f"/join room-{MEMBERS - 1}")
        found["first line"] = self._each(MEMBERS, lambda: self._open(movers))
        found["subject"] = self._grown(before)
        mine = self._served[0].process.cpu()
        with comes() as third:
            self._seen(third)
            third.process.settle()
            found["told"] = 1e6 * (self._served[0].process.cpu() - mine) / MEMBERS
            found["learned"] = 1e6 * max(0.0, third.process.cpu() - started) / MEMBERS
        self._settled()
        found["move"] = self._each(SINGLY, lambda: self._gather(movers[:SINGLY]))
        found["go"] = self._each(len(self._members), self._go)
        return found

    def _grown(self, before: Sequence[int]) -> list[float]:
        """Give the bytes that each process has gained for each of the members."""
        return [(now - was) / MEMBERS for now, was in zip(self._memory(), before, strict=True)]

    @staticmethod
    def _seen(served: Served) -> None:
        """Wait until a node knows of all rooms."""
        client = Client(served.ports["chat"])
        deadline = time.monotonic() + 20
        while (rooms := client.ask("/rooms").count("(")) < MEMBERS:
            if time.monotonic() > deadline:
                raise Failed(f"another node knows of {rooms} rooms, and not of {MEMBERS}")
            time.sleep(0.2)
        client.close()


@contextmanager
def _there(core: int) -> Iterator[tuple[Rooms, Callable[[], Any]]]:
    with engine(core) as (nats, url), ExitStack() as stack:
        one, two = (stack.enter_context(node(core, url)) for _ in range(2))
        yield Rooms(one, two, Served(nats, {})), lambda: node(core, url)


def rooms(core: int) -> Results:
    """Give µs and bytes: lists are of the node where the members are, the other one, and the engine.

    @raise Failed: something is missing, or went wrong.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _there(core) as (found, comes):
        return found.measured(comes)
