"""Handshakes that take for ever, are too long, or are none."""

from __future__ import annotations

import os
import select
import socket
import time

from tests import wire

from .attack import MIB, Catalogue
from .connections import vanish
from .streams import ended, finish, push
from .target import Target

catalogue = Catalogue()

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a TLS ClientHello begins (RFC 8446, 4.1.2)."""

SLOW = {
    ("echo", "tls"): HELLO,
    ("echo", "wss"): HELLO,
    ("echo", "ws"): wire.HANDSHAKE,
    ("proxied", "haproxy"): b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 20",
    ("proxied", "ws haproxy"): b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 2000\r\n" + wire.HANDSHAKE,
    ("plain", "haproxy"): b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 20",
}
"""How a handshake begins at each door that has one; none of these is ever complete."""


@catalogue.add("slow handshakes", "P6", "echo", ["all"], memory=8)
def slowHandshakes(target: Target, transport: str, times: int) -> None:
    """At each door with a handshake ten clients are silent, and ten send it byte by byte: all are cut in time."""
    doors = {door: begins for door, begins in SLOW.items() if target.has(*door)}
    for _ in range(times):
        left: dict[socket.socket, bytes] = {}
        for (service, kind), begins in doors.items():
            for number in range(20):
                left[target.raw(service, kind)] = begins if number % 2 else b""
        deadline = time.monotonic() + 60
        while left:
            assert time.monotonic() < deadline, f"{len(left)} are not cut"
            for client in [*left]:
                try:
                    if left[client]:
                        client.send(left[client][:1])
                        left[client] = left[client][1:]
                    readable, _, _ = select.select([client], [], [], 0)
                    over = bool(readable) and not client.recv(65536)
                except ConnectionError:
                    over = True
                if over:
                    client.close()
                    del left[client]
            time.sleep(0.05)


@catalogue.add("header flood", "P6", "echo", ("ws", "wss"), memory=4)
def headerFlood(target: Target, transport: str, times: int) -> None:
    """Twenty handshakes with headers without end: each is answered 431, and cut."""
    headers = b"".join(b"X-%06d: %s\r\n" % (number, b"x" * 50) for number in range(1000))
    for _ in range(20 * times):
        with target.secure("echo", transport) as client:
            client.sendall(wire.HANDSHAKE)
            assert push(client, headers, 16 * MIB) < 16 * MIB
            assert ended(client)


@catalogue.add("proxy header flood", "P6", "proxied", ("haproxy",), memory=2)
def proxyHeaderFlood(target: Target, transport: str, times: int) -> None:
    """A PROXY header without end is cut at once: the longest has 107 bytes."""
    for _ in range(20 * times):
        with target.raw("proxied", transport) as client:
            assert push(client, b"PROXY TCP4 " + b"1" * 65536, 16 * MIB) < 16 * MIB
            assert ended(client)


@catalogue.add("wrong protocols", "P9", "echo", ("tcp", "ws", "tls", "wss"), memory=2)
def wrongProtocols(target: Target, transport: str, times: int) -> None:
    """Bytes of another protocol than the port's: whatever becomes of them, the connection has an end."""
    for _ in range(10 * times):
        for said in (HELLO, b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\x00" * 300, os.urandom(3000)):
            with target.raw("echo", transport) as client:
                client.sendall(said)
                finish(client)
                assert ended(client)
            client = target.raw("echo", transport)
            client.sendall(said)
            vanish(client)
