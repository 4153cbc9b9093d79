"""What peers of shout see: in memory over each transport, and of a real server over the network."""

import socket
from collections.abc import Callable

import pytest
from shout import ShoutFactory

from socklab.testing import MemoryServer, ServerProcess


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix", "udp", "websocket"])
def test_shout(transport: str) -> None:
    """A message comes back in capitals, and so does the next one."""
    peer = getattr(MemoryServer(ShoutFactory(marks=3)), transport)()
    for _ in range(2):
        peer.say("hello")
        assert peer.hear() == ["HELLO!!!"]


def test_line_in_pieces() -> None:
    """On a stream the message is the line, however the network cuts it."""
    peer = MemoryServer(ShoutFactory()).tcp()
    peer.dribble(b"one\ntwo\r\n")
    assert peer.hear() == ["ONE", "TWO"]


def test_kind() -> None:
    """Over WebSocket the answer is text or binary as the message was."""
    peer = MemoryServer(ShoutFactory()).websocket()
    peer.sendMessage(b"text", False)
    peer.sendMessage(b"binary", True)
    assert peer.receive() == [(b"TEXT", False), (b"BINARY", True)]


def test_over_the_network(socklab_server: Callable[[str], ServerProcess]) -> None:
    """The config beside this file serves it over TCP and UDP; the server's log tells what was said."""
    server = socklab_server("shout.toml")
    with socket.create_connection(server.address("shout", "tcp"), timeout=60) as client:
        client.sendall(b"hello\n")
        assert client.makefile("rb").readline() == b"HELLO!!!\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.sendto(b"hello", server.address("shout", "udp"))
        assert client.recv(100) == b"HELLO!!!"
    said = [(entry.kind, entry.payload) for entry in server.transcript("shout", entries=7) if entry.payload]
    assert said == [(kind, text) for kind in ("tcp", "udp") for text in (b"hello", b"HELLO!!!")]
