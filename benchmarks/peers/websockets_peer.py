"""The `websockets` library on asyncio: `websockets_peer.py KIND`; KIND is ws-echo, ws-chat or ws-oneshot."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve

members = set()


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def chat(connection):
    members.add(connection)
    try:
        async for message in connection:
            broadcast(members - {connection}, message)
    finally:
        members.discard(connection)


async def oneshot(connection):
    await connection.send(await connection.recv())


async def main(kind):
    handler = {"ws-echo": echo, "ws-chat": chat, "ws-oneshot": oneshot}[kind]
    async with serve(handler, "127.0.0.1", 0, compression=None, backlog=1024) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.wait_closed()


asyncio.run(main(sys.argv[1]))
