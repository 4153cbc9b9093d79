"""asyncio's Protocols: `asyncio_peer.py KIND [uvloop]`; KIND is echo, chat, oneshot or udp.

With `uvloop` the same program runs on uvloop's event loop.
"""

from __future__ import annotations

import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class OneShot(Echo):
    def data_received(self, data):
        self.transport.write(data)
        self.transport.close()


class Chat(Echo):
    members = set()

    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""
        self.members.add(self)

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            line += b"\n"
            for member in self.members:
                if member is not self:
                    member.transport.write(line)

    def connection_lost(self, exc):
        self.members.discard(self)


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def main(kind):
    loop = asyncio.get_running_loop()
    if kind == "udp":
        transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
    else:
        protocol = {"echo": Echo, "chat": Chat, "oneshot": OneShot}[kind]
        server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
    print("port", port, flush=True)
    await loop.create_future()


if "uvloop" in sys.argv[2:]:
    import uvloop

    uvloop.run(main(sys.argv[1]))
else:
    asyncio.run(main(sys.argv[1]))
