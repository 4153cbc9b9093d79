"""A lab in memory, and somebody who asks its console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from tests.observe.support import MemoryLab

HOST = "localhost:59300"
CONFIG = """
[console]
listen = 'tcp:59300'
metrics = false
[[service]]
protocol = "chat"
listen = ['tcp:0']
[[service]]
protocol = "echo"
listen = ['tcp:0', 'udp:0']
"""


class Asker:
    """Asks as a browser does that has the page open, with its cookie."""

    def __init__(self, lab: MemoryLab, token: str = "") -> None:
        """@param token: comes in with it; empty: does not."""
        self._lab = lab
        self.cookie = ""
        if token:
            status, head, _ = self.ask("login", {"token": token})
            assert status == 200
            self.cookie = head.partition("Set-Cookie: ")[2].partition(";")[0]

    def open(self, name: str, body: Any = None, path: str = "/api/", **headers: str | None) -> StringTransport:
        """Ask, and give what the answer is written to.

        @param body: None is GET.
        @param headers: to send too, or with None not to send.
        """
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"host": HOST, "x-socklab": "1", "cookie": self.cookie, "content-length": str(len(data)), **headers}
        lines = "".join(
            f"{key.replace('_', '-')}: {value}\r\n" for key, value in sent.items() if value is not None
        )
        factory: Any = self._lab.reactor.tcpServers[-1][1]
        channel = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        host, peer = (IPv4Address("TCP", "127.0.0.1", port) for port in (59300, 40000))
        transport = StringTransport(host, peer)
        transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
        channel.makeConnection(transport)
        channel.dataReceived(
            f"{'GET' if body is None else 'POST'} {path}{name} HTTP/1.1\r\n{lines}\r\n".encode() + data
        )
        return transport

    def ask(self, name: str, body: Any = None, **headers: str | None) -> tuple[int, str, Any]:
        """Ask; give the status, the head, and what the JSON says."""
        head, _, text = self.open(name, body, **headers).value().decode().partition("\r\n\r\n")
        return int(head.split()[1]), head, json.loads(text) if text.startswith("{") else text

    def do(self, name: str, **body: Any) -> Any:
        """Have something done; give the answer."""
        status, _, told = self.ask(name, body)
        assert status == 200, told
        return told


class Watched:
    """The stream that a page is told."""

    def __init__(self, lab: MemoryLab, asker: Asker) -> None:
        self._lab = lab
        self._transport = asker.open("stream")
        self.first = self.told()[0]

    def told(self) -> list[Any]:
        """Give what was told since this was last called, a little more than a second later."""
        self._lab.reactor.pump([0.1] * 12)
        text = self._transport.value().decode()
        self._transport.clear()
        # Chunks (RFC 9112, 7.1): a line of JSON begins with a brace, a size does not.
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def tokens(lab: MemoryLab) -> tuple[str, str]:
    """Give the operator's token and the viewer's."""
    made: Any = lab.lab.console._door.made  # type: ignore[union-attr]
    return made[2], made[1]


def laboratory(folder: Path) -> MemoryLab:
    """Give a lab with a chat (0) and an echo (1)."""
    return MemoryLab(folder, CONFIG)
