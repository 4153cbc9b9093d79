"""configs/cluster: systemd has nothing to say of the units; haproxy takes clients to nodes that are ready."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wire
from tests.clients.outside import NodeClient, requireClient, requireModule
from tests.process import CHECKOUT

from .engine import CONFIGS, EngineNode
from .nodes import Front, Nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes."""
    requireClient("haproxy", "nats-server")
    folder = tmp_path_factory.mktemp("nodes")
    with (
        EngineNode(folder) as engine,
        Nodes(folder, [engine.url], ("replicas = 3", "replicas = 1"), arguments=("--trace", "text")) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def front(nodes: Nodes) -> Iterator[Front]:
    """HAProxy in front of them."""
    with Front(nodes) as started:
        yield started


def test_tcp(front: Front, nodes: Nodes) -> None:
    """Clients are spread over the nodes, and a node knows each by its own address."""
    clients = [wire.tcp(front.tcp) for _ in range(6)]
    try:
        for each in clients:
            assert wire.exactly(each, 8) == b"Welcome."
        there = ["{}:{}".format(*each.getsockname()) for each in clients]
        logs = [node.server.waitFor(" opened", times=2) for node in nodes.all]
        assert [sum(f"tcp {each} opened" in log for each in there) for log in logs] == [2, 2, 2]
    finally:
        for each in clients:
            each.close()


def test_websocket(front: Front) -> None:
    """A WebSocket client of another make gets through, by the name that the config has."""
    requireModule()
    with NodeClient(f"ws://127.0.0.1:{front.ws}/", headers={"Host": "chat.example.com"}) as client:
        client.read("Welcome. /help lists the commands.")


def test_node_that_ends(front: Front, nodes: Nodes) -> None:
    """A node that is told to end is left at once by newcomers, and no connection fails; back, it has its share."""
    first = nodes.all[0]
    first.drain()
    for _ in range(20):
        with wire.tcp(front.tcp) as client:
            assert wire.exactly(client, 8) == b"Welcome."
    front.waitFor(1, "DOWN")
    first.start()
    front.waitFor(1, "UP")
    with wire.tcp(front.tcp) as one, wire.tcp(front.tcp) as two, wire.tcp(front.tcp) as three:
        for each in (one, two, three):
            assert wire.exactly(each, 8) == b"Welcome."
        first.server.waitFor(" opened")


def analysed(unit: Path) -> str:
    """Give what systemd says of a unit."""
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units(tmp_path: Path) -> None:
    """systemd finds nothing to say of the template unit, nor of what is put beside Debian's unit for NATS."""
    unit = tmp_path / "socklab@.service"
    unit.write_text((CONFIGS / unit.name).read_text().replace("/opt/socklab/bin/twistd", sys.executable))
    assert analysed(unit) == ""
    engine = tmp_path / "engine.service"
    engine.write_text(f"[Service]\nExecStart={sys.executable}\n")
    folder = tmp_path / "engine.service.d"
    folder.mkdir()
    shutil.copy(CONFIGS / "nats-server.service.conf", folder / "cluster.conf")
    assert analysed(engine) == ""


def test_template_is_as_strict() -> None:
    """The template unit has all that confines the unit for one server; names and folders are its own."""

    def settings(path: Path) -> set[str]:
        return {line for line in path.read_text().splitlines() if "=" in line and line[0] != "#"}

    missing = settings(CHECKOUT / "configs" / "socklab.service") - settings(CONFIGS / "socklab@.service")
    own = {"Description", "After", "SyslogIdentifier", "RuntimeDirectory", "StateDirectory"}
    assert {each.partition("=")[0] for each in missing} == {*own, "ExecStart", "ExecReload"}


def test_as_they_are() -> None:
    """HAProxy takes its config as it is; cluster.env has all that NATS needs; the page names every file."""
    requireClient("haproxy")
    command = ["haproxy", "-c", "-f", str(CONFIGS / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    needed = re.findall(r"\$(\w+)", (CONFIGS / "nats-server.conf").read_text())
    given = re.findall(r"^(\w+)=", (CONFIGS / "cluster.env").read_text(), re.MULTILINE)
    assert set(needed) == set(given)
    page = (CHECKOUT / "docs" / "deploy.md").read_text()
    assert all(f"](../configs/cluster/{each.name})" in page for each in CONFIGS.iterdir())
