"""Units inside, as an administrator has them: files, systemctl, the journal."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

CONFIGS: Final = Path("/checkout/configs")
UNITS: Final = Path("/etc/systemd/system")
PATIENCE: Final = 60


def sh(*command: str) -> subprocess.CompletedProcess[str]:
    """Run something to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def done(*command: str) -> str:
    """Run something that must end with status 0; give what it prints."""
    ended = sh(*command)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def until(true: Callable[[], object], what: str) -> float:
    """Wait until something is so; give how many seconds that took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() < start + PATIENCE, f"not in time: {what}"
        time.sleep(0.02)
    return time.monotonic() - start


class Unit:
    """A service."""

    def __init__(self, name: str = "socklab", config: Path = Path("/etc/socklab.toml")) -> None:
        self.name = name
        self.config = config
        self._added = UNITS / f"{name}.service.d"

    def begin(self, config: str, *settings: str) -> None:
        """Start it with a config, and with more settings of its unit."""
        self.end()
        self.add(*settings)
        self.write(config)
        self.do("start")

    def end(self) -> None:
        """Stop it, and forget what happened and what was added."""
        sh("systemctl", "stop", self.name)
        sh("systemctl", "reset-failed", self.name)
        shutil.rmtree(self._added, ignore_errors=True)

    def add(self, *settings: str) -> None:
        """Add settings to the unit."""
        if settings:
            self._added.mkdir(exist_ok=True)
            (self._added / "more.conf").write_text("\n".join(["[Service]", *settings, ""]))
        done("systemctl", "daemon-reload")

    def write(self, config: str) -> None:
        """Write its config."""
        self.config.write_text(config)

    def do(self, verb: str) -> None:
        """Have it started, reloaded and so on; that must succeed."""
        ended = sh("systemctl", verb, self.name)
        assert ended.returncode == 0, ended.stderr + self.journal()

    def show(self, name: str) -> str:
        """Give one of its properties."""
        return done("systemctl", "show", "--value", "-p", name, self.name).strip()

    @property
    def process(self) -> int:
        """Its main process."""
        return int(self.show("MainPID"))

    @property
    def processes(self) -> list[int]:
        """All of them."""
        group = Path("/sys/fs/cgroup/systemd" if Path("/sys/fs/cgroup/systemd").exists() else "/sys/fs/cgroup")
        return [int(each) for each in (group / self.show("ControlGroup")[1:] / "cgroup.procs").read_text().split()]

    def journal(self, *options: str) -> str:
        """Give what the journal has of it since it was last started, as far as options of journalctl let it."""
        done("journalctl", "--sync")
        since = self.show("InvocationID")
        return done("journalctl", "--no-pager", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={since}", *options)

    def restarted(self) -> float:
        """Wait until it was started again by itself and is ready; give how many seconds that took."""
        wanted = ["1", "active"]
        return until(lambda: [self.show("NRestarts"), self.show("ActiveState")] == wanted, "started again")

    def exposure(self) -> str:
        """Give what systemd thinks of how far it is confined, from 0 (best) to 10."""
        (found,) = re.findall(r"exposure level .*: ([\d.]+)", done("systemd-analyze", "security", self.name))
        return str(found)


def connect(where: int | str) -> socket.socket:
    """Connect to a port, or to a Unix socket."""
    peer = socket.socket(socket.AF_UNIX) if isinstance(where, str) else socket.socket()
    peer.settimeout(PATIENCE)
    peer.connect(where if isinstance(where, str) else ("127.0.0.1", where))
    return peer


def echoed(where: int | str | socket.socket, text: bytes = b"hello") -> bool:
    """Tell whether an echo sends back what it is sent."""
    if not isinstance(where, socket.socket):
        with connect(where) as peer:
            return echoed(peer, text)
    where.sendall(text)
    got = b""
    while len(got) < len(text) and (data := where.recv(65536)):
        got += data
    return got == text
