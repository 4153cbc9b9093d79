"""`twistd socklab --check`."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from socklab.service import Options
from tests.config.support import (
    one,
)
from tests.process import ENVIRONMENT, run


def checked(*arguments: str) -> tuple[Any, str, str]:
    """Have the options parsed; give how that ended, and what stood on standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    status = None
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "__stderr__", err)
        try:
            Options().parseOptions([*arguments])
        except SystemExit as error:
            status = error.code
    return status, out.getvalue(), err.getvalue()


class TestCheck:
    """`twistd socklab --check`"""

    def test_good(self, tmp_path: Path) -> None:
        """A good file: status 0, and no word."""
        (tmp_path / "lab.toml").write_text(one())
        assert checked("--check", "--config", f"{tmp_path}/lab.toml") == (0, "", "")
        status, out, err = checked("--check")
        assert (status, out) == (0, "")
        # Somebody may run the lab meanwhile.
        assert all(line.startswith("note: in use by ") for line in err.splitlines())

    @pytest.mark.parametrize("flags", [["--check"], []])
    def test_bad(self, flags: list[str], tmp_path: Path) -> None:
        """A bad one: status 1, and its mistakes on standard error, whether it was to be checked only or served."""
        (tmp_path / "lab.toml").write_text(one(more="x = 1\ny = 2"))
        assert checked(*flags, "--config", f"{tmp_path}/lab.toml") == (
            1,
            "",
            "".join(f'{tmp_path}/lab.toml: service[1] "echo": {key}: unknown key\n' for key in "xy"),
        )

    def test_without_check(self, tmp_path: Path) -> None:
        """Without --check a good file goes on to be served."""
        (tmp_path / "lab.toml").write_text(one(more="name = 'x'"))
        options = Options()
        options.parseOptions(["--config", f"{tmp_path}/lab.toml"])
        assert [each.name for each in options.config.services] == ["x"]

    @pytest.mark.parametrize(("more", "status"), [("", 0), ("x = 1", 1)])
    def test_process(self, more: str, status: int, tmp_path: Path) -> None:
        """So it is for the real command: nothing on standard output, no log, no pid file."""
        (tmp_path / "lab.toml").write_text(one(listen="'tcp:0', 'ws:tcp:0'", more=more))
        before = {each.name for each in tmp_path.iterdir()}
        done = run("socklab", "--check", "--config", "lab.toml", folder=tmp_path)
        expected = 'lab.toml: service[1] "echo": x: unknown key\n' if more else ""
        assert (done.returncode, done.stdout, done.stderr) == (status, "", expected)
        assert {each.name for each in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("more", ["", "x = 1"])
    def test_nothing_is_installed_or_opened(self, more: str, tmp_path: Path, certificate: Path) -> None:
        """A check of every kind of listener installs no reactor and opens no socket."""
        listen = (
            "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock', 'haproxy:tcp:0', "
            f"'ssl:0:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem'"
        )
        (tmp_path / "lab.toml").write_text(one("chat", listen, more))
        script = (
            "import socket, sys\n"
            "class Refused:\n"
            "    def __init__(self, *args, **kw): raise AssertionError('a socket')\n"
            "from socklab.service import Options\n"
            "socket.socket = Refused\n"
            "try: Options().parseOptions(['--check', '--config', 'lab.toml'])\n"
            "except SystemExit as error: print(error.code)\n"
            "print('twisted.internet.reactor' in sys.modules, 'autobahn' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout == f"{1 if more else 0}\nFalse False\n", done.stderr
        assert not (tmp_path / "a.sock").exists()
