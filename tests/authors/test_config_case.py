"""The base class for trial: a whole config in trial's reactor."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.protocols.basic import LineReceiver

from socklab.config import ConfigError
from socklab.testing import ConfigTestCase


class Client(LineReceiver):
    """A client that waits for one line."""

    delimiter = b"\n"

    def __init__(self) -> None:
        self.line: Deferred[bytes] = Deferred()

    def lineReceived(self, line: bytes) -> None:
        """It has come."""
        self.line.callback(line)


class CountingTest(ConfigTestCase):
    """A config is served in this very process, on ports that the system chose."""

    @inlineCallbacks
    def test_serves(self) -> Generator[Deferred[Any], Any, None]:
        """Its services answer, and their transcript tells it."""
        server = self.serve("counting.toml")
        host, port = server.address("counting")
        client = yield connectProtocol(TCP4ClientEndpoint(reactor, host, port), Client())
        client.sendLine(b"one")
        line = yield client.line
        self.assertEqual(line, b"1 message one started 1")
        self.assertEqual(
            [(entry.kind, entry.event, entry.payload) for entry in server.transcript("counting")],
            [
                ("tcp", "opened", b""),
                ("tcp", "received", b"one"),
                ("tcp", "sent", b"1 message one started 1"),
            ],
        )
        # The client stays: that the server ends all the same is the base class's business.

    @inlineCallbacks
    def test_unix_socket(self) -> Generator[Deferred[Any], Any, None]:
        """A Unix socket is served in a folder of its own."""
        server = self.serve("counting.toml")
        path = server.path("counting")
        self.assertNotEqual(path.parent, Path(__file__).parent)
        client = yield connectProtocol(UNIXClientEndpoint(reactor, str(path)), Client())
        client.sendLine(b"x")
        line = yield client.line
        self.assertEqual(line, b"1 message x started 1")
        client.transport.loseConnection()

    def test_unknown_listener(self) -> None:
        """A wrong name is told."""
        server = self.serve("counting.toml")
        self.assertRaises(LookupError, server.address, "counting", "wss")
        self.assertRaises(LookupError, server.address, "echo")

    def test_bad_config(self) -> None:
        """A config with mistakes is told."""
        with NamedTemporaryFile(suffix=".toml") as bad:
            bad.write(b"[[service]]\n")
            bad.flush()
            self.assertRaises(ConfigError, self.serve, bad.name)
