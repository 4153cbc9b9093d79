"""A module beside a config, as a real twistd finds it."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests import wire
from tests.process import Server, run
from tests.test_process import waitUntilGone

SHOUT = """
from __future__ import annotations
from socklab import Factory, MessageProtocol

class ShoutProtocol(MessageProtocol):
    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        from helper import louder
        self.transport.sendMessage(louder(payload), isBinary)

class ShoutFactory(Factory):
    protocol = ShoutProtocol
"""
HELPER = """
def louder(text: bytes) -> bytes:
    return text.upper()
"""
REACTOR = "twisted.internet.error.ReactorAlreadyInstalledError: reactor already installed"
CONFIG = "[[service]]\nname = 'shout'\nprotocol = 'shout:ShoutFactory'\nlisten = ['unix:shout.sock']\n"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with a config, its module, and a module that this one imports while it serves."""
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "lab.toml").write_text(CONFIG)
    (folder / "shout.py").write_text(SHOUT)
    (folder / "helper.py").write_text(HELPER)
    (tmp_path / "elsewhere").mkdir()
    return folder


def answers(folder: Path) -> None:
    """Check that it is served."""
    with wire.unix(folder / "shout.sock") as client:
        client.sendall(b"hello")
        assert wire.exactly(client, 5) == b"HELLO"


def end(pid: int) -> None:
    """Tell a process to end, and wait until it has."""
    os.kill(pid, signal.SIGTERM)
    waitUntilGone(pid)


@pytest.mark.parametrize("config", ["lab.toml", "../lab/lab.toml", "link.toml"])
def test_from_anywhere(config: str, lab: Path) -> None:
    """The module is found beside the config, wherever twistd is started, by whatever name the config has."""
    elsewhere = lab.parent / "elsewhere"
    (elsewhere / "link.toml").symlink_to(lab / "lab.toml")
    with Server(Path(config), folder=lab if config == "lab.toml" else elsewhere) as server:
        answers(lab)
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in server.log


@pytest.mark.parametrize("rundir", [(), ("--rundir=/",)])
def test_daemon(rundir: tuple[str, ...], lab: Path) -> None:
    """As a daemon too, also one that changes its folder, and for what the module imports later."""
    elsewhere = lab.parent / "elsewhere"
    files = (f"--pidfile={elsewhere}/pid", f"--logfile={elsewhere}/log")
    done = run(*rundir, *files, "socklab", "--config", "../lab/lab.toml", folder=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    pid = int((elsewhere / "pid").read_text())
    try:
        answers(lab)
    finally:
        end(pid)
    assert "Traceback" not in (elsewhere / "log").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_privileges_are_dropped(lab: Path) -> None:
    """What is imported after root has become somebody else is found as well."""
    # The folders of pytest are its user's alone.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for each in lab.iterdir():
            each.rename(folder / each.name)
        files = (f"--pidfile={lab}/pid", f"--logfile={lab}/log", "--uid=65534", "--gid=65534")
        done = run(*files, "socklab", "--config", f"{folder}/lab.toml", folder=folder)
        assert (done.returncode, done.stderr) == (0, "")
        pid = int((lab / "pid").read_text())
        try:
            assert "\nUid:\t65534\t" in Path(f"/proc/{pid}/status").read_text()
            answers(folder)
        finally:
            end(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from it")
@pytest.mark.parametrize("form", [("-n", "--pidfile="), ("--pidfile=pid", "--logfile=log")])
def test_refused_to_root(form: tuple[str, ...], lab: Path) -> None:
    """Where others can write, root runs nothing: one line that says what to do, and status 1."""
    lab.chmod(0o777)
    done = run(*form, "socklab", "--config", "lab.toml", folder=lab)
    assert (done.returncode, done.stdout) == (1, "")
    why = f"{lab} is writable by others than its owner, and root runs no code from there: chmod go-w {lab}"
    assert done.stderr == f'lab.toml: service[1] "shout": protocol: {why}\n'


BROKEN = {
    "lacking": ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere' (LAB/lacking.py, line 1)"),
    "through": ("import other\n", "SyntaxError: invalid syntax (LAB/other.py, line 2)"),
    "leaving": ("import sys\nsys.exit('no')\n", "SystemExit: no (LAB/leaving.py, line 2)"),
    "reactors": (
        "from twisted.internet import selectreactor\nselectreactor.install()\n",
        f"{REACTOR} (LAB/reactors.py, line 2)",
    ),
    # The file's path stands within what Python says of it.
    "round": ("from circle import x\n", "ImportError: cannot import name 'y' from partially initialized module"),
}


def test_broken(lab: Path) -> None:
    """A module that does not import is told in one line on standard error, with its own line, and status 1."""
    (lab / "other.py").write_text("x = 1\ndef\n")
    (lab / "circle.py").write_text("from round import y\nx = 1\n")
    config = ""
    for name, (source, _) in BROKEN.items():
        (lab / f"{name}.py").write_text(source)
        config += CONFIG.replace("shout", name)
    (lab / "lab.toml").write_text(config)
    done = run("-n", "--pidfile=", "--reactor=poll", "socklab", "--config", "lab.toml", "--check", folder=lab)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    for number, (line, (name, (_, why))) in enumerate(zip(lines, BROKEN.items(), strict=True), 1):
        begin = f'lab.toml: service[{number}] "{name}": protocol: {name} does not import: '
        assert line.startswith(begin + why.replace("LAB", str(lab)))
    assert lines[-1].endswith(f" ({lab}/circle.py, line 1)")


def test_talkative(lab: Path) -> None:
    """A module that prints, or wants the reactor, as it is imported is served like any other."""
    (lab / "shout.py").write_text(
        f"{SHOUT}\nfrom twisted.internet import reactor\nprint('imported', flush=True)\n"
    )
    with Server(Path("lab.toml"), folder=lab) as server:
        answers(lab)
        assert server.log.count("imported") == 1
