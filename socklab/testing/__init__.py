"""Tests of protocols: in memory, without a socket, a reactor or waiting; and of whole configs, for real::

    server = MemoryServer(ShoutFactory())
    peer = server.websocket()
    peer.say("hi")
    assert peer.hear() == ["HI"]

The adapters are the real ones, and what carries them is stricter than the real thing: what a protocol raises is
raised in the test, wrong types are refused, and so is text that is no UTF-8 where a browser would close over it.

With pytest the fixture `socklab_server` serves a config in a process of its own (a `ServerProcess`); with trial a
`ConfigTestCase` serves one in trial's reactor.
"""

from .engine import MemoryEngine
from .frames import Frame, clientFrame
from .peers import ConnectedPeer, DatagramTestPeer, StreamPeer, WebSocketPeer, splits
from .process import ServerProcess, StartServer
from .server import MemoryServer
from .transcript import Entry
from .trial import ConfigTestCase, RunningConfig

__all__ = [
    "ConfigTestCase",
    "ConnectedPeer",
    "DatagramTestPeer",
    "Entry",
    "Frame",
    "MemoryEngine",
    "MemoryServer",
    "RunningConfig",
    "ServerProcess",
    "StartServer",
    "StreamPeer",
    "WebSocketPeer",
    "clientFrame",
    "splits",
]
