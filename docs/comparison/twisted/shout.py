import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.protocols.basic import LineReceiver


def shout(message, marks):
    text = message.rstrip(b"\r\n")
    return text.upper() + b"!" * marks + message[len(text) :]


class ShoutLines(LineReceiver):
    delimiter = b"\n"

    def lineReceived(self, line):
        self.sendLine(shout(line.removesuffix(b"\r"), self.factory.marks))


class ShoutDatagrams(DatagramProtocol):
    def __init__(self, marks):
        self.marks = marks

    def datagramReceived(self, datagram, addr):
        self.transport.write(shout(datagram, self.marks), addr)


class ShoutWebSocket(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(shout(payload, self.factory.marks), isBinary)


def lines(marks):
    factory = Factory.forProtocol(ShoutLines)
    factory.marks = marks
    return factory


def webSocket(marks):
    factory = WebSocketServerFactory()
    factory.protocol = ShoutWebSocket
    factory.marks = marks
    return factory


if __name__ == "__main__":
    marks = int(sys.argv[1])
    reactor.listenTCP(4000, lines(marks), interface="127.0.0.1")
    reactor.listenUDP(4000, ShoutDatagrams(marks), interface="127.0.0.1")
    reactor.listenTCP(4001, webSocket(marks), interface="127.0.0.1")
    reactor.run()
