"""The process under attack: its doors, what it takes, and a neighbour that wants to be served meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests import wire
from tests.process import Server

_PING, _PONG = 9, 10

CONFIG = Path(__file__).with_name("attacks.toml")


class Target:
    """A server, and how to reach its services."""

    def __init__(self, server: Server, certificate: Path) -> None:
        """@param server: started.
        @param certificate: a folder with `ca.pem`.
        """
        self.server = server
        self._context = ssl.create_default_context(cafile=str(certificate / "ca.pem"))

    def has(self, service: str, transport: str) -> bool:
        """Tell whether there is such a listener."""
        return (service, transport) in self.server.addresses

    def stream(self, service: str) -> str:
        """Give how a client that means well reaches a service: `tcp`, or `tls` where there is no other way."""
        return "tcp" if self.has(service, "tcp") else "tls"

    def port(self, service: str, transport: str = "tcp") -> int:
        """Give a port on 127.0.0.1."""
        return self.server.address(service, transport)[1]

    def raw(self, service: str, transport: str, receiveBuffer: int = 0, source: str = "") -> socket.socket:
        """Connect, and no more: neither TLS nor WebSocket has begun.

        @param receiveBuffer: bytes that the system takes for a client that does not read; 0: as many as it likes.
        @param source: the address to come from.
        """
        isUnix = transport == "unix"
        client = socket.socket(socket.AF_UNIX if isUnix else socket.AF_INET)
        try:
            # As long as others may keep the machine busy; nothing takes so long else.
            client.settimeout(30)
            if receiveBuffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiveBuffer)
            if source:
                client.bind((source, 0))
            if isUnix:
                client.connect(str(self.server.path(service)))
            else:
                client.connect(("127.0.0.1", self.port(service, transport)))
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            client.close()
            raise
        return client

    def secure(self, service: str, transport: str, receiveBuffer: int = 0) -> socket.socket:
        """Connect, with TLS where the transport has it: WebSocket has not begun."""
        client = self.raw(service, transport, receiveBuffer)
        if transport in ("tls", "wss"):
            client = self._context.wrap_socket(client, server_hostname="localhost")
        return client

    def connect(self, service: str, transport: str, receiveBuffer: int = 0, headers: bytes = b"") -> socket.socket:
        """Connect, with all handshakes that the transport has.

        @param headers: more of a WebSocket client's handshake.
        """
        client = self.secure(service, transport, receiveBuffer)
        if transport in ("ws", "wss"):
            wire.websocket(0, client, headers)
        return client

    def udp(self, service: str) -> socket.socket:
        """Give a datagram socket that talks to a service."""
        return wire.udp(self.port(service, "udp"))

    def memory(self) -> int:
        """Give the resident memory, in bytes."""
        return self.server.memory()

    def descriptors(self) -> int:
        """Give how many files are open."""
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have the server get no time while the block runs, as on a machine that is busy elsewhere."""
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.server.pid, signal.SIGCONT)

    def keeps(self) -> int:
        """Give how many files are open while nobody is connected, once somebody was served: uvloop opens two more
        for its signals when its loop begins to run, after the server has said that it is ready.
        """
        with self.connect("echo", self.stream("echo")) as client:
            client.sendall(b"there?\n")
            wire.exactly(client, 7)
            return self.descriptors() - 1

    def cpu(self) -> float:
        """Give the seconds of processor time used so far."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self, descriptors: int) -> int:
        """Wait until no more files are open than there were, at most 60 s; give how many there are."""
        deadline = time.monotonic() + 60
        while (count := self.descriptors()) > descriptors and time.monotonic() < deadline:
            time.sleep(0.02)
        return count


class Neighbour:
    """A well-behaved client on connections of its own, TCP and WebSocket; looks at the memory now and then.

    A context manager: it is there while the block runs, and has been served at the end of it.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._error: BaseException | None = None
        self.served = 0
        """How many of its messages came back."""
        self.worst = 0.0
        """Seconds until the slowest of them did."""
        self.growth = 0
        """By how many bytes the memory grew, at most."""

    def _talk(self) -> None:
        try:
            stream, page = self._stream, self._page
            while True:
                last = self._stop.is_set()
                before = time.monotonic()
                text = b"neighbour %d" % self.served
                stream.sendall(text)
                assert wire.exactly(stream, len(text)) == text
                wire.send(page, text)
                while (frame := wire.receive(page))[0] == _PING:
                    wire.send(page, frame[1], _PONG)
                assert frame == (1, text)
                self.worst = max(self.worst, time.monotonic() - before)
                self.served += 2
                self.growth = max(self.growth, self._target.memory() - self._before)
                if last:
                    return
                self._stop.wait(0.01)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Neighbour:
        self._stream = self._target.connect("echo", self._target.stream("echo"))
        self._page = self._target.connect("echo", "ws" if self._target.has("echo", "ws") else "wss")
        self._before = self._target.memory()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._stream.close()
        self._page.close()
        if kind is None and self._error is not None:
            raise self._error
