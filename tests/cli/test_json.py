"""--json: what each command that opens nothing prints for programs."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from socklab.cli import main
from tests.cli.support import Run
from tests.config.support import one


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command(command: str) -> None:
    """Every command has it; of a group each one."""
    found = main.commands[command]
    for each in found.commands.values() if isinstance(found, click.Group) else [found]:
        assert any("--json" in parameter.opts for parameter in each.params)


def test_check(run: Run, tmp_path: Path) -> None:
    """check: each file with its numbers, or its mistakes; the status is the same."""
    (tmp_path / "good.toml").write_text(one(listen="'tcp:0', 'udp:0'"))
    (tmp_path / "bad.toml").write_text(one(more="x = 1"))
    result = run("check", "--json", "good.toml", "bad.toml")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == [
        {"file": "good.toml", "good": True, "services": 1, "listeners": 2, "errors": [], "in_use": []},
        {
            "file": "bad.toml",
            "good": False,
            "services": 0,
            "listeners": 0,
            "errors": ['bad.toml: service[1] "echo": x: unknown key'],
            "in_use": [],
        },
    ]


def test_explain(run: Run, tmp_path: Path) -> None:
    """explain: each listener, whether it lets the peer in, why, and its limits as numbers."""
    (tmp_path / "lab.toml").write_text(one("chat", "'tcp:3000'", 'access = ["deny 10.0.0.5", "allow all"]\n'))
    [found] = json.loads(run("explain", "--json", "lab.toml", "tcp", "10.0.0.6").stdout)
    assert (found["service"], found["transport"], found["where"]) == ("chat", "tcp", "*:3000")
    assert (found["allowed"], found["limits"]["line"]) == (True, 65536)
    result = run("explain", "--json", "lab.toml", "tcp", "10.0.0.5")
    [found] = json.loads(result.stdout)
    assert (result.exit_code, found["allowed"], found["limits"]) == (1, False, {})
    assert found["reasons"] == [
        {"text": 'access: rule 1 of 2, "deny 10.0.0.5", decides: it is 10.0.0.5', "allows": False}
    ]


def test_plan(run: Run, tmp_path: Path) -> None:
    """plan: what is opened, closed, changed or kept."""
    (tmp_path / "old.toml").write_text(one("chat", "'tcp:3000'"))
    (tmp_path / "new.toml").write_text(one("chat", "'tcp:3001'"))
    found = json.loads(run("plan", "--json", "old.toml", "new.toml").stdout)
    assert {"change": "opened", "what": "chat: tcp *:3001"} in found
    assert {"change": "closed", "what": "chat: tcp *:3000"} in found


def test_new_and_certificate(run: Run) -> None:
    """new and certificate: what was written."""
    found = json.loads(run("new", "--json", "shouting").stdout)
    assert "shouting/setup.cfg" in found["written"]
    assert found["next"][-1] == "twistd -n --pidfile= socklab --config shouting.toml"
    found = json.loads(run("certificate", "--json", "lab.example").stdout)
    assert (found["key"], found["certificate"], found["hosts"]) == ("key.pem", "cert.pem", ["lab.example"])
    assert Path("cert.pem").exists()
