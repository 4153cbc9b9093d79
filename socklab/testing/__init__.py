"""Peers in memory, for tests of protocols: no socket, no reactor, no waiting::

    server = MemoryServer(ShoutFactory())
    peer = server.websocket()
    peer.say("hi")
    assert peer.hear() == ["HI"]

The adapters are the real ones, and what carries them is stricter than the real thing: what a protocol raises is
raised in the test, wrong types are refused, and so is text that is no UTF-8 where a browser would close over it.
"""

from .frames import Frame, clientFrame
from .peers import DatagramTestPeer, StreamPeer, WebSocketPeer
from .server import MemoryServer

__all__ = ["DatagramTestPeer", "Frame", "MemoryServer", "StreamPeer", "WebSocketPeer", "clientFrame"]
