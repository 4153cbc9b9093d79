"""Three nodes: what is said at one is heard at all, once and in order, whatever ends; short forms of `chaos`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clients.outside import requireClient

from . import scenarios
from .crowd import CHANGES
from .engine import StartEngine
from .nodes import Nodes
from .partition import partition


def test_engine_killed(start_engine: StartEngine, tmp_path: Path) -> None:
    """The engine is killed in mid-traffic, twice: nothing is lost, nothing comes twice or out of order."""
    engine = start_engine()
    with Nodes(tmp_path, [engine.url], *CHANGES, ("replicas = 3", "replicas = 1")) as nodes:
        asyncio.run(scenarios.engineKilled(engine, nodes, 2))
        assert all("Traceback" not in each.server.log for each in nodes.all)


def test_rolling(tmp_path: Path) -> None:
    """Each node is restarted while members talk through HAProxy, and come back: none misses a line."""
    requireClient("nats-server", "haproxy")
    with scenarios.stage(tmp_path) as on:
        asyncio.run(scenarios.rolling(on))


def test_partition(tmp_path: Path) -> None:
    """One node is cut off, one killed: both are missed; in the end nobody has missed what was said."""
    requireClient("nats-server")
    partition(tmp_path)
