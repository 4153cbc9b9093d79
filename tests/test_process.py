"""`twistd socklab` as its users run it: the shipped configs, the daemon, and what goes wrong at the start."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from socklab.config import loadLab
from tests import wire
from tests.process import CHECKOUT, ENVIRONMENT, Server, onFreePorts, run

CONFIGS = sorted(each.name for each in (CHECKOUT / "configs").glob("*.toml"))


def write(folder: Path, *listens: str, protocol: str = "echo", more: str = "") -> Path:
    """Write a config of one service."""
    path = folder / "lab.toml"
    listen = ", ".join(f"'{each}'" if each[0] != "{" else each for each in listens)
    path.write_text(f'{more}\n[[service]]\nname = "one"\nprotocol = "{protocol}"\nlisten = [{listen}]\n')
    return path


def shipped(name: str, folder: Path, certificate: Path) -> Path:
    """Copy a shipped config onto free ports, with a certificate beside it."""
    (folder / "shout.py").write_text((CHECKOUT / "configs" / "shout.py").read_text())
    for each in ("key.pem", "cert.pem"):
        (folder / each).write_bytes((certificate / each).read_bytes())
    path = folder / name
    path.write_text(onFreePorts((CHECKOUT / "configs" / name).read_text()))
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_config(name: str, tmp_path: Path, certificate: Path) -> None:
    """Each shipped config starts, says what it serves, accepts connections, and ends on SIGTERM."""
    with Server(shipped(name, tmp_path, certificate), folder=tmp_path) as server:
        assert server.ports
        for (_, transport), port in server.ports.items():
            if transport != "udp":
                wire.tcp(port).close()
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in server.log
        assert "Server Shut Down." in server.log


def test_built_in_lab() -> None:
    """Without --config the lab of the documentation is served, on loopback only."""
    config = loadLab()
    served = {
        (service.name, each.listen.transport, each.listen.port)
        for service in config.services
        for each in service.listeners
    }
    assert served == {
        (name, transport, port + (transport == "ws"))
        for name, port in (("echo", 59000), ("oneshot", 59100), ("chat", 59200))
        for transport in ("tcp", "udp", "ws")
    }
    interfaces = {each.listen.interface for service in config.services for each in service.listeners}
    assert interfaces == {"127.0.0.1", "::1"}
    assert config.server.trace == "text"


def test_twistd_lists_it(tmp_path: Path) -> None:
    """twistd --help names socklab, and its own --help tells the options."""
    assert "socklab" in run("--help", folder=tmp_path).stdout
    help_ = run("socklab", "--help", folder=tmp_path).stdout
    assert "--config=" in help_
    assert "--check" in help_


def waitForEnd(pidFile: Path) -> None:
    """Wait until the process whose number a file holds is gone."""
    with contextlib.suppress(FileNotFoundError):
        waitUntilGone(int(pidFile.read_text()))


class TestStart:
    """What the log and the terminal say at the start."""

    def test_one_line_for_each_listener(self, tmp_path: Path) -> None:
        """Each listener's line tells service, transport and address, then `socklab ready`."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", "ws:tcp:0:interface=127.0.0.1", "unix:one.sock")
        with Server(config, folder=tmp_path) as server:
            ports = server.ports
            lines = [line.partition("[socklab] ")[2] for line in server.log.splitlines() if "[socklab]" in line]
            assert lines == [
                f"one: tcp 127.0.0.1:{ports['one', 'tcp']}",
                f"one: ws 127.0.0.1:{ports['one', 'ws']}",
                f"one: unix {tmp_path}/one.sock",
                "socklab ready",
            ]

    def test_garbage_is_looked_for(self, tmp_path: Path) -> None:
        """While it starts nobody looks for garbage; when it serves Python does, as ever."""
        (tmp_path / "garbage.py").write_text(
            "import gc\n"
            "from socklab import Factory, MessageProtocol\n"
            "atStart = gc.isenabled()\n"
            "class Garbage(MessageProtocol):\n"
            "    def messageReceived(self, payload, isBinary):\n"
            "        self.transport.sendMessage(f'{atStart} {gc.isenabled()}'.encode(), isBinary)\n"
            "class GarbageFactory(Factory):\n"
            "    protocol = Garbage\n"
        )
        config = write(tmp_path, "unix:one.sock", protocol="garbage:GarbageFactory")
        with Server(config) as server, wire.unix(server.path("one")) as client:
            client.sendall(b"?")
            assert wire.exactly(client, 10) == b"False True"

    def test_optional_listener(self, tmp_path: Path) -> None:
        """An optional listener whose address the machine lacks is left out, with a log line."""
        absent = "tcp:0:interface=192.0.2.1"
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", f"{{endpoint = '{absent}', optional = true}}")
        with Server(config, folder=tmp_path) as server:
            assert "one: tcp 192.0.2.1:0 left out: this machine has no address 192.0.2.1" in server.log

    @pytest.mark.parametrize("form", [("-n", "--pidfile=twistd.pid"), ("--pidfile=twistd.pid", "--logfile=log")])
    def test_busy_port(self, form: tuple[str, ...], tmp_path: Path) -> None:
        """Ports that are taken: a line for each, with who has it; status 1, no traceback, no pid file."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config = write(tmp_path, f"tcp:{port}:interface=127.0.0.1", f"ws:tcp:{port}", protocol="chat")
            config.write_text(config.read_text().replace(f", 'ws:tcp:{port}'", ""))
            done = run(*form, "socklab", "--config", str(config), folder=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"one: tcp 127.0.0.1:{port}: the address is in use already by ")
        assert f"(pid {os.getpid()}, user " in done.stderr
        assert done.stderr.endswith(f"): `ss -antp 'sport = :{port}'` shows it\n")
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stdout
        assert not (tmp_path / "twistd.pid").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up a capability")
    def test_privileged_port(self, tmp_path: Path) -> None:
        """A port below 1024, without the privilege: one line that says what to do."""
        config = write(tmp_path, "tcp:1:interface=127.0.0.1")
        without = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
        done = run("-n", "--pidfile=", "socklab", "--config", str(config), folder=tmp_path, before=without)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "one: tcp 127.0.0.1:1: ports below 1024 need a privilege: start as root with --uid, "
            "give the process CAP_NET_BIND_SERVICE, or take a port from 1024 on\n"
        )

    def test_what_only_opening_shows(self, tmp_path: Path) -> None:
        """A listener that fails as it is opened ends twistd with its line and status 1, and leaves no pid file."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", "unix:absent/one.sock")
        done = run("-n", "--pidfile=twistd.pid", "socklab", "--config", str(config), folder=tmp_path)
        assert done.returncode == 1
        folder = tmp_path / "absent"
        why = f"no such file or directory: {folder} must be there, and twistd may write in it"
        assert done.stderr.splitlines()[-1] == f"socklab: one: unix {folder}/one.sock: {why}"
        assert "Traceback" not in done.stdout + done.stderr
        assert not (tmp_path / "twistd.pid").exists()

    def test_what_only_opening_shows_as_a_daemon(self, tmp_path: Path) -> None:
        """As a daemon the same ends with status 1 and the line, as far as twistd passes it on."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", "unix:absent/one.sock")
        done = run("--pidfile=twistd.pid", "--logfile=log", "socklab", "--config", str(config), folder=tmp_path)
        assert done.returncode == 1
        assert "socklab.StartError: one: unix " in done.stderr
        assert "Traceback" not in done.stderr
        # The parent has reported and gone; the daemon may still be clearing up.
        waitForEnd(tmp_path / "twistd.pid")
        assert not (tmp_path / "twistd.pid").exists()
        assert "absent/one.sock: no such file or directory" in (tmp_path / "log").read_text()

    def test_config_errors(self, tmp_path: Path) -> None:
        """Mistakes in the config are listed on standard error, and the status is 1."""
        config = write(tmp_path, "tcp:0", protocol="ecko")
        done = run("-n", "--pidfile=", "socklab", "--config", str(config), folder=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f'{config}: service[1] "one": protocol: ')
        assert "did you mean `echo`?" in done.stderr


class TestDaemon:
    """Without -n."""

    def test_life(self, tmp_path: Path) -> None:
        """It forks, writes a pid file and a log that nobody else may write, serves, and ends on SIGTERM."""
        config = write(tmp_path, "unix:one.sock")
        arguments = ("--pidfile=twistd.pid", "--logfile=log", "socklab", "--config", str(config))
        done = run(*arguments, folder=tmp_path, before=("sh", "-c", 'umask 0; exec "$@"', "sh"))
        assert (done.returncode, done.stderr) == (0, "")
        pid = int((tmp_path / "twistd.pid").read_text())
        try:
            for name in ("twistd.pid", "log"):
                assert not (tmp_path / name).stat().st_mode & 0o022
            with wire.unix(tmp_path / "one.sock") as client:
                client.sendall(b"hello")
                assert wire.exactly(client, 5) == b"hello"
            assert "socklab ready" in (tmp_path / "log").read_text()
        finally:
            os.kill(pid, signal.SIGTERM)
        waitUntilGone(pid)
        assert not (tmp_path / "twistd.pid").exists()
        assert "Server Shut Down." in (tmp_path / "log").read_text()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_privileges_are_dropped(self, tmp_path: Path) -> None:
        """With --uid and --gid the port is opened as root, then served as the other user."""
        tmp_path.chmod(0o777)
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", "ws:tcp:0:interface=127.0.0.1")
        done = run(
            *("--pidfile=twistd.pid", "--logfile=log", "--uid=65534", "--gid=65534"),
            *("socklab", "--config", str(config)),
            folder=tmp_path,
        )
        assert (done.returncode, done.stderr) == (0, "")
        pid = int((tmp_path / "twistd.pid").read_text())
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
            assert "\nGroups:\t65534 \n" in status
            started = re.search(r"one: tcp 127\.0\.0\.1:(\d+)", (tmp_path / "log").read_text())
            assert started
            with wire.tcp(int(started[1])) as client:
                client.sendall(b"hello")
                assert wire.exactly(client, 5) == b"hello"
        finally:
            os.kill(pid, signal.SIGTERM)
        waitUntilGone(pid)


def waitUntilGone(pid: int) -> None:
    """Wait for a process that is no child of this one."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        gone, _, _ = select.select([process], [], [], 60)
        assert gone, f"process {pid} has not ended"
    finally:
        os.close(process)


