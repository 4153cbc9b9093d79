"""Results in files: a JSON for each full measurement, and for the unfinished one; where it was made, with what."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Ratio, moved, ratio
from benchmarks.measure import Result, values
from benchmarks.servers import CHECKOUT, TITLES
from benchmarks.tools import HERE
from benchmarks.workloads import ALL, Workload

RESULTS: Final = HERE / "results"
UNFINISHED: Final = RESULTS / "unfinished.json"

Record = dict[str, Any]
"""One measurement: `date`, `command`, its `arguments`, `rounds`, `seconds`, `machine`, `versions`, and
`workloads`: for each name, for each server, its Result."""


def output(*command: str, folder: Path = CHECKOUT) -> str:
    """Give what a command prints; empty if it is missing, or fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if not done.returncode else ""


def machine() -> dict[str, str]:
    """Say what this ran on."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    guest = " in a virtual machine" if re.search(r"^flags.*\bhypervisor\b", info, re.MULTILINE) else ""
    return {
        "CPU": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores{guest}",
        "kernel": f"{platform.system()} {platform.release()}",
        "load average before": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """Give the versions of all that takes part and is there."""
    found = {"Python": platform.python_version()}
    changed = "+" if output("git", "status", "--porcelain", "--untracked-files=no") else ""
    found["socklab"] = (output("git", "rev-parse", "--short", "HEAD") or "not in git") + changed
    for package in ("Twisted", "autobahn", "uvloop", "websockets", "aiohttp", "picows", "nats-py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["cc"] = output("cc", "-dumpfullversion")
    found["Node"] = output("node", "--version").lstrip("v")
    found["ws"] = output("node", "-p", "require('ws/package.json').version", folder=HERE)
    found["nats-server"] = output("nats-server", "--version").rpartition("v")[2]
    found["ncat"] = output("ncat", "--version").rpartition("Version ")[2].split(" ")[0]
    return {name: each for name, each in found.items() if each}


def fresh(rounds: int, seconds: float, arguments: Sequence[str]) -> Record:
    """Give a record of which nothing has been measured yet.

    @param arguments: of the command line.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "command": "make bench" + (f' ARGS="{shlex.join(arguments)}"' if arguments else ""),
        "arguments": list(arguments),
        "rounds": rounds,
        "seconds": seconds,
        "machine": machine(),
        "versions": versions(),
        "workloads": {},
    }


def load(path: Path) -> Record:
    """Read a record."""
    record: Record = json.loads(path.read_text())
    return record


def save(record: Record, path: Path) -> None:
    """Write a record, a line for each server of each workload."""
    parts = [f"  {json.dumps(key)}: {json.dumps(each)}" for key, each in record.items() if key != "workloads"]
    workloads = [
        f"    {json.dumps(name)}: {{\n"
        + ",\n".join(f"      {json.dumps(server)}: {json.dumps(result)}" for server, result in results.items())
        + "\n    }"
        for name, results in record["workloads"].items()
    ]
    parts.append('  "workloads": {\n' + ",\n".join(workloads) + "\n  }")
    path.parent.mkdir(exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def recorded(folder: Path = RESULTS) -> list[Path]:
    """Give the files of all finished measurements, the last one at the end."""
    names = [each for each in folder.glob("*.json") if re.fullmatch(r"\d{4}-\d\d-\d\d(-\d+)?", each.stem)]
    return sorted(names, key=lambda each: (each.stem[:10], int(each.stem[11:] or 1)))


def fileOf(record: Record, folder: Path = RESULTS) -> Path:
    """Give a name that is still free for a record: its date, with a number from the second of a day on."""
    date = record["date"][:10]
    names = [f"{date}.json", *(f"{date}-{number}.json" for number in range(2, 1000))]
    return next(folder / name for name in names if not (folder / name).exists())


def ratios(record: Record, workload: Workload, server: str = "socklab", key: str = "value") -> dict[str, Ratio]:
    """Give the ratio of socklab, or another server, to each other one; of what does not grow.

    @param key: `value`, or `cpu` for what was done in each second of the server's CPU.
    """
    results: dict[str, Result] = record["workloads"].get(workload.name, {})
    ours = values(results.get(server), key)
    found = {name: ratio(ours, values(result, key)) for name, result in results.items() if name != server}
    return {name: each for name, each in found.items() if each is not None}


def changes(old: Record, new: Record) -> list[str]:
    """Say which ratios of socklab to its peers have moved further than the rounds differ among each other.

    Of one round alone nothing can be said; memory, which is measured once, must have moved by a tenth.
    """
    lines = []
    for workload in ALL:
        before, now = ratios(old, workload), ratios(new, workload)
        for peer in [each for each in now if each in before and each in TITLES]:
            way = moved(before[peer], now[peer])
            if workload.fresh:
                # Measured once, and on another day within a tenth.
                known = abs(now[peer].middle / before[peer].middle - 1) > 0.1
            else:
                known = min(old["rounds"], new["rounds"]) > 1
            if way and known:
                lines.append(f"{workload.name}: {way}: {now[peer]} x {TITLES[peer]}, was {before[peer]}")
    return lines
