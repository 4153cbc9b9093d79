"""The servers that are measured: how each is started, and where it listens."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from benchmarks.tools import HERE, Failed, limit, pin
from benchmarks.workloads import Workload

CHECKOUT: Final = HERE.parent
CONFIG: Final = HERE / "socklab.toml"
PATIENCE: Final = 30.0
"""Seconds for a server to start."""

TITLES: Final = {
    "c": "C limit",
    "twisted": "Twisted",
    "autobahn": "Autobahn",
    "asyncio": "asyncio",
    "uvloop": "uvloop",
    "node": "Node",
    "node-ws": "Node ws",
    "websockets": "websockets",
    "aiohttp": "aiohttp",
    "picows": "picows",
    "ncat": "ncat --chat",
}
"""The peers, and what tables call them."""


def program(peer: str, kind: str) -> list[str]:
    """Give the command that starts a peer; it prints `port NUMBER`."""
    files = {"node": "node.js", "node-ws": "node_ws.js", "uvloop": "asyncio_peer.py"}
    if peer == "c":
        return [str(limit()), kind]
    file = HERE / "peers" / files.get(peer, f"{peer}_peer.py")
    interpreter = "node" if file.suffix == ".js" else sys.executable
    return [interpreter, str(file), kind, *(["uvloop"] if peer == "uvloop" else [])]


class Process:
    """A server on one core, its output in a file; a context manager."""

    def __init__(self, command: list[str], core: int, path: Path | None = None) -> None:
        """@param path: where modules are looked for first.
        @raise Failed: there is no such program.
        """
        self._folder = Path(mkdtemp(prefix="socklab-bench-"))
        self._log = self._folder / "log"
        paths = filter(None, [str(path or ""), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths)}

        def prepare() -> None:
            pin(core)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env=environment,
                    preexec_fn=prepare,
                )
        except FileNotFoundError:
            shutil.rmtree(self._folder)
            raise Failed(f"{command[0]} is not installed") from None
        self.pid: Final = self._process.pid

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def waitFor(self, pattern: str) -> re.Match[str]:
        """Wait until something stands in its output.

        @raise Failed: it has ended, or it does not come in time.
        """
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.log, re.MULTILINE)):
            if self._process.poll() is not None:
                raise Failed(self.log.strip().rpartition("\n")[2] or "it ended without a word")
            if time.monotonic() > deadline:
                raise Failed(f"it printed no {pattern!r} in {PATIENCE:g} s")
            time.sleep(0.02)
        return found

    def cpu(self) -> float:
        """Give the seconds of CPU that it has used."""
        # The number of its clock, as clock_getcpuclockid(3) makes it: /proc counts in hundredths of a second.
        return time.clock_gettime(~self.pid << 3 | 2)

    def settle(self) -> None:
        """Wait until it has nothing left to do of the last run, for 5 s at most."""
        deadline = time.monotonic() + 5
        while self._process.poll() is None and time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(0.05)
            if self.cpu() - before < 0.015:
                return

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True)
class Contender:
    """Who is measured: a peer, or a checkout of socklab."""

    name: str
    tree: Path | None = None
    """The checkout; None for a peer."""

    @property
    def title(self) -> str:
        """What tables call it."""
        return TITLES.get(self.name, self.name)

    def start(self, workload: Workload, core: int) -> tuple[Process, int]:
        """Start it, and give where it listens.

        @raise Failed: it does not start.
        """
        if self.tree is not None:
            script = "from twisted.scripts.twistd import run; run()"
            command = [sys.executable, "-c", script, "-n", "--pidfile=", "socklab", "--config", str(CONFIG)]
            service, transport = workload.service.split()
            pattern = rf"\[socklab\] {service}: {transport} \S+:(\d+)$(?=[\s\S]*socklab ready)"
            return self._started(Process(command, core, self.tree), pattern)
        if self.name == "ncat":
            return self._startedNcat(core)
        return self._started(Process(program(self.name, workload.kind), core), r"^port (\d+)$")

    def _started(self, process: Process, pattern: str) -> tuple[Process, int]:
        try:
            return process, int(process.waitFor(pattern)[1])
        except BaseException:
            process.__exit__()
            raise

    def _startedNcat(self, core: int) -> tuple[Process, int]:
        """ncat does not tell which port the system has chosen, so it is given a free one."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # One connection more than 100 ends ncat's patience unless it is told.
        command = ["ncat", "-v", "-l", "--chat", "-m", "1000", "127.0.0.1", str(port)]
        process, _ = self._started(Process(command, core), rf"Listening on 127\.0\.0\.1[: ]({port})")
        return process, port


SOCKLAB: Final = Contender("socklab", CHECKOUT)


def contenders(peers: list[str] | None, trees: list[Path]) -> list[Contender]:
    """Give socklab, other checkouts of it, and the peers.

    @param peers: names; None for all.
    @raise ValueError: there is no such peer, or no such checkout.
    """
    wanted = list(TITLES) if peers is None else peers
    for peer in wanted:
        if peer not in TITLES:
            raise ValueError(f"there is no peer {peer}; there are: {', '.join(TITLES)}")
    others = []
    for tree in trees:
        if not (tree / "socklab" / "service.py").exists():
            raise ValueError(f"{tree} is no checkout of socklab")
        others.append(Contender(f"socklab in {tree.resolve().name}", tree.resolve()))
    return [SOCKLAB, *others, *(Contender(peer) for peer in wanted)]
