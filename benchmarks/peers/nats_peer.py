"""A chat over TCP on nodes that share a NATS, with nats-py and asyncio alone: what the way through it allows.

    python nats_peer.py URL core|jetstream

Each line goes to the members here at once, and to those of the other nodes as one message. No limits, no log, no
names; what a reader is behind by is kept without bound; with `core` what is said while NATS is away is lost.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import nats
import uvloop

NODE = os.urandom(6).hex()
SUBJECT = "raw.chat"


class Member(asyncio.Protocol):
    """Somebody who is here."""

    def __init__(self, publish: Any, members: set[Member]) -> None:
        self.publish = publish
        self.members = members
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        """Come."""
        self.transport = transport
        self.members.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Go."""
        self.members.discard(self)

    def data_received(self, data: bytes) -> None:
        """Say whole lines."""
        lines, newline, self.rest = (self.rest + data).rpartition(b"\n")
        if newline:
            said = lines + newline
            for each in self.members:
                if each is not self:
                    each.transport.write(said)
            self.publish(said)


async def main() -> None:
    """Serve."""
    url, kind = sys.argv[1:]
    connection = await nats.connect(url)
    members: set[Member] = set()
    tasks: set[asyncio.Task[None]] = set()
    stream = connection.jetstream()

    async def say(lines: bytes) -> None:
        if kind == "core":
            await connection.publish(SUBJECT, lines, headers={"node": NODE})
        else:
            await stream.publish(SUBJECT, lines, headers={"node": NODE})

    def publish(lines: bytes) -> None:
        task = asyncio.create_task(say(lines))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def hear(message: Any) -> None:
        if message.headers["node"] != NODE:
            for each in members:
                each.transport.write(message.data)

    if kind == "core":
        await connection.subscribe(SUBJECT, cb=hear)
    else:
        await stream.add_stream(name="raw", subjects=[SUBJECT])
        await stream.subscribe(SUBJECT, ordered_consumer=True, cb=hear)
    server = await asyncio.get_running_loop().create_server(lambda: Member(publish, members), "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


uvloop.run(main())
