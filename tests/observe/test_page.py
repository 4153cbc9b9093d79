"""docs/observe.md shows what the commands print, and names the metrics that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from socklab.cli import main
from socklab.metrics.collector import LabCollector
from socklab.metrics.lag import ReactorLag
from socklab.testing import MemoryEngine
from tests.cli.test_page import shows
from tests.observe.support import MemoryLab
from tests.process import CHECKOUT, Server
from tests.test_docs import blocks, read, rows, section

PAGE = CHECKOUT / "docs" / "observe.md"
PORTS = {"59000": ("echo", "tcp"), "59001": ("echo", "ws"), "59300": ("console", "http")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Server]:
    """The built-in lab."""
    with Server(None, "--any-port") as server:
        yield server


def test_transcripts(lab: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the page prints what is shown below it; the lab's ports are others."""
    shutil.copytree(CHECKOUT / "docs" / "observe", tmp_path / "docs" / "observe")
    monkeypatch.chdir(tmp_path)
    commands = set()
    for block in blocks(PAGE, "console"):
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            for port, place in PORTS.items():
                command = command.replace(port, str(lab.ports[place]))
            program, *words = shlex.split(command)
            if program == "curl":
                with urllib.request.urlopen(words[0], timeout=30) as answer:
                    printed = answer.read().decode()
            else:
                result = CliRunner().invoke(main, words, prog_name="socklab")
                printed = result.output
                assert result.exit_code == 0
                commands.add(words[0])
            assert shows(output, printed), f"{command}\n{printed}"
    assert commands == {"show", "export", "replay"}


def test_metrics(tmp_path: Path) -> None:
    """Its table has each of our metrics, and no other."""
    lab = MemoryLab(tmp_path, "[[service]]\nprotocol = 'echo'\nlisten = ['tcp:0']\n")
    lab.lab.node = MemoryEngine().node()
    suffixes = {"counter": "_total", "info": "_info"}
    families = LabCollector(lab.lab, ReactorLag(lab.reactor)).collect()
    there = {family.name + suffixes.get(family.type, "") for family in families}
    told = " ".join(row[0] for row in rows(section("Metrics", PAGE), "metric", "what it tells"))
    assert {*re.findall("`(socklab_[a-z_]+)`", told)} == there


def test_line() -> None:
    """The line of a record that it shows is one of the record that it is about."""
    (block,) = blocks(PAGE, "json")
    assert block.text in read(CHECKOUT / "docs" / "observe" / "echo.jsonl")
