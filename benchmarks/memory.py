"""How much memory one idle client costs: `make memory`.

Opens many connections of each kind to a server in a process of its own, and prints by how much its resident memory
has grown, in KiB for each. Kernel buffers are not counted: they belong to no process.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from socklab.testing import ServerProcess, clientFrame

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CONFIG = """
[[service]]
protocol = "{protocol}"
listen = ['{endpoint}:0:interface=127.0.0.1']
[service.options]
{options}
"""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def own(number: int) -> tuple[str, int]:
    """Give a client's own address: 127.0.0.1 alone has 28,000 ports."""
    return f"127.0.0.{2 + number % 200}", 0


async def tcp(port: int, number: int) -> Streams:
    """Connect, and have one byte or line answered, so that all is there that a client costs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=own(number))
    writer.write(b"/rooms\n")
    await reader.readuntil(b"\n")
    return reader, writer


async def websocket(port: int, number: int) -> Streams:
    """Connect, shake hands, and have one message answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=own(number))
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(clientFrame(1, b"/rooms"))
    await reader.readexactly(2)
    return reader, writer


async def opened(connect: Callable[[int, int], Awaitable[Streams]], port: int, count: int) -> list[Streams]:
    """Open so many, a hundred at a time."""
    streams: list[Streams] = []
    for first in range(0, count, 100):
        numbers = range(first, min(first + 100, count))
        streams += await asyncio.gather(*(connect(port, number) for number in numbers))
    return streams


def measure(protocol: str, endpoint: str, connect: Callable[[int, int], Awaitable[Streams]], count: int) -> float:
    """Give what each of so many idle clients costs, in KiB."""
    options = "announce = false" if protocol == "chat" else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.toml"
        path.write_text(CONFIG.format(protocol=protocol, endpoint=endpoint, options=options))
        with ServerProcess(path, folder=Path(folder)) as server:
            address = server.address(protocol, "ws" if endpoint.startswith("ws") else "tcp")

            async def run() -> float:
                few = await opened(connect, address[1], 100)
                before = server.memory()
                many = await opened(connect, address[1], count)
                grown = (server.memory() - before) / 1024 / count
                for _, writer in few + many:
                    writer.transport.abort()
                return grown

            return asyncio.run(run())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="clients of each kind")
    count = parser.parse_args().count
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    write = sys.stdout.write
    write(f"{count} idle clients of each kind; Python {platform.python_version()}")
    write("".join(f", {name} {version(name)}" for name in ("twisted", "autobahn")) + "\n\n")
    write("| client | KiB each |\n| --- | --- |\n")
    for protocol, endpoint, connect in (
        ("echo", "tcp", tcp),
        ("chat", "tcp", tcp),
        ("echo", "ws:tcp", websocket),
        ("chat", "ws:tcp", websocket),
    ):
        name = "WebSocket" if endpoint.startswith("ws") else "TCP"
        write(f"| {name}, {protocol} | {measure(protocol, endpoint, connect, count):.1f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
