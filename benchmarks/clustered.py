"""Processes that are one together: NATS, nodes of socklab, and nodes that are nats-py alone."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from benchmarks.servers import CHECKOUT, Process, program
from benchmarks.tools import Failed, load

CONFIG: Final = """
{head}
[[service]]
name = "echo"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1']

[[service]]
name = "chat"
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1']
[service.options]
announce = false
max_rooms = 100000
"""


class Served(NamedTuple):
    """A process, and where it serves."""

    process: Process
    ports: dict[str, int]

    @property
    def memory(self) -> int:
        """Its resident bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def engine(core: int) -> Iterator[tuple[Process, str]]:
    """Run a nats-server; give it, and its URL.

    @raise Failed: it is not installed.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with TemporaryDirectory(prefix="socklab-bench-") as folder:
        command = ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder]
        with Process(command, core) as process:
            process.waitFor("Server is ready")
            yield process, f"nats://127.0.0.1:{port}"


@contextmanager
def node(core: int, url: str = "", workers: int = 1) -> Iterator[Served]:
    """Run a socklab.

    @param url: of the engine; without one its rooms are its own.
    """
    head = f"[server]\nworkers = {workers}\n" if workers > 1 else ""
    head += f'[rooms]\nengine = "{url}"\n' if url else ""
    with TemporaryDirectory(prefix="socklab-bench-") as folder:
        config = Path(folder) / "node.toml"
        config.write_text(CONFIG.format(head=head))
        script = "from twisted.scripts.twistd import run; run()"
        command = [sys.executable, "-c", script, "-n", "--pidfile=", "socklab", "--config", str(config)]
        with Process(command, core, CHECKOUT) as process:
            process.waitFor("socklab ready")
            if url:
                process.waitFor("the engine is there")
            ports = {name: int(process.waitFor(rf"\] {name}: tcp \S+:(\d+)$")[1]) for name in ("echo", "chat")}
            yield Served(process, ports)


@contextmanager
def raw(core: int, url: str, kind: str) -> Iterator[Served]:
    """Run a node of nats-py and asyncio alone."""
    with Process([*program("nats", url), kind], core) as process:
        yield Served(process, {"chat": int(process.waitFor(r"^port (\d+)$")[1])})


def drive(
    arguments: str, ports: Sequence[int], processes: Sequence[Process], seconds: float, core: int
) -> dict[str, Any]:
    """Run the load generator; give its output, with `us`: µs that each process has used for a line that was said.

    @param ports: where the senders are, and where the receivers are.
    @raise Failed: something went wrong.
    """
    command = f"{arguments} -r {ports[-1]}"
    output = load(command, ports[0], ",".join(str(each.pid) for each in processes), seconds, 0.3, core)
    if wrong := [each for each in ("bad", "errors", "lost", "extra") if output.get(each)]:
        raise Failed(f"{command}: {', '.join(f'{each}: {output[each]}' for each in wrong)}")
    receivers = int(arguments.split("-n ")[1].split()[0])
    said = output["rate"] / receivers
    output["us"] = [each / said * 1e6 for each in output["cpu_of_each"]]
    for each in processes:
        each.settle()
    return output
