"""The other end of `[console] socket`, as programs in a terminal use it: plain HTTP over a Unix socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

_HEADERS = {"X-Socklab": "1", "Content-Type": "application/json"}


class TerminalError(Exception):
    """The server does not do it; the text says why."""


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        """@param timeout: seconds that each step may take; None for any time."""
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Terminal:
    """Asks the console of a running server."""

    def __init__(self, path: Path) -> None:
        """@param path: of its socket."""
        self._path = path
        self._stream: UnixConnection | None = None

    def _ask(self, connection: UnixConnection, method: str, name: str, body: Any = None) -> Any:
        try:
            connection.request(method, f"/api/{name}", None if body is None else json.dumps(body), _HEADERS)
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise TerminalError(
                f"{self._path}: {why.lower()}: is the server running, with this [console] socket?"
            ) from None

    def do(self, name: str, **body: Any) -> Any:
        """Have something done; give the answer.

        @raise TerminalError: it is not done.
        """
        connection = UnixConnection(self._path)
        try:
            answer = self._ask(connection, "POST", name, body)
            told = json.load(answer)
        finally:
            connection.close()
        if answer.status != 200:
            raise TerminalError(told["error"])
        return told

    def told(self) -> Iterator[dict[str, Any]]:
        """Give what the console tells, as it happens: the first tells all that there is.

        @raise TerminalError: the server has gone, or is not there.
        """
        connection = UnixConnection(self._path)
        try:
            yield from map(json.loads, self._ask(connection, "GET", "stream"))
        except (OSError, HTTPException):
            raise TerminalError(f"{self._path}: the server has gone") from None
        finally:
            connection.close()
