"""What the simulation says, done: members placed by chance, lines said by chance, and what each process used."""

from __future__ import annotations

import random
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.clustered import Served
from benchmarks.servers import Process
from benchmarks.simulation import World, sizes


class Used(NamedTuple):
    """Of a core."""

    node: float
    """By the busiest node."""
    engine: float


def place(world: World, nodes: Sequence[Served], engine: Process, seconds: float, seed: int = 1) -> Used:
    """Have so many members there, in rooms, and so much said as a world has; give what that took."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        chosen = selectors.DefaultSelector()
        members: list[socket.socket] = []
        for number, size in enumerate(sizes(world.members, world.room, chance)):
            for _ in range(size):
                port = chance.choice(nodes).ports["chat"]
                member = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                member.sendall(f"/join room{seed}-{number}\n".encode())
                member.setblocking(False)
                chosen.register(member, selectors.EVENT_READ)
                members.append(member)
        _read(chosen, time.monotonic() + 1.5)
        processes = [*(each.process for each in nodes), engine]
        before = [each.cpu() for each in processes]
        begun = time.monotonic()
        said = 0
        while (now := time.monotonic()) < begun + seconds:
            while said < (now - begun) * world.members * world.rate:
                chance.choice(members).send(b"sixty-four bytes of a line, as in the other measurements of this\n")
                said += 1
            _read(chosen, now + 0.002)
        took = time.monotonic() - begun
        used = [(each.cpu() - start) / took for each, start in zip(processes, before, strict=True)]
    return Used(max(used[:-1]), used[-1])


def _read(chosen: selectors.BaseSelector, deadline: float) -> None:
    while (left := deadline - time.monotonic()) > 0:
        for key, _ in chosen.select(left):
            key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
