"""Clients on real sockets, as plain as they get, for tests against a process."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

import trustme

from socklab.testing import clientFrame

PATIENCE = 60
"""Seconds to wait for the other side; a server that works, on a machine that is busy, never takes so long."""


def tcp(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Connect."""
    return socket.create_connection((host, port), timeout=PATIENCE)


def unix(path: Path) -> socket.socket:
    """Connect to a Unix socket."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    return client


def udp(port: int) -> socket.socket:
    """Give a datagram socket that talks to a port."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", port))
    return client


def trusting(authority: trustme.CA | None) -> ssl.SSLContext:
    """Give a client's context that trusts an authority alone; None: whoever the server says it is.

    `ssl.create_default_context` would read all of the system's authorities, 25 ms each time.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        authority.configure_trust(context)
    return context


def exactly(client: socket.socket, size: int) -> bytes:
    """Read so many bytes; fewer at the end of the stream."""
    data = bytearray()
    while len(data) < size:
        piece = client.recv(min(65536, size - len(data)))
        if not piece:
            break
        data += piece
    return bytes(data)


def toTheEnd(client: socket.socket) -> bytes:
    """Read until the end of the stream."""
    data = bytearray()
    while piece := client.recv(65536):
        data += piece
    return bytes(data)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
"""A WebSocket client's opening handshake, but for the empty line at its end."""


def websocket(port: int, client: socket.socket | None = None, headers: bytes = b"") -> socket.socket:
    """Connect and shake hands.

    @param headers: more of them, each with its end.
    """
    client = client or tcp(port)
    client.sendall(HANDSHAKE + headers + b"\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(client, 1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return client


def send(client: socket.socket, payload: bytes, opcode: int = 1) -> None:
    """Send a WebSocket message."""
    client.sendall(clientFrame(opcode, payload))


def receive(client: socket.socket) -> tuple[int, bytes]:
    """Give the opcode and payload of the next WebSocket frame."""
    first, length = exactly(client, 2)
    if length == 126:
        (length,) = struct.unpack("!H", exactly(client, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", exactly(client, 8))
    return first & 0x0F, exactly(client, length)


def fill(client: socket.socket, data: bytes) -> int:
    """Send until the other side takes no more, without reading; give how much that was."""
    client.setblocking(False)
    sent = 0
    view = memoryview(data)
    try:
        while sent < len(data):
            sent += client.send(view[sent : sent + 262144])
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        pass
    client.settimeout(PATIENCE)
    return sent
