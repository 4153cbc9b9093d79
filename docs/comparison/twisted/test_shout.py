from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from shout import ShoutDatagrams, lines, webSocket
from twisted.internet.testing import FakeDatagramTransport, StringTransport
from twisted.test.iosim import connectedServerAndClient


def test_lines():
    protocol, transport = lines(3).buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(b"hello\n")
    assert transport.value() == b"HELLO!!!\n"


def test_datagrams():
    protocol, transport = ShoutDatagrams(3), FakeDatagramTransport()
    protocol.makeConnection(transport)
    protocol.datagramReceived(b"hello", ("127.0.0.1", 40000))
    assert transport.written == [(b"HELLO!!!", ("127.0.0.1", 40000))]


class Client(WebSocketClientProtocol):
    def onOpen(self):
        self.sendMessage(b"hello", False)

    def onMessage(self, payload, isBinary):
        self.factory.heard.append((payload, isBinary))


def test_webSocket():
    factory = WebSocketClientFactory()
    factory.protocol, factory.heard = Client, []
    _, _, pump = connectedServerAndClient(
        lambda: webSocket(3).buildProtocol(None), lambda: factory.buildProtocol(None)
    )
    pump.flush()
    assert factory.heard == [(b"HELLO!!!", False)]
