"""A machine that systemd has booted: a container over a copy of this one's root, with loopback as its network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

PYTHON: Final = "/opt/python"
"""Where the Python of these tests is, if it is not the system's."""
CHECKOUT: Final = Path(__file__).resolve().parents[2]

_NAMESPACES: Final = ("-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w")

# All of it is in a mount namespace of its own, and in memory: what is written there is gone with the last process.
# What this machine starts is left out; the one there has a name and an id of its own (without one, systemd would
# enable what the distribution has in mind for a first boot).
_BOOT: Final = """
mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" || exit
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root" || exit
rm -rf "$1"/root/etc/systemd/system/*.wants
tr -d - </proc/sys/kernel/random/uuid >"$1/root/etc/machine-id"
shift
exec systemd-nspawn -q --register=no --keep-unit --private-network --hostname=booted --machine=booted "$@"
"""


class Machine:
    """It is up when entered, and powered off when left."""

    def __init__(self, folder: Path, bound: dict[Path, str]) -> None:
        """@param folder: an empty one, for its root.
        @param bound: what of this machine is there too, read only, and where.
        """
        root = folder / "root"
        root.mkdir()
        self._console = folder / "console"
        binds = [f"--bind-ro={path}:{place}" for path, place in bound.items()]
        # A shared library of Python's is found there, too.
        libraries = f"LD_LIBRARY_PATH={PYTHON}/lib"
        self._environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", libraries]
        boot = ["--boot", "systemd.unit=basic.target", f"systemd.setenv={libraries}"]
        options = ["-D", str(root / "root"), *binds, *boot]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT, "sh", str(root), *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._first = 0

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 60
        try:
            while not self._isUp():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    printed = self._console.read_text(errors="replace")
                    raise RuntimeError(f"no systemd came up here:\n{printed}")
                time.sleep(0.1)
        except BaseException:
            self._end()
            raise
        return self

    def _isUp(self) -> bool:
        process = self._process.pid
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return False
        self._first = int(children[0])
        state = self.run("systemctl", "is-system-running", capture_output=True, text=True).stdout
        return state in ("running\n", "degraded\n")

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run something there, to its end.

        @param options: of `subprocess.run`.
        """
        enter = ["nsenter", "-t", str(self._first), *_NAMESPACES, *self._environment]
        return subprocess.run([*enter, *command], check=False, **options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        # It hands this on, as the wish to power off.
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def lacking() -> str:
    """Say what this machine lacks for it; nothing if it lacks nothing."""
    if os.geteuid():
        return "it needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    for command, package in (("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux")):
        if shutil.which(command) is None:
            return f"{command} is not installed (Debian: apt-get install {package})"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlay file system"
    return ""


def python() -> tuple[dict[Path, str], str]:
    """Give what must be bound so that the Python of these tests is there, outside of home folders; and where."""
    base, name = Path(sys.base_prefix), f"python3.{sys.version_info.minor}"
    if base == Path("/usr"):
        return {}, f"/usr/bin/{name}"
    return {base: PYTHON}, f"{PYTHON}/bin/{name}"
