from shout import ShoutFactory

from socklab.testing import MemoryServer


def test_shout():
    server = MemoryServer(ShoutFactory(marks=3))
    for peer in (server.tcp(), server.udp(), server.websocket()):
        peer.say("hello")
        assert peer.hear() == ["HELLO!!!"]
