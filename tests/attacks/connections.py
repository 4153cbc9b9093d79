"""Connections: many, short, and more than there are descriptors for."""

from __future__ import annotations

import resource
import socket
import struct
import time

from tests import wire

from .attack import Catalogue
from .streams import ENDED, ended, finish
from .target import Target

catalogue = Catalogue()

LINGER = struct.pack("ii", 1, 0)
"""Has close() send RST."""


def vanish(client: socket.socket) -> None:
    """Close with RST, where there is such a thing."""
    if client.family != socket.AF_UNIX:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    client.close()


@catalogue.add("churn", "P15", "echo", ("tcp", "unix", "tls", "ws", "wss"), memory=2, long=3)
def churn(target: Target, transport: str, times: int) -> None:
    """Clients talk, vanish, end by halves, leave off in the middle, and close: nothing is left of any of them."""
    before = target.descriptors()
    page = transport in ("ws", "wss")
    for number in range(200 * times):
        match number % 5:
            case 0:
                client = target.connect("echo", transport)
                if page:
                    wire.send(client, b"hello")
                    assert wire.receive(client) == (1, b"hello")
                else:
                    client.sendall(b"hello")
                    assert wire.exactly(client, 5) == b"hello"
                client.close()
            case 1:
                client = target.connect("echo", transport)
                client.sendall(b"\x81" if page else b"hello")
                vanish(client)
            case 2:
                client = target.raw("echo", transport)
                finish(client)
                ended(client)
                client.close()
            case 3:
                vanish(target.raw("echo", transport))
            case 4:
                client = target.raw("echo", transport)
                client.send(b"G")
                client.close()
    assert target.settle(before) <= before


@catalogue.add("many connections", "P14", "echo", ("tcp", "ws"), memory=12)
def manyConnections(target: Target, transport: str, times: int) -> None:
    """1000 connections at once, each from an address of its own: all are answered, and all their descriptors
    come back."""
    _roomFor(1200)
    before = target.descriptors()
    clients = []
    for number in range(1000):
        client = target.raw("echo", transport, source=f"127.0.{number // 250 + 1}.{number % 250 + 1}")
        if transport == "ws":
            # At once: on a busy machine 5 s may be over when all have connected.
            wire.websocket(0, client)
        clients.append(client)
    for client in clients:
        if transport == "ws":
            wire.send(client, b"here")
        else:
            client.sendall(b"here")
    for client in clients:
        heard = wire.receive(client)[1] if transport == "ws" else wire.exactly(client, 4)
        assert heard == b"here"
    for number, client in enumerate(clients):
        vanish(client) if number % 2 else client.close()
    assert target.settle(before) <= before


@catalogue.add("no descriptors", "P13", "echo", ("tcp", "unix", "ws", "tls"), memory=4)
def noDescriptors(target: Target, transport: str, times: int) -> None:
    """200 clients more than there are descriptors for: who is there is served, and all are when there are some."""
    before, log = target.descriptors(), len(target.server.log)
    soft, hard = resource.prlimit(target.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(target.server.pid, resource.RLIMIT_NOFILE, (before + 50, hard))
    try:
        early = target.connect("echo", target.stream("echo"))
        clients = []
        for _ in range(250):
            try:
                clients.append(target.raw("echo", transport))
            except BlockingIOError:
                # The queue of a Unix socket is full.
                break
        early.sendall(b"still here")
        assert wire.exactly(early, 10) == b"still here"
        # Who is not accepted must not have it turn in circles.
        cpu, begun = target.cpu(), time.monotonic()
        time.sleep(0.3)
        early.sendall(b"still here")
        assert wire.exactly(early, 10) == b"still here"
        busy = (target.cpu() - cpu) / (time.monotonic() - begun)
        for client in clients:
            client.close()
    finally:
        resource.prlimit(target.server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    with target.connect("echo", transport) as client:
        if transport == "ws":
            wire.send(client, b"again")
            assert wire.receive(client) == (1, b"again")
        else:
            client.sendall(b"again")
            assert wire.exactly(client, 5) == b"again"
    early.close()
    assert target.settle(before) <= before
    assert len(target.server.log) - log < 32 * 1024
    assert busy < 0.5, busy


@catalogue.add("accept flood", "P14", "slow", ("tcp",), memory=2)
def acceptFlood(target: Target, transport: str, times: int) -> None:
    """600 newcomers as fast as one address can: at most `accept_rate_per_address` of them are let in, another
    address always is."""
    rate, begun, served = 50, time.monotonic(), 0
    for _ in range(600 * times):
        try:
            with target.raw("slow", transport) as client:
                client.sendall(b"x")
                served += wire.exactly(client, 1) == b"x"
        except ENDED:
            pass
    assert served <= rate * (time.monotonic() - begun + 1) + 1
    with target.raw("slow", transport, source="127.0.0.9") as client:
        client.sendall(b"other")
        assert wire.exactly(client, 5) == b"other"


def _roomFor(count: int) -> None:
    """Let this process have so many files open, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
