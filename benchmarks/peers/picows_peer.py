"""picows on uvloop: `picows_peer.py KIND`; KIND is ws-echo, ws-chat or ws-oneshot."""

from __future__ import annotations

import sys

import uvloop
from picows import WSCloseCode, WSListener, WSMsgType, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            self.on_message(transport, frame)

    def on_message(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class OneShot(Echo):
    def on_message(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        transport.send_close(WSCloseCode.OK)


class Chat(Echo):
    members = set()

    def on_ws_connected(self, transport):
        self.members.add(transport)

    def on_message(self, transport, frame):
        payload = frame.get_payload_as_bytes()
        for member in self.members:
            if member is not transport:
                member.send(frame.msg_type, payload)

    def on_ws_disconnected(self, transport):
        self.members.discard(transport)


async def main(kind):
    listener = {"ws-echo": Echo, "ws-chat": Chat, "ws-oneshot": OneShot}[kind]
    server = await ws_create_server(lambda request: listener(), "127.0.0.1", 0, backlog=1024)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


uvloop.run(main(sys.argv[1]))
