"""A whole lab in memory, with its console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address

from socklab.config import loadConfig
from socklab.events import Events
from socklab.lab import Lab
from socklab.testing.wires import MemoryTransport
from tests.test_reload import FakeReactor


class MemoryLab:
    """A lab whose ports are in memory."""

    def __init__(self, folder: Path, text: str) -> None:
        path = folder / "lab.toml"
        path.write_text(text)
        self.reactor = FakeReactor()
        self.events = Events()
        self.lab = Lab(loadConfig(path), self.reactor, self.events)
        self.lab.privilegedStartService()
        self.lab.startService()

    def connect(self, number: int = 0, port: int = 40000, host: str = "127.0.0.1") -> MemoryTransport:
        """Connect to a TCP listener, by its number in the order of the config."""
        factory: Any = self.reactor.tcpServers[number][1]
        address = IPv4Address("TCP", host, port)
        wire = MemoryTransport(self.reactor, address)
        wire.accept(factory.buildProtocol(address))
        return wire
