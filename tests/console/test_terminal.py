"""The operator's hands in a terminal."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from socklab.cli import main
from socklab.console.door import hashOf
from tests.process import ENVIRONMENT, Printed, Server


@pytest.fixture
def path(server: Server) -> Path:
    """Where the server's socket is."""
    return server.path("console", "socket")


@pytest.fixture
def client(server: Server) -> socket.socket:
    """Somebody in the chat."""
    return socket.create_connection(("127.0.0.1", server.ports["chat", "tcp"]), 30)


def run(path: Path, *arguments: str) -> Result:
    """Run `socklab console`."""
    return CliRunner().invoke(main, ["console", *arguments], env={"SOCKLAB_CONSOLE": str(path)})


def keyOf(path: Path, client: socket.socket) -> str:
    """Give a connection's number."""
    where = f"127.0.0.1:{client.getsockname()[1]}"
    found = [json.loads(line) for line in run(path, "list", "--json").stdout.splitlines()]
    return next(each["key"] for each in found if each["peer"] == where)


def test_hands(path: Path, client: socket.socket, server: Server) -> None:
    """It lists, says in a room and to one, kicks, bans, mutes and reloads; only its owner may; the log has it."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with client:
        key = keyOf(path, client)
        line = next(each for each in run(path, "list").stdout.splitlines() if each.split()[0] == key)
        assert line.split()[1:4] == ["chat", "tcp", f"127.0.0.1:{client.getsockname()[1]}"]
        assert run(path, "say", "--room", "chat/lobby", "곧 닫습니다").exit_code == 0
        assert client.recv(100).decode() == "operator: 곧 닫습니다\n"
        assert run(path, "say", "--to", key, "당신에게만").stdout == "written to 1\n"
        assert client.recv(100).decode() == "당신에게만\n"
        assert run(path, "ban", "--mute", "127.0.0.1").stdout == "mute 127.0.0.1/32\n"
        assert run(path, "ban").stdout == "mute 127.0.0.1/32\n"
        ended = run(path, "ban", "--mute", "--remove", "127.0.0.1")
        assert (ended.exit_code, ended.output) == (0, "")
        assert "reload: = echo\n" in run(path, "reload").stdout
        assert run(path, "kick", key).stdout == "closed 1\n"
        assert client.recv(100) == b""
    server.waitFor("console: operator 0 (terminal): closed 1 of")


def test_tail(path: Path, client: socket.socket) -> None:
    """It prints each message of a connection as it comes."""
    with client:
        command = [sys.executable, "-m", "socklab", "console", "tail", "--socket", str(path), keyOf(path, client)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stdout is not None
            printed = Printed(process.stdout)
            run(path, "say", "--to", keyOf(path, client), "들립니까?")
            client.sendall("네\x1b[31m\n".encode())
            try:
                assert printed.waitFor('> 13 B "들립니까?"'.encode(), 30)
                assert printed.waitFor('< 8 B "네\\x1b[31m"'.encode(), 30)
            finally:
                process.kill()
                printed.waitForEnd(30)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ban", "everybody"), 'expected an IP address or a network, got "everybody"'),
        (("tail", "999999"), "there is no connection 999999"),
        (("say", "--room", "chat/cellar", "x"), "chat has no room cellar"),
    ],
)
def test_wrong(arguments: tuple[str, ...], said: str, path: Path) -> None:
    """What cannot be done is one line on standard error, and the status 1."""
    result = run(path, *arguments)
    assert (result.exit_code, result.stderr) == (1, f"{said}\n")


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a server it says so."""
    result = run(tmp_path / "none.sock", "list")
    assert result.exit_code == 1
    assert result.stderr == (
        f"{tmp_path}/none.sock: no such file or directory: is the server running, with this [console] socket?\n"
    )


def test_token() -> None:
    """A token and its hash are made together."""
    token, line = run(Path(), "token").stdout.splitlines()
    assert line == f'token_hash = "{hashOf(token.removeprefix("token: "))}"'
