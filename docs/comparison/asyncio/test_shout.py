import asyncio
import socket

from shout import serve
from websockets.asyncio.client import connect


async def shouts():
    lines, datagrams, webSocket = await serve(3, 0, 0)
    reader, writer = await asyncio.open_connection(*lines.sockets[0].getsockname())
    writer.write(b"hello\n")
    assert await reader.readline() == b"HELLO!!!\n"
    writer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(peer, b"hello", datagrams.get_extra_info("sockname"))
        assert await loop.sock_recv(peer, 100) == b"HELLO!!!"
    async with connect(f"ws://127.0.0.1:{webSocket.sockets[0].getsockname()[1]}") as client:
        await client.send("hello")
        assert await client.recv() == "HELLO!!!"
    for each in (lines, datagrams, webSocket):
        each.close()


def test_shout():
    asyncio.run(shouts())
