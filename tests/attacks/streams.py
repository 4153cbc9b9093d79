"""Bytes without end, and readers that do not read."""

from __future__ import annotations

import contextlib
import socket
import ssl

from tests import wire

from .attack import MIB, Catalogue
from .target import Target

catalogue = Catalogue()

STREAMS = ("tcp", "tls", "unix")

ENDED = (ConnectionError, ssl.SSLError)
"""What it is to have been cut: the system's word, or OpenSSL's."""


def push(client: socket.socket, piece: bytes, size: int) -> int:
    """Send a piece again and again until so many bytes are sent, or the server has had enough; give how many."""
    sent = 0
    try:
        while sent < size:
            client.sendall(piece)
            sent += len(piece)
    except ENDED:
        pass
    return sent


class Lines:
    """A member of a chat that reads line by line."""

    def __init__(self, client: socket.socket) -> None:
        """@param client: connected."""
        self._client = client
        self._file = client.makefile("r", encoding="utf-8", newline="\n")

    def say(self, *lines: str) -> None:
        """Send lines."""
        self._client.sendall("".join(f"{line}\n" for line in lines).encode())

    def next(self) -> str:
        """Read a line."""
        line = self._file.readline()
        assert line.endswith("\n"), line
        return line[:-1]

    def members(self) -> int:
        """Ask who is in the room, and give how many that are."""
        self.say("/who")
        while not (line := self.next()).startswith("* in "):
            pass
        return line.count(", ") + 1


def finish(client: socket.socket) -> None:
    """Say that nothing more will be sent, if the connection still is."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)


def ended(client: socket.socket) -> bool:
    """Read to the end; True when it has come, in whatever form."""
    with contextlib.suppress(ENDED):
        wire.toTheEnd(client)
    return True


@catalogue.add("endless line", "P4", "chat", STREAMS, memory=1.5)
def endlessLine(target: Target, transport: str, times: int) -> None:
    """64 MiB without a newline: cut soon after 64 KiB."""
    for _ in range(times):
        with target.connect("chat", transport) as client:
            # What is on its way when the server stops to read fills the buffers of the system.
            assert push(client, b"x" * 65536, 64 * MIB) < 32 * MIB
            assert ended(client)


@catalogue.add("endless header", "P4", "web", ("tcp", "tls"), memory=1.5)
def endlessHeader(target: Target, transport: str, times: int) -> None:
    """An HTTP head without end: refused after 64 KiB; what still comes is read for a while, and kept nowhere."""
    for _ in range(times):
        with target.connect("web", transport) as client:
            client.sendall(b"GET / HTTP/1.1\r\n")
            push(client, b"X-Header: " + b"x" * 8000 + b"\r\n", 64 * MIB)
            assert client.recv(65536).startswith(b"HTTP/1.1 431 ")


@catalogue.add("unfinished lines", "P5", "chat", STREAMS, memory=100 * 0.25)
def unfinishedLines(target: Target, transport: str, times: int) -> None:
    """A hundred clients at once send 1 MiB each, all without a newline, and the server sees them all together."""
    for _ in range(times):
        clients = [target.connect("chat", transport) for _ in range(100)]
        with target.held():
            for _ in range(16):
                for client in clients:
                    with contextlib.suppress(ENDED):
                        wire.fill(client, b"x" * 65536)
        for client in clients:
            assert ended(client)
            client.close()


@catalogue.add("slow readers", "P2", "chat", (*STREAMS, "ws", "wss"), memory=8)
def slowReaders(target: Target, transport: str, times: int) -> None:
    """Five members of a chat never read: they are cut, and who reads misses nothing."""
    text = "y" * 8000
    for _ in range(times):
        with (
            target.connect("chat", target.stream("chat")) as speaker,
            target.connect("chat", target.stream("chat")) as reader,
        ):
            talking, reading = Lines(speaker), Lines(reader)
            # Who is answered has joined.
            reading.members()
            there = talking.members()
            slow = [target.connect("chat", transport, receiveBuffer=4096) for _ in range(5)]
            assert any(talking.members() == there + len(slow) for _ in range(10_000))
            said = 0
            while said == 0 or talking.members() > there:
                talking.say(*[text] * 16)
                said += 16
                assert said * 8000 < 24 * MIB
                for _ in range(16):
                    while (line := reading.next()).startswith("* "):
                        pass
                    assert line.endswith(f": {text}")
            for each in slow:
                assert ended(each)
                each.close()


@catalogue.add("greedy askers", "P2", "echo", (*STREAMS, "ws", "wss"), memory=8)
def greedyAskers(target: Target, transport: str, times: int) -> None:
    """Five clients ask for more and more and never read: they are read from no more."""
    from socklab.testing import clientFrame

    piece = b"x" * 65536 if transport in STREAMS else clientFrame(2, b"x" * 65536)
    for _ in range(times):
        clients = [target.connect("echo", transport, receiveBuffer=4096) for _ in range(5)]
        for client in clients:
            assert wire.fill(client, piece * 384) < 24 * MIB
        for client in clients:
            client.close()
