"""Stock Autobahn on stock Twisted: `autobahn_peer.py KIND`; KIND is ws-echo, ws-chat or ws-oneshot.

TCP_NODELAY is set here, for Autobahn 26.10.2 never does: its chat would stall for 40 ms at a time.
"""

from __future__ import annotations

import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor


class Echo(WebSocketServerProtocol):
    def onOpen(self):
        self.transport.setTcpNoDelay(True)

    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)


class OneShot(Echo):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)
        self.sendClose(1000)


class Chat(Echo):
    members = set()

    def onOpen(self):
        super().onOpen()
        self.members.add(self)

    def onMessage(self, payload, isBinary):
        for member in self.members:
            if member is not self:
                member.sendMessage(payload, isBinary)

    def onClose(self, wasClean, code, reason):
        self.members.discard(self)


factory = WebSocketServerFactory()
factory.protocol = {"ws-echo": Echo, "ws-chat": Chat, "ws-oneshot": OneShot}[sys.argv[1]]
factory.noisy = False
port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
print("port", port.getHost().port, flush=True)
reactor.run()
