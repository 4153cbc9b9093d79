"""Stock Twisted, as its documentation has it, on the reactor that it chooses: `twisted_peer.py KIND`.

KIND is echo, chat, oneshot or udp. TCP_NODELAY is set, which Twisted leaves to the program: without it chat
stalls for 40 ms at a time.
"""

from __future__ import annotations

import sys

from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineOnlyReceiver


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data):
        self.transport.write(data)


class OneShot(Echo):
    def dataReceived(self, data):
        self.transport.write(data)
        self.transport.loseConnection()


class Chat(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 65536
    members = set()

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.members.add(self)

    def lineReceived(self, line):
        data = line + b"\n"
        for member in self.members:
            if member is not self:
                member.transport.write(data)

    def connectionLost(self, reason=protocol.connectionDone):
        self.members.discard(self)


class Datagrams(protocol.DatagramProtocol):
    def datagramReceived(self, datagram, addr):
        self.transport.write(datagram, addr)


kind = sys.argv[1]
if kind == "udp":
    port = reactor.listenUDP(0, Datagrams(), interface="127.0.0.1")
else:
    factory = protocol.Factory.forProtocol({"echo": Echo, "chat": Chat, "oneshot": OneShot}[kind])
    factory.noisy = False
    port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
print("port", port.getHost().port, flush=True)
reactor.run()
