"""What is simulated, done: members in rooms of real nodes, lines said by chance, and what each process used."""

from __future__ import annotations

import random
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple

from benchmarks.clustered import Served
from benchmarks.servers import Process
from benchmarks.worlds import Said, Traffic, World, sizes

LINE: Final = b"sixty-four bytes of a line, as in the other measurements of this\n"

Rooms = Sequence[Sequence[int]]
"""The node of each member of each room."""


class Talk(NamedTuple):
    """What was said, and the µs that each node, and last the engine, has used meanwhile."""

    traffic: Traffic
    used: list[float]


def placed(world: World, seed: int) -> Rooms:
    """Put members into rooms and onto nodes, by chance."""
    chance = random.Random(seed)
    return [chance.choices(range(world.nodes), k=size) for size in sizes(world.members, world.room, chance)]


class Crowd:
    """Members of rooms, connected; a context manager. It has a core to itself, and never sleeps."""

    def __init__(self, rooms: Rooms, nodes: Sequence[Served], engine: Process, name: str) -> None:
        """@param name: what the names of the rooms begin with."""
        self._rooms, self._name = rooms, name
        self._ports = [each.ports["chat"] for each in nodes]
        self._processes = [*(each.process for each in nodes), engine]
        self._members: list[list[socket.socket]] = []
        self._chosen = selectors.DefaultSelector()

    def __enter__(self) -> Crowd:
        for number, nodes in enumerate(self._rooms):
            self._members.append([self._joined(self._ports[node], f"{self._name}-{number}") for node in nodes])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._chosen.close()
        for members in self._members:
            for member in members:
                member.close()
        for process in self._processes:
            process.settle()

    def _joined(self, port: int, room: str) -> socket.socket:
        member = socket.create_connection(("127.0.0.1", port))
        member.sendall(f"/join {room}\n".encode())
        member.setblocking(False)
        self._chosen.register(member, selectors.EVENT_READ)
        return member

    def talk(self, rate: float, seconds: float, seed: int = 1, onlyFirst: bool = False) -> Talk:
        """Have lines said, so many a second on average, at moments that do not depend on each other.

        @param onlyFirst: whether only the first member of each room says something.
        """
        chance = random.Random(seed)
        speakers = [
            (room, member)
            for room, nodes in enumerate(self._rooms)
            for member in range(1 if onlyFirst else len(nodes))
        ]
        before = [each.cpu() for each in self._processes]
        begun = time.monotonic()
        due = chance.expovariate(rate) if rate else seconds
        said: list[Said] = []
        while due < seconds:
            self._read(begun + due - time.monotonic())
            room, member = chance.choice(speakers)
            self._members[room][member].send(LINE)
            # When this process was kept from its core, lines come later than they were due, several at once.
            said.append(Said(time.monotonic() - begun, room, self._rooms[room][member]))
            due += chance.expovariate(rate)
        self._read(begun + seconds - time.monotonic())
        took = time.monotonic() - begun
        used = [1e6 * (each.cpu() - start) for each, start in zip(self._processes, before, strict=True)]
        rooms = {number: Counter(nodes) for number, nodes in enumerate(self._rooms)}
        return Talk(Traffic(len(self._ports), rooms, said, took), used)

    def _read(self, seconds: float) -> None:
        """Read what comes, for so long; once at least."""
        deadline = time.monotonic() + seconds
        while True:
            for key, _ in self._chosen.select(0):
                key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
            if time.monotonic() >= deadline:
                return
