"""Floods of datagrams, and peers that answer each answer."""

from __future__ import annotations

import contextlib
import socket
import time

from tests import wire

from .attack import Catalogue
from .target import Target

catalogue = Catalogue()


def answers(client: socket.socket, said: bytes, heard: bytes) -> None:
    """Say something until it is answered: the system may drop a datagram of a flooded socket."""
    client.settimeout(0.5)
    for _ in range(60):
        client.send(said)
        try:
            while not client.recv(65536).endswith(heard):
                pass
        except TimeoutError:
            continue
        return
    raise AssertionError("there is no answer any more")


@catalogue.add("datagram flood", "P11", "echo", ("udp",), memory=2)
def datagramFlood(target: Target, transport: str, times: int) -> None:
    """20,000 datagrams as fast as they can be sent, empty and long ones too: then it answers as before."""
    with target.udp("echo") as client:
        client.setblocking(False)
        for size in (0, 10, 1400, 65507):
            for _ in range(5000 * times if size < 2000 else 100 * times):
                with contextlib.suppress(BlockingIOError):
                    client.send(b"x" * size)
    with target.udp("echo") as client:
        answers(client, b"are you there?", b"are you there?")


@catalogue.add("many peers", "P11", "echo", ("udp",), memory=1)
def manyPeers(target: Target, transport: str, times: int) -> None:
    """8000 peers: nothing is kept of any."""
    for _ in range(8000 * times):
        with wire.udp(target.port("echo", "udp")) as client:
            client.send(b"x")
    with target.udp("echo") as client:
        answers(client, b"are you there?", b"are you there?")


@catalogue.add("many members", "P11", "chat", ("udp",), memory=12)
def manyMembers(target: Target, transport: str, times: int) -> None:
    """3000 newcomers to a chat: 1024 are remembered, the others dropped; each one that leaves makes room."""
    for _ in range(times):
        members = [target.udp("chat") for _ in range(1500)]
        for each in members:
            # No more than the server's buffer holds: what is lost there would say nothing about the server.
            each.send(b"/quit")
        for each in members:
            each.send(b"/quit")
            each.close()
    with target.udp("chat") as client:
        answers(client, b"/nick guest", b"* you are guest now")
        client.send(b"/quit")


@catalogue.add("reflector", "P12", "slow", ("udp",), memory=1)
def reflector(target: Target, transport: str, times: int) -> None:
    """Two peers that send each answer back draw no more answers than `udp_rate` allows."""
    rate, seconds = 50, 1.0 * times
    with target.udp("slow") as one, target.udp("slow") as other:
        count, begun = {one: 0, other: 0}, time.monotonic()
        for each in count:
            each.settimeout(0.05)
            each.send(b"ping")
        while (elapsed := time.monotonic() - begun) < seconds:
            for each in count:
                try:
                    each.send(each.recv(100))
                    count[each] += 1
                except TimeoutError:
                    each.send(b"ping")
    # As many at once as in a second.
    assert all(number <= rate * (elapsed + 2) for number in count.values()), count