class TestStop:
    """SIGTERM."""

    def test_peers_are_told(self, tmp_path: Path) -> None:
        """Streams get what is owed and FIN, WebSocket a close with 1001; nobody new is accepted."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", "ws:tcp:0:interface=127.0.0.1")
        with Server(config, folder=tmp_path) as server:
            stream = wire.tcp(server.ports["one", "tcp"])
            page = wire.websocket(server.ports["one", "ws"])
            stream.sendall(b"x" * 100_000)
            wire.send(page, b"last")
            assert wire.receive(page) == (1, b"last")
            os.kill(server.pid, signal.SIGTERM)
            server.waitFor("waiting up to 20 s for peers to leave")
            assert wire.receive(page) == (8, (1001).to_bytes(2))
            assert wire.toTheEnd(stream) == b"x" * 100_000
            with pytest.raises(OSError, match="refused"):
                wire.tcp(server.ports["one", "tcp"])
            wire.send(page, (1001).to_bytes(2), opcode=8)
            assert wire.toTheEnd(page) == b""
            stream.close()
            page.close()
            assert server.stop() in (0, -signal.SIGTERM)
            assert "Traceback" not in server.log

    def test_peers_that_stay_are_cut(self, tmp_path: Path) -> None:
        """After shutdown_timeout who is left is cut."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", more='[server]\nshutdown_timeout = "300ms"')
        with Server(config, folder=tmp_path) as server:
            stays, stuck = (wire.tcp(server.ports["one", "tcp"]) for _ in range(2))
            stays.sendall(b"x")
            assert wire.exactly(stays, 1) == b"x"
            # It never reads the echo.
            wire.fill(stuck, bytes(7_000_000))
            assert server.stop() in (0, -signal.SIGTERM)
            assert "waiting up to 0.3 s for peers to leave" in server.log
            stays.close()
            stuck.close()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_second_signal(self, number: int, tmp_path: Path) -> None:
        """A second signal ends it at once."""
        config = write(tmp_path, "tcp:0:interface=127.0.0.1", more="[server]\nshutdown_timeout = 600")
        with Server(config, folder=tmp_path) as server:
            stays = wire.tcp(server.ports["one", "tcp"])
            stays.sendall(b"x")
            wire.exactly(stays, 1)
            os.kill(server.pid, number)
            server.waitFor("a second signal ends it at once")
            assert server.stop(number) in (0, -number)
            assert "Traceback" not in server.log
            stays.close()


def test_import_is_lean(tmp_path: Path) -> None:
    """A config without WebSocket starts without Autobahn; checking it installs no reactor."""
    config = write(tmp_path, "tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1")
    script = (
        "import sys, contextlib; from socklab.service import Options, makeService; options = Options()\n"
        f"with contextlib.suppress(SystemExit): options.parseOptions(['--config', {str(config)!r}, '--check'])\n"
        "assert 'twisted.internet.reactor' not in sys.modules; makeService(options); "
        "print('autobahn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "False\n"
