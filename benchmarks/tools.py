"""The programs in C: compiled when they are needed, and the load generator run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE.parent / "build" / "bench"
FLAGS: Final = ("-O2", "-std=gnu11", "-Wall", "-Wextra")


class Failed(Exception):
    """A run, or the start of a server, has failed; the message is one line."""


def compiled(name: str, *sources: Path) -> Path:
    """Give the program made of these files, compiled anew if one of them, or a header beside it, is newer.

    @raise Failed: there is no compiler, or it fails.
    """
    program = BUILD / name
    depends = [*sources, *(each for source in sources for each in source.parent.glob("*.h"))]
    if program.exists() and program.stat().st_mtime > max(each.stat().st_mtime for each in depends):
        return program
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [os.environ.get("CC", "cc"), *FLAGS, "-o", str(program), *map(str, sources)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failed(f"{error.filename} is not installed: the load generator is written in C") from None
    if done.returncode:
        raise Failed(f"{name} does not compile:\n{done.stderr}")
    return program


def generator() -> Path:
    """Give the load generator."""
    return compiled("load", *sorted((HERE / "load").glob("*.c")))


def limit() -> Path:
    """Give the server that shows what the machine allows."""
    return compiled("limit", HERE / "peers" / "limit.c")


def pin(core: int) -> None:
    """Let this process, and those that it starts from now on, run on one core only."""
    os.sched_setaffinity(0, {core})


def load(arguments: str, port: int, pid: int | str, seconds: float, warm: float, core: int) -> dict[str, Any]:
    """Run the load generator, and give its output.

    @param pid: of the server, or of several with commas between them.
    @param seconds: of measured time, after `warm` seconds that are not measured.
    @raise Failed: it could not go on; the message is its own.
    """
    times = ["-d", str(seconds), "-W", str(warm)]
    command = [str(generator()), *arguments.split(), *times, "-y", "-p", str(port), "-m", str(pid)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds + warm + 60,
            check=False,
            preexec_fn=lambda: pin(core),
        )
    except subprocess.TimeoutExpired:
        raise Failed("load: did not end") from None
    if done.returncode:
        raise Failed(done.stderr.strip().partition("\n")[0] or f"load: status {done.returncode}")
    output: dict[str, Any] = json.loads(done.stdout)
    return output
