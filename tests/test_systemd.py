"""systemd is told: what it shows of the unit, when others may start, and that the server still runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from socklab.service import Options
from socklab.systemd import Notifier
from socklab.workers.parent import WorkersLab
from tests import wire
from tests.process import CHECKOUT, ENVIRONMENT, Printed, Server, run, twistd
from tests.test_reload import FakeReactor

CONFIG = """
[[service]]
name = "one"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1']
"""


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(wire.PATIENCE)

    def heard(self) -> list[str]:
        """Give the lines of the next datagram, which is waited for."""
        return self._socket.recv(4096).decode().split("\n")

    def isQuiet(self) -> bool:
        """Tell whether no datagram is there."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(wire.PATIENCE)
        return False

    def close(self) -> None:
        """End."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager at a path, and one at an abstract address."""
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@socklab-test-{os.getpid()}")
    yield made
    made.close()


def test_life(manager: Manager) -> None:
    """Ready, a reload with its time, ready again, stopping."""
    notifier = Notifier(Clock(), {"NOTIFY_SOCKET": manager.address})
    notifier.ready("serving 한글")
    assert manager.heard() == ["READY=1", "STATUS=serving 한글"]
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second, *_ = manager.heard()
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.ready("x")
    assert manager.heard() == ["READY=1", "STATUS=x"]
    notifier.stopping(2.5)
    assert manager.heard() == ["STOPPING=1", "STATUS=closes, within 2.5 s", "EXTEND_TIMEOUT_USEC=12500000"]


def test_watchdog(manager: Manager) -> None:
    """The watchdog hears twice as often as it must, until the end."""
    clock = Clock()
    notifier = Notifier(clock, {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"})
    assert not clock.getDelayedCalls()
    notifier.ready("")
    manager.heard()
    assert manager.heard() == ["WATCHDOG=1"]
    for _ in range(3):
        clock.advance(1.4)
        assert manager.isQuiet()
        clock.advance(0.1)
        assert manager.heard() == ["WATCHDOG=1"]
    notifier.ready("again, after a reload")
    manager.heard()
    assert manager.isQuiet()
    notifier.stopped()
    clock.advance(60)
    assert manager.isQuiet()


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {},
    ],
)
def test_no_watchdog(environment: dict[str, str], manager: Manager) -> None:
    """A watchdog of another process, or one that makes no sense, is not fed."""
    clock = Clock()
    Notifier(clock, {"NOTIFY_SOCKET": manager.address, **environment}).ready("")
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_nobody_to_tell(environment: dict[str, str]) -> None:
    """Without systemd nothing is sent, and nothing fails."""
    notifier = Notifier(Clock(), {**environment, "WATCHDOG_USEC": "1000"})
    notifier.ready("")
    notifier.reloading()
    notifier.stopping(20)
    notifier.stopped()


def test_process(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server tells its manager when it is ready, reloads, is alive and stops; the journal has levels."""
    config = tmp_path / "lab.toml"
    config.write_text(CONFIG)
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000000"}
    for key, value in environment.items():
        monkeypatch.setitem(ENVIRONMENT, key, value)
    with Server(config, folder=tmp_path, before=(sys.executable, "-c", JOURNAL)) as server:
        assert manager.heard() == ["READY=1", "STATUS=serving one at 2 listeners"]
        assert manager.heard() == ["WATCHDOG=1"]
        server.sendSignal(signal.SIGHUP)
        assert manager.heard()[0] == "RELOADING=1"
        assert manager.heard() == ["READY=1", "STATUS=serving one at 2 listeners"]
        config.write_text("[[service]]\nprotocol = 'ecko'\n")
        server.sendSignal(signal.SIGHUP)
        assert manager.heard()[0] == "RELOADING=1"
        refused = "the config has changed and is not good: see the log"
        assert manager.heard() == ["READY=1", f"STATUS=serving one at 2 listeners; {refused}"]
        server.stop()
        # Ten seconds more than peers are given to leave, whatever the unit says.
        expected = ["STOPPING=1", "STATUS=closes, within 20 s", "EXTEND_TIMEOUT_USEC=30000000"]
        assert manager.heard() == expected
        lines = server.log.splitlines()
    assert "<6>[socklab] socklab ready" in lines
    assert "<3>[socklab] reload: the config is not good: nothing has changed" in lines
    assert [each for each in lines if not each.startswith(("<6>", "<3>"))] == []


def test_reload_before_workers_serve(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload that comes before the workers serve is told as one; that all is ready is told when they do."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    options = Options()
    options["config"] = str(tmp_path / "lab.toml")
    (tmp_path / "lab.toml").write_text(f"[server]\nworkers = 2\n{CONFIG}")
    options.config = options.load()
    lab = WorkersLab(options, FakeReactor())
    (tmp_path / "lab.toml").write_text("")
    lab.reload()
    assert manager.heard()[0] == "RELOADING=1"
    assert manager.isQuiet()


def test_complaint(tmp_path: Path) -> None:
    """What is wrong with a config comes to the journal as an error."""
    (tmp_path / "lab.toml").write_text("[[service]]\nprotocol = 'ecko'\n")
    arguments = ("-n", "--pidfile=", "socklab", "--config", "lab.toml", "--check")
    done = run(*arguments, folder=tmp_path, before=(sys.executable, "-c", JOURNAL))
    assert done.returncode == 1
    assert done.stderr.startswith("<3>lab.toml: service[1]")


# systemd.exec(5): what is printed goes to the journal.
JOURNAL = """
import os, sys
there = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{there.st_dev}:{there.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""

# sd_listen_fds(3): the sockets are the descriptors from 3 on.
ACTIVATE = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 100) for each in sys.argv[1].split(",")]
for number, descriptor in enumerate(passed, 3):
    os.dup2(descriptor, number)
