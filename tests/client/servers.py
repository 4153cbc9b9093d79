"""Servers that do what none of ours would."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol


class ServeWith(Protocol):
    """Serves a handler, and gives the port."""

    def __call__(self, handler: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> int: ...


class Server:
    """Gives each connection to a handler in a thread of its own, and closes it afterwards."""

    def __init__(self, handler: Any, context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._handle, args=[self._listening.accept()[0]], daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with suppress(OSError), connection:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._handler(connection)

    def stop(self) -> None:
        """Accept no more."""
        # Closing it does not wake a thread that waits in accept.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def reset(connection: socket.socket) -> None:
    """Read something, and answer with RST."""
    connection.recv(1000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket) -> None:
    """Read all, and say nothing."""
    while connection.recv(65536):
        pass


def hostile(connection: socket.socket) -> None:
    """Send what would take over a terminal, and half a Korean character at a time."""
    connection.recv(1000)
    connection.sendall(b"\x1b[2J\x1b]0;owned\x07\xed")
    connection.sendall(b"\x95\x9c\r\n\x9b31m\xff\n")
