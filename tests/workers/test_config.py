"""`[server] workers` in a config, and what several processes read of one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from socklab.config import ConfigError, loadConfig
from socklab.config.workers import workersOf
from socklab.plan import plan
from socklab.source import Given, Remembered, reading

ECHO = "[[service]]\nprotocol = 'echo'\nlisten = ['tcp:0']\n"


def write(folder: Path, workers: str, rest: str = ECHO) -> Path:
    """Write a config with so many workers."""
    path = folder / "workers.toml"
    path.write_text(f"[server]\nworkers = {workers}\n{rest}")
    return path


@pytest.mark.parametrize(("value", "shown"), [("0", "0"), ("257", "257"), ("true", "true"), ("'many'", '"many"')])
def test_mistakes(tmp_path: Path, value: str, shown: str) -> None:
    """Anything but a number from 1 to 256, or "auto", is a mistake."""
    path = write(tmp_path, value)
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert caught.value.lines == [
        f'{path}: server.workers: expected a number of processes from 1 to 256, or "auto", got {shown}'
    ]


def test_auto(tmp_path: Path) -> None:
    """`auto` is one for each CPU that the process may use."""
    assert workersOf(loadConfig(write(tmp_path, "'auto'")).server) == len(os.sched_getaffinity(0))


def test_reload(tmp_path: Path) -> None:
    """The number of workers changes while they run; from one process to several, or back, needs a restart."""
    one, two, three = (loadConfig(write(tmp_path, number)) for number in "123")
    assert "~ [server]: workers" in [*plan(two, three).lines()]
    assert "~ [server]: workers" in [*plan(two, one).lines()]
    assert "! [server]: workers: needs a restart" in [*plan(one, two).lines()]


def test_given(tmp_path: Path) -> None:
    """A worker reads what its parent has read, also when that is gone by now, and nothing else."""
    path = write(tmp_path, "2")
    with reading(Remembered()) as source:
        loadConfig(path)
    assert isinstance(source, Remembered)
    path.unlink()
    with reading(Given(source.files)):
        assert loadConfig(path).server.workers == 2
    with reading(Given({})), pytest.raises(ConfigError, match="permission denied"):
        loadConfig(path)


def test_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file may be read no more, what was read before holds; else what is gone is gone."""
    path = tmp_path / "secret.pem"
    before = {str(path): b"before", str(tmp_path / "key.pem"): b"key"}
    path.write_bytes(b"now")
    source = Remembered(before)
    assert source.read(path) == b"now"
    assert source.files == {str(path): b"now"}

    def refuse(self: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        source.read(tmp_path / "cert.pem")
    assert source.files == {**before, str(path): b"now"}
