"""aiohttp on uvloop: `aiohttp_peer.py KIND`; KIND is ws-echo, ws-chat or ws-oneshot."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

members = set()


async def echo(socket):
    async for message in socket:
        await socket.send_str(message.data)


async def chat(socket):
    members.add(socket)
    try:
        async for message in socket:
            for member in [each for each in members if each is not socket]:
                await member.send_str(message.data)
    finally:
        members.discard(socket)


async def oneshot(socket):
    await socket.send_str(await socket.receive_str())
    await socket.close()


async def main(kind):
    handler = {"ws-echo": echo, "ws-chat": chat, "ws-oneshot": oneshot}[kind]

    async def handle(request):
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await handler(socket)
        return socket

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print("port", runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().create_future()


uvloop.run(main(sys.argv[1]))
