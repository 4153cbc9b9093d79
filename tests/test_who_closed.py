"""On real sockets: the log says who ended a connection first, with FIN or RST, and why."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socklab.testing import clientFrame
from tests import wire
from tests.process import Server

CONFIG = """
[server]
log_format = "json"
[[service]]
name = "chat"
protocol = "chat"
listen = [
    'unix:u.sock',
    'tcp:0:interface=127.0.0.1',
    'ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem',
    'ws:tcp:0:interface=127.0.0.1',
    'ws:ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem',
]
[service.limits]
line = 100
"""

Client = socket.socket


def finish(client: Client) -> None:
    """End with FIN, and hear the server out."""
    client.shutdown(socket.SHUT_WR)
    wire.toTheEnd(client)


def reset(client: Client) -> None:
    """End with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def quit_(client: Client) -> None:
    """Have the server end it."""
    client.sendall(b"/quit\n")
    wire.toTheEnd(client)


def tooLong(client: Client) -> None:
    """Go too far, and vanish when the server has said its FIN."""
    client.sendall(b"x" * 200)
    wire.toTheEnd(client)
    reset(client)


def goingAway(client: Client) -> None:
    """End with a close frame, as a page that is left does."""
    client.sendall(clientFrame(8, struct.pack("!H", 1001)))
    wire.toTheEnd(client)


class Lab:
    """A chat on every kind of stream, and its log."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self._server = server
        self._count = 0
        found = [json.loads(line) for line in server.log.splitlines()]
        self._ports = {
            each["transport"]: int(each["where"].rpartition(":")[2])
            for each in found
            if each["event"] == "listening" and each["transport"] != "unix"
        }

    def connect(self, transport: str) -> Client:
        """Connect, and shake hands."""
        if transport == "unix":
            return wire.unix(self._folder / "u.sock")
        client = wire.tcp(self._ports[transport])
        if transport in ("tls", "wss"):
            context = ssl.create_default_context(cafile=self._folder / "ca.pem")
            client = context.wrap_socket(client, server_hostname="localhost")
        return wire.websocket(0, client) if transport in ("ws", "wss") else client

    def closed(self) -> tuple[str, str]:
        """Give who ended the next connection, and how."""
        self._count += 1
        self._server.waitFor('"event": "closed"', times=self._count)
        lines = [each for each in self._server.log.splitlines() if '"event": "closed"' in each]
        found = json.loads(lines[self._count - 1])
        return found["by"], found["reason"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Lab]:
    """One for all tests."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("key.pem", "cert.pem", "ca.pem"):
        (folder / name).write_bytes((certificate / name).read_bytes())
    config = folder / "lab.toml"
    config.write_text(CONFIG)
    with Server(config, folder=folder) as server:
        yield Lab(folder, server)


@pytest.mark.parametrize(
    ("transport", "end", "expected"),
    [
        ("tcp", finish, ("peer", "closed")),
        ("unix", finish, ("peer", "closed")),
        ("tls", finish, ("peer", "closed")),
        ("ws", finish, ("peer", "closed without a close frame (1006)")),
        ("wss", finish, ("peer", "closed without a close frame (1006)")),
        ("tcp", reset, ("peer", "reset")),
        ("tls", reset, ("peer", "reset")),
        ("ws", reset, ("peer", "reset without a close frame (1006)")),
        ("wss", reset, ("peer", "reset without a close frame (1006)")),
        ("ws", goingAway, ("peer", "closed, code 1001")),
        ("wss", goingAway, ("peer", "closed, code 1001")),
        ("tcp", quit_, ("server", "closed")),
        ("unix", quit_, ("server", "closed")),
        ("tls", quit_, ("server", "closed")),
        ("tcp", tooLong, ("server", "a line of more than 100 bytes")),
        ("unix", tooLong, ("server", "a line of more than 100 bytes")),
    ],
)
def test_who_closed(lab: Lab, transport: str, end: Callable[[Client], None], expected: tuple[str, str]) -> None:
    """The first one that ended it is named, whatever the other did then."""
    with lab.connect(transport) as client:
        end(client)
    assert lab.closed() == expected
