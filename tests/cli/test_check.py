"""`socklab check`."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

import pytest

from tests.cli.support import SHOUT, Run
from tests.config.support import one


def test_good(run: Run, tmp_path: Path) -> None:
    """Of a good file it says what would be served."""
    (tmp_path / "one.toml").write_text(one())
    (tmp_path / "two.toml").write_text(
        one(listen="'tcp:0', 'udp:0', 'ws:tcp:0'") + one("chat", "'tcp:0', 'udp:0'")
    )
    result = run("check", "one.toml", "two.toml")
    assert result.stdout == "one.toml: good: 1 service, 1 listener\ntwo.toml: good: 2 services, 5 listeners\n"
    assert (result.exit_code, result.stderr) == (0, "")


def test_in_use(run: Run, tmp_path: Path) -> None:
    """An address that somebody has by now is no mistake, and a note says who."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / "used.toml").write_text(one(listen=f"'tcp:{port}:interface=127.0.0.1', 'tcp:0'"))
        result = run("check", "used.toml")
    assert (result.exit_code, result.stdout) == (0, "used.toml: good: 1 service, 2 listeners\n")
    assert result.stderr.startswith("note: used.toml: in use by ")
    assert result.stderr.endswith(f"(pid {os.getpid()}, user {getpass.getuser()}): echo tcp 127.0.0.1:{port}\n")


def test_bad(run: Run, tmp_path: Path) -> None:
    """Every mistake of every file is told on standard error; the other files are told good nevertheless."""
    (tmp_path / "bad.toml").write_text(one(more="x = 1\ny = 2"))
    (tmp_path / "good.toml").write_text(one())
    result = run("check", "bad.toml", "none.toml", "good.toml")
    assert result.stderr == (
        'bad.toml: service[1] "echo": x: unknown key\n'
        'bad.toml: service[1] "echo": y: unknown key\n'
        "none.toml: no such file or directory\n"
    )
    assert (result.exit_code, result.stdout) == (1, "good.toml: good: 1 service, 1 listener\n")


def test_folder(run: Run, tmp_path: Path) -> None:
    """A folder is no config, and that is one line."""
    result = run("check", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{tmp_path}: is a directory\n"


def test_no_file(run: Run) -> None:
    """Without a file it says how it is used."""
    result = run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Missing argument 'FILE...'" in result.stderr


@pytest.mark.parametrize("first", ["a", "b"])
def test_modules_of_the_same_name(run: Run, tmp_path: Path, first: str) -> None:
    """Each config has the modules beside it, though another folder has modules of the same names."""
    for folder, source in (("a", SHOUT), ("b", SHOUT.replace("marks", "dots"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shout.py").write_text(source)
        (tmp_path / folder / "shout.toml").write_text(one("shout:ShoutFactory", more="options = { marks = 1 }"))
    files = [f"{each}/shout.toml" for each in sorted("ab", reverse=first == "b")]
    result = run("check", *files)
    assert result.exit_code == 1
    assert result.stdout == "a/shout.toml: good: 1 service, 1 listener\n"
    assert result.stderr == 'b/shout.toml: service[1] "shout:ShoutFactory": options.marks: unknown key\n'
