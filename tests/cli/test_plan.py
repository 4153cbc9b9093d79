"""`socklab plan`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

ONE = '[[service]]\nname = "{name}"\nprotocol = "echo"\nlisten = ["tcp:0"]\n{more}'


def write(folder: Path, name: str, text: str) -> str:
    """Write a config, and give its name."""
    (folder / name).write_text(text)
    return name


def test_nothing(run: Run, tmp_path: Path) -> None:
    """Equal configs change nothing."""
    old = write(tmp_path, "old.toml", ONE.format(name="a", more=""))
    result = run("plan", old, old)
    assert (result.exit_code, result.stdout) == (0, "= a\n")


def test_changes(run: Run, tmp_path: Path) -> None:
    """Services that come, go and change are told, in the order of the new file."""
    old = write(tmp_path, "old.toml", ONE.format(name="a", more="") + ONE.format(name="b", more=""))
    new = ONE.format(name="b", more="[service.limits]\nline = 9\n") + ONE.format(name="c", more="")
    result = run("plan", old, write(tmp_path, "new.toml", new))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["~ b: limits", "+ c", "+ c: tcp *:0: taken over", "- a: its peers drain"]


def test_what_is_not_done(run: Run, tmp_path: Path) -> None:
    """What needs a restart gives status 1."""
    text = ONE.format(name="a", more="")
    old = write(tmp_path, "old.toml", text.replace("tcp:0", "tcp:49152"))
    new = write(tmp_path, "new.toml", text.replace("tcp:0", "tcp:49152:interface=127.0.0.1"))
    result = run("plan", old, new)
    why = "tcp 127.0.0.1:49152: needs a restart: tcp:49152 has the address until then"
    assert (result.exit_code, result.stdout) == (1, f"! a: {why}\n")


def test_bad_config(run: Run, tmp_path: Path) -> None:
    """A config that is not good is told on standard error."""
    old = write(tmp_path, "old.toml", ONE.format(name="a", more=""))
    result = run("plan", old, write(tmp_path, "new.toml", ONE.format(name="a", more="acess = []")))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown key" in result.stderr
