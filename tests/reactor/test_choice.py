"""Which reactor `twistd` runs on: the one that was asked for, else uvloop's, else Twisted's default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from socklab.testing import process
from tests.process import Server, run

CONFIG = """
[[service]]
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1']
"""
OURS = "reactor class: socklab.reactor.uv.UvloopReactor."


@pytest.fixture(autouse=True)
def nobody_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests choose themselves."""
    monkeypatch.delenv("SOCKLAB_TEST_REACTOR", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config with one service."""
    path = tmp_path / "echo.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def no_uvloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes find no uvloop."""
    (tmp_path / "uvloop.py").write_text("raise ImportError(\"No module named 'uvloop'\")\n")
    path = os.pathsep.join([str(tmp_path), process.ENVIRONMENT["PYTHONPATH"]])
    monkeypatch.setitem(process.ENVIRONMENT, "PYTHONPATH", path)


def test_takes_uvloop(config: Path) -> None:
    """Nobody has chosen: it is uvloop's, and the log says so."""
    pytest.importorskip("uvloop")
    with Server(config) as server:
        assert OURS in server.log


def test_obeys(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--reactor` decides."""
    monkeypatch.setenv("SOCKLAB_TEST_REACTOR", "select")
    with Server(config) as server:
        assert "reactor class: twisted.internet.selectreactor.SelectReactor." in server.log


@pytest.mark.usefixtures("no_uvloop")
def test_does_without(config: Path) -> None:
    """Without uvloop it runs on Twisted's default."""
    with Server(config) as server:
        assert "reactor class: twisted.internet." in server.log
        assert "uvloop" not in server.log


ENGINE = f"[rooms]\nengine = 'nats://127.0.0.1:1'\n{CONFIG}"


@pytest.mark.usefixtures("no_uvloop")
def test_takes_asyncio(config: Path) -> None:
    """Where rooms have an engine it is asyncio's; an engine that cannot be reached is told, and all is served."""
    pytest.importorskip("nats")
    config.write_text(ENGINE)
    with Server(config) as server:
        assert "reactor class: twisted.internet.asyncioreactor.AsyncioSelectorReactor." in server.log
        server.waitFor("rooms: the engine cannot be reached: nats://127.0.0.1:1: connection refused; members here")


def test_engine_needs_asyncio(config: Path) -> None:
    """Another reactor that was asked for ends with status 1, and a line that says why."""
    pytest.importorskip("nats")
    config.write_text(ENGINE)
    done = run("-n", "--pidfile=", "--reactor", "select", "socklab", "--config", str(config), folder=config.parent)
    assert done.returncode == 1
    assert done.stderr == (
        "[rooms] needs a reactor on asyncio, not SelectReactor: leave out --reactor, or name uvloop or asyncio\n"
    )


@pytest.mark.usefixtures("no_uvloop")
def test_says_what_is_missing(config: Path) -> None:
    """`--reactor uvloop` without uvloop ends with status 1, and a line that says how to install it."""
    done = run("-n", "--pidfile=", "--reactor", "uvloop", "socklab", "--config", str(config), folder=config.parent)
    assert done.returncode == 1
    assert "No module named 'uvloop': pip install 'socklab[fast]'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
