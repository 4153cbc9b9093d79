"""The log of a real process, in both forms: on standard output, and in a daemon's file."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.process import Server, run

CONFIG = """
[server]
log_format = "{form}"
[[service]]
name = "one"
protocol = "{protocol}"
listen = ['unix:one.sock', 'tcp:0:interface=127.0.0.1']
"""


def write(folder: Path, form: str = "json", protocol: str = "echo", more: str = "") -> Path:
    """Write a config."""
    path = folder / "lab.toml"
    path.write_text(CONFIG.format(form=form, protocol=protocol) + more)
    return path


def parsed(log: str) -> list[dict[str, Any]]:
    """Give a log's objects; each line must be one."""
    return [json.loads(line) for line in log.splitlines()]


def test_foreground(tmp_path: Path) -> None:
    """With -n each line on standard output is an object; that a port is open is said once."""
    with Server(write(tmp_path, more="[service.limits]\nper_address = 1\n"), folder=tmp_path) as server:
        pass
    found = parsed(server.log)
    assert [each["event"] for each in found if each["event"] != "log"] == ["listening", "listening", "ready"]
    assert any("starting up" in each.get("message", "") for each in found)
    assert not any("starting on" in each.get("message", "") for each in found)


class Daemon:
    """A daemon with a log file."""

    def __init__(self, config: Path, *options: str) -> None:
        self.log = config.parent / "the.log"
        self._pidFile = config.parent / "pid"
        started = run(
            f"--pidfile={self._pidFile}",
            f"--logfile={self.log}",
            "socklab",
            "--config",
            str(config),
            folder=config.parent,
        )
        assert started.returncode == 0, started.stderr
        self._process = os.pidfd_open(int(self._pidFile.read_text()))

    def waitFor(self, isSo: Callable[[], bool]) -> None:
        """Wait until something is so, or the daemon has ended."""
        deadline = time.monotonic() + 30
        while not isSo():
            ended, _, _ = select.select([self._process], [], [], 0.02)
            assert isSo() or not (ended or time.monotonic() > deadline), self.log.read_text()

    def rotate(self) -> None:
        """Have it begin a new log."""
        signal.pidfd_send_signal(self._process, signal.SIGUSR1)

    def says(self, text: str) -> bool:
        """Tell whether a text stands in its log."""
        return text in self.log.read_text()

    def stop(self) -> None:
        """End it."""
        signal.pidfd_send_signal(self._process, signal.SIGTERM)
        select.select([self._process], [], [], 30)
        os.close(self._process)


@pytest.mark.parametrize("form", ["json", "text"])
def test_daemon(form: str, tmp_path: Path) -> None:
    """A daemon writes its --logfile in the form that the config says, and SIGUSR1 begins a new one."""
    daemon = Daemon(write(tmp_path, form))
    try:
        daemon.waitFor(lambda: daemon.says("socklab ready"))
        with wire.unix(tmp_path / "one.sock") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        if form == "json":
            daemon.waitFor(lambda: daemon.says('"event": "closed"'))
        first = daemon.log.read_text()
        daemon.rotate()
        old = tmp_path / "the.log.1"
        daemon.waitFor(old.exists)
        assert old.read_text() == first
    finally:
        daemon.stop()
    assert daemon.says("Server Shut Down.")
    if form == "json":
        found = parsed(first) + parsed(daemon.log.read_text())
        (opened,) = [each for each in found if each["event"] == "opened"]
        (closed,) = [each for each in found if each["event"] == "closed"]
        assert opened["transport"] == "unix"
        assert opened["connection"] == closed["connection"] == 1
        assert (closed["by"], closed["reason"]) == ("peer", "closed")
    else:
        assert "[socklab] socklab ready\n" in first


def test_plain_protocol_that_fails(tmp_path: Path) -> None:
    """Tracebacks that Twisted logs for its own protocols are objects too, and bounded."""
    (tmp_path / "plain.py").write_text(
        "from twisted.internet.protocol import Factory, Protocol\n"
        "class Broken(Protocol):\n"
        "    def dataReceived(self, data):\n"
        "        raise ValueError(data)\n"
        "class BrokenFactory(Factory):\n"
        "    protocol = Broken\n"
    )
    with Server(write(tmp_path, protocol="plain:BrokenFactory"), folder=tmp_path) as server:
        # It finds them all at once: ten are logged then, and one a second.
        server.sendSignal(signal.SIGSTOP)
        clients = [wire.unix(tmp_path / "one.sock") for _ in range(40)]
        for client in clients:
            client.sendall(b"\n{}\n")
        server.sendSignal(signal.SIGCONT)
        for client in clients:
            with client:
                assert client.recv(1) == b""
        server.stop()
    found = parsed(server.log)
    logged = [each for each in found if "traceback" in each]
    assert 10 <= len(logged) < 40
    assert len(logged) + sum(each["left_out"] for each in found if "left_out" in each) == 40


def test_syslog(tmp_path: Path) -> None:
    """JSON cannot go to syslog: one line says so, status 1."""
    done = run("-n", "--pidfile=", "--syslog", "socklab", "--config", str(write(tmp_path)), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == '--syslog: the log of [server] log_format = "json" cannot go there: use --logfile\n'


def test_observer_of_the_operators_own(tmp_path: Path) -> None:
    """What --logger names comes first."""
    (tmp_path / "mine.py").write_text(
        "import os\n"
        "from zope.interface import provider\n"
        "from twisted.logger import ILogObserver, formatEvent\n"
        "def observer():\n"
        "    @provider(ILogObserver)\n"
        "    def observe(event):\n"
        "        os.write(1, f'mine: {formatEvent(event)}\\n'.encode())\n"
        "        if 'ready' in formatEvent(event):\n"
        "            os.kill(os.getpid(), 15)\n"
        "    return observe\n"
    )
    config = str(write(tmp_path))
    done = run("-n", "--pidfile=", "--logger=mine.observer", "socklab", "--config", config, folder=tmp_path)
    assert "mine: socklab ready\n" in done.stdout
    assert "{" not in done.stdout
