"""`make chaos`: all that may become of a cluster, for as long as it takes; prints a table. Some minutes."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from . import scenarios
from .crowd import CHANGES
from .engine import EngineNode
from .nodes import Nodes
from .partition import partition

ALONE = (*CHANGES, ("replicas = 3", "replicas = 1"))
"""For nodes that have one engine."""


@contextmanager
def single(folder: Path, settings: str = "") -> Iterator[tuple[EngineNode, Nodes]]:
    """Start one engine, and three nodes."""
    with EngineNode(folder, settings=settings) as engine, Nodes(folder, [engine.url], *ALONE) as nodes:
        yield engine, nodes


def killedTen(folder: Path) -> str:
    """One engine, killed and started again ten times"""
    with single(folder) as (engine, nodes):
        return asyncio.run(scenarios.engineKilled(engine, nodes, 10))


def oneOfThree(folder: Path) -> str:
    """Three engine nodes, of which one at a time is killed, ten times"""
    with scenarios.stage(folder) as on:
        return asyncio.run(scenarios.oneEngineKilled(on, 10))


def allOfThree(folder: Path) -> str:
    """Three engine nodes, killed all at once, three times"""
    with scenarios.stage(folder) as on:
        return asyncio.run(scenarios.allEnginesKilled(on, 3))


def hanging(folder: Path) -> str:
    """Three engine nodes, of which one hangs for 15 s"""
    with scenarios.stage(folder) as on:
        return asyncio.run(scenarios.engineHangs(on))


def nodeKilled(folder: Path) -> str:
    """A node killed while its members speak as fast as they can"""
    with scenarios.stage(folder) as on:
        return asyncio.run(scenarios.nodeKilled(on, scenarios.GONE))


def inTheDark(folder: Path) -> str:
    """A node killed while the engine is away"""
    with single(folder) as (engine, nodes):
        return asyncio.run(scenarios.killedInTheDark(engine, nodes))


def cutOff(folder: Path) -> str:
    """A node cut off from all engines for 60 s, and another one killed"""
    return partition(folder, 60, scenarios.GONE)


def slow(folder: Path) -> str:
    """A node that does not read, until the engine cuts it"""
    with single(folder, scenarios.LITTLE) as (engine, nodes):
        return asyncio.run(scenarios.slowReader(engine, nodes))


def rolling(folder: Path) -> str:
    """Each node restarted in turn, 20 members through HAProxy"""
    with scenarios.stage(folder) as on:
        return asyncio.run(scenarios.rolling(on, 10))


def workers(folder: Path) -> str:
    """The same, each node with two workers"""
    with scenarios.stage(folder, ("# One chat for all", "[server]\nworkers = 2\n# One chat for all")) as on:
        return asyncio.run(scenarios.rolling(on, 10))


ALL: list[Callable[[Path], str]] = [
    killedTen,
    oneOfThree,
    allOfThree,
    hanging,
    nodeKilled,
    inTheDark,
    cutOff,
    slow,
    rolling,
    workers,
]


def main() -> None:
    """Do those that are named, or all."""
    nats = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True).stdout.split()[
        -1
    ]
    haproxy = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
    versions = (
        f"Python {platform.python_version()}, nats-py {version('nats-py')}, nats-server {nats}, HAProxy {haproxy}"
    )
    print(f"{datetime.now(UTC):%Y-%m-%d}, `make chaos`, {versions}, {platform.release()}\n")
    print("| what happens | seconds | what was found |\n| --- | --- | --- |", flush=True)
    for each in ALL:
        if sys.argv[1:] and each.__name__ not in sys.argv[1:]:
            continue
        begun = time.monotonic()
        with TemporaryDirectory(prefix="socklab-chaos-") as folder:
            found = each(Path(folder))
        print(f"| {each.__doc__} | {time.monotonic() - begun:.0f} | {found} |", flush=True)


if __name__ == "__main__":
    main()
