"""`socklab status`, and what it asks."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from twisted.internet.address import IPv4Address

from socklab.cli import main
from socklab.events import Closed, Opened
from socklab.message import Peer
from socklab.metrics.growth import STEP, Growth
from tests.process import Server


def status(*arguments: str) -> Result:
    """Run `socklab status`."""
    result = CliRunner().invoke(main, ["status", *arguments], env={"SOCKLAB_CONSOLE": None})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def test_ready(server: Server) -> None:
    """At its URL or its socket: that it is ready, who it is, and a line for each service and transport."""
    url = f"http://127.0.0.1:{server.ports['console', 'http']}"
    with socket.create_connection(("127.0.0.1", server.ports["echo", "tcp"]), 30) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        told = json.loads(status(url, "--json").stdout)
        text = status("--socket", str(server.path("console", "socket")))
    assert (told["state"], told["pid"]) == ("ready", server.pid)
    [echo] = [each for each in told["services"] if (each["service"], each["transport"]) == ("echo", "tcp")]
    assert echo["where"] == [f"127.0.0.1:{server.ports['echo', 'tcp']}"]
    assert echo["open"] >= 1
    assert echo["received"] >= 1
    assert text.exit_code == 0
    first, *_ = lines = text.stdout.splitlines()
    assert first.startswith(f"socklab {told['version']}: ready, pid {server.pid}, since 20")
    [head] = [line for line in lines if line.startswith("SERVICE")]
    assert head.split() == ["SERVICE", "TRANSPORT", "WHERE", "OPEN", "ACCEPTED", "REFUSED", "RECEIVED", "SENT"]
    assert any(line.split()[:3] == ["echo", "tcp", echo["where"][0]] for line in lines)


def test_not_running(tmp_path: Path) -> None:
    """Nobody there: status 3, and why; a pid file that a crash has left is told of."""
    done = status("--socket", str(tmp_path / "none.sock"))
    assert (done.exit_code, done.stdout.splitlines()) == (
        3,
        ["socklab: not running", f"{tmp_path}/none.sock: no such file or directory"],
    )
    left = tmp_path / "left.pid"
    left.write_text(f"{2**22 + 1}\n")
    done = status("--pidfile", str(left))
    assert (done.exit_code, done.stdout.splitlines()[1]) == (
        3,
        f"{left}: process {2**22 + 1} has ended without removing it",
    )
    assert status("--pidfile", str(tmp_path / "none.pid")).exit_code == 3


def test_process(tmp_path: Path) -> None:
    """With a pid file alone it tells the process and where it listens; that a console is silent is told."""
    file = tmp_path / "own.pid"
    file.write_text(str(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        done = status("--pidfile", str(file))
        assert (done.exit_code, f"listening: tcp 127.0.0.1:{port}\n" in done.stdout) == (0, True)
        assert done.stdout.startswith(f"socklab: running, pid {os.getpid()}, since 20")
    both = status("--pidfile", str(file), "--socket", str(tmp_path / "none.sock"), "--json")
    assert (both.exit_code, json.loads(both.stdout)["state"]) == (1, "not ready")


def test_another_process(server: Server, tmp_path: Path) -> None:
    """A pid file that names another process than the one that answers is told of."""
    file = tmp_path / "other.pid"
    file.write_text(str(os.getpid()))
    url = f"http://127.0.0.1:{server.ports['console', 'http']}/"
    assert f"{file}: it names another process, {os.getpid()}\n" in status(url, "--pidfile", str(file)).stdout


@pytest.mark.parametrize("url", ["foo", "ftp://127.0.0.1", "http://127.0.0.1:99999"])
def test_no_url(url: str) -> None:
    """What is no URL of a console is one line."""
    done = status(url)
    assert (done.exit_code, done.stderr) == (
        1,
        f"Error: expected a URL such as http://127.0.0.1:59300, got '{url}'\n",
    )


def test_no_console() -> None:
    """Something else that speaks HTTP is no console."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        done = status(f"http://127.0.0.1:{other.server_port}")
        thread.join()
    assert done.exit_code == 1
    assert "this is no console of socklab: 501" in done.stderr


# What one connection takes


class Comers:
    """A process whose memory is what the test says."""

    def __init__(self) -> None:
        self.memory = 50_000_000
        self.growth = Growth(lambda: self.memory)

    def come(self, kind: str, number: int, each: int) -> None:
        """Have some come, each of which takes so many bytes."""
        for _ in range(number):
            self.memory += each
            self.growth(Opened("x", self._peer(kind)))

    def go(self, kind: str, number: int) -> None:
        """Have some leave; the memory stays, to be used again."""
        for _ in range(number):
            self.growth(Closed("x", self._peer(kind), "peer", "closed"))

    def _peer(self, kind: str) -> Peer:
        return Peer(IPv4Address("TCP", "127.0.0.1", 1), kind, "127.0.0.1", 1)


def test_growth() -> None:
    """What one takes is told of each transport, once a hundred have come on it alone."""
    comers = Comers()
    comers.come("tcp", STEP, 90_000)
    assert comers.growth.each() == {}
    comers.come("tcp", 3 * STEP, 2_700)
    comers.come("websocket", 2 * STEP, 3_000)
    assert comers.growth.each() == {"tcp": 2_700, "websocket": 3_000}


def test_growth_of_several() -> None:
    """Where they come mixed nothing is known; who comes in the place of others is not counted."""
    comers = Comers()
    for _ in range(2 * STEP):
        comers.come("tcp", 1, 1_000)
        comers.come("unix", 1, 1_000)
    assert comers.growth.each() == {}
    comers.go("tcp", STEP)
    comers.come("tcp", STEP, 0)
    assert comers.growth.each() == {}
    comers.come("tcp", STEP, 2_000)
    assert comers.growth.each() == {"tcp": 2_000}