os.environ.update(
    LISTEN_PID=str(os.getpid()),
    LISTEN_FDS=str(len(passed)),
    LISTEN_FDNAMES=":".join(f"socket{number}" for number in range(len(passed))),
)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated:
    """A server that is given listening sockets, as systemd does, and can be ended and started again."""

    def __init__(self, folder: Path, listen: str, *passed: socket.socket) -> None:
        """@param listen: the entries, as in the config."""
        self._config = folder / "activated.toml"
        self._config.write_text(f'[[service]]\nprotocol = "echo"\nlisten = [{listen}]\n')
        command = twistd("-n", "--pidfile=", "socklab", "--config", str(self._config))
        numbers = [each.fileno() for each in passed]
        self._process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), *command],
            pass_fds=numbers,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._log = Printed(self._process.stdout)

    def waitFor(self, line: bytes) -> None:
        """Wait for a line of its log."""
        assert self._log.waitFor(line, 30), bytes(self._log).decode()

    def sendSignal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def reload(self, listen: str, line: bytes) -> None:
        """Have it serve something else, and wait for a line of its log.

        @param listen: the entries, as in the config.
        """
        self._config.write_text(f'[[service]]\nprotocol = "echo"\nlisten = [{listen}]\n')
        self.sendSignal(signal.SIGHUP)
        self.waitFor(line)

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        self._process.terminate()
        self._process.wait(30)
        self._log.waitForEnd(30)


def test_restart_refuses_nobody(tmp_path: Path) -> None:
    """With sockets that systemd holds, who connects while no server runs is served by the next one.

    Whatever the `domain`, the socket knows best; a file is left as it is.
    """
    path = tmp_path / "echo.sock"
    listen = "'systemd:domain=INET:index=0', 'systemd:domain=UNIX:name=socket1'"
    dual = socket.create_server(("::", 0), family=socket.AF_INET6, backlog=100, dualstack_ipv6=True)
    with dual as listening, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(path))
        local.listen(100)
        path.chmod(0o640)
        port = listening.getsockname()[1]
        server = Activated(tmp_path, listen, listening, local)
        server.waitFor(b"socklab ready")
        server.sendSignal(signal.SIGHUP)
        server.waitFor(b"reload: = echo")
        for client in (wire.tcp(port), wire.unix(path)):
            with client:
                client.sendall(b"before")
                assert wire.exactly(client, 6) == b"before"
        server.stop()
        clients = [connect() for _ in range(20) for connect in (lambda: wire.tcp(port), lambda: wire.unix(path))]
        for client in clients:
            client.sendall(b"between")
        server = Activated(tmp_path, listen, listening, local)
        try:
            for client in clients:
                with client:
                    assert wire.exactly(client, 7) == b"between"
        finally:
            server.stop()
        assert path.stat().st_mode & 0o777 == 0o640


def test_listener_comes_back(tmp_path: Path) -> None:
    """A reload takes a socket of systemd's out of use, and the next one takes it back."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        one, both = "'systemd:domain=INET:index=0'", "'systemd:domain=INET:index=0', 'systemd:domain=INET:index=1'"
        server = Activated(tmp_path, both, first, second)
        try:
            server.waitFor(b"socklab ready")
            server.reload(one, b"reload: - echo")
            server.reload(both, b"reload: + echo")
            with wire.tcp(second.getsockname()[1]) as client:
                client.sendall(b"again")
                assert wire.exactly(client, 5) == b"again"
        finally:
            server.stop()


def test_datagrams(tmp_path: Path) -> None:
    """A socket of datagrams is no stream: a line says so, status 1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        server = Activated(tmp_path, "'systemd:domain=INET:index=0'", bound)
        server.waitFor(b"systemd has passed a socket of datagrams: the socket unit needs ListenStream=")
        server.stop()


def test_socket_that_is_not_passed(tmp_path: Path) -> None:
    """Whoever checks the config has no such socket, and need not; the server does not start without it."""
    (tmp_path / "lab.toml").write_text(
        '[[service]]\nname = "one"\nprotocol = "echo"\nlisten = ["systemd:domain=INET:index=0"]\n'
    )
    arguments = ("-n", "--pidfile=", "socklab", "--config", "lab.toml")
    checked = run(*arguments, "--check", folder=tmp_path)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    started = run(*arguments, folder=tmp_path)
    why = "systemd has passed no such socket to this process"
    assert (started.returncode, started.stderr) == (1, f"one: systemd systemd:domain=INET:index=0: {why}\n")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_unit(tmp_path: Path) -> None:
    """systemd finds nothing to say of the unit that is shipped."""
    unit = tmp_path / "socklab.service"
    shipped = (CHECKOUT / "configs" / "socklab.service").read_text()
    unit.write_text(shipped.replace("/opt/socklab/bin/twistd", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
