"""A chat whose members are at different workers, on a real engine."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from socklab.config import ConfigError, loadConfig
from socklab.console.terminal import Terminal
from tests.cluster.engine import EngineNode, onAsyncio
from tests.cluster.engine import shared_engine as shared_engine
from tests.process import Server

CHAT = """
[server]
workers = 2
[console]
listen = "tcp:0:interface=127.0.0.1"
socket = "console.sock"
[[service]]
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1']
"""


def test_engineIsMissing(tmp_path: Path) -> None:
    """A chat with workers and without an engine is a mistake, which shows the lines that it takes."""
    path = tmp_path / "chat.toml"
    path.write_text(CHAT)
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    why = "its rooms would be apart in each of the [server] workers: they meet in an engine; add these two lines:"
    lines = '[rooms]\nengine = "nats://127.0.0.1:4222"'
    assert caught.value.lines == [f'{path}: service[1] "chat": protocol: {why}\n{lines}']
    path.write_text(CHAT.replace("workers = 2", "workers = 1"))
    assert loadConfig(path).services[0].name == "chat"


def test_chat(tmp_path: Path, shared_engine: EngineNode) -> None:
    """Members at both workers hear each line once, and the operator too."""
    path = tmp_path / "chat.toml"
    path.write_text(f'{CHAT}\n[rooms]\nengine = "{shared_engine.url}"\nname = "workers"\n')
    with onAsyncio(), ExitStack() as stack, Server(path) as server:
        server.waitFor("rooms: the engine is there", times=2)
        terminal = Terminal(tmp_path / "console.sock")
        peers = []
        workers: set[int] = set()
        while len(peers) < 4 or workers != {1, 2}:
            assert len(peers) < 400
            peer = stack.enter_context(socket.create_connection(server.address("chat")))
            peer.settimeout(30)
            peers.append(stack.enter_context(peer.makefile("rw", encoding="utf-8", newline="\n")))
            workers = {int(row[0]) % 1000 for row in next(terminal.told())["rows"]}
        # Who says a line that only it hears the answer of knows that all are there.
        for number, each in enumerate(peers):
            each.write(f"/nick member{number}\n")
            each.flush()
            while each.readline() != f"* you are member{number} now\n":
                pass
        there: set[str] = set()
        while len(there) < len(peers):
            peers[0].write("/who\n")
            peers[0].flush()
            while not (line := peers[0].readline()).startswith("* in lobby: "):
                pass
            there = {name.removesuffix(" (you)") for name in line[12:].strip().split(", ") if "member" in name}
        peers[3].write("안녕\n")
        peers[3].flush()
        others = [each for each in peers if each is not peers[3]]
        for each in others:
            while each.readline() != "member3: 안녕\n":
                pass
        terminal.do("say", service="chat", room="lobby", text="the end")
        for each in others:
            heard = [each.readline()]
            while heard[-1] != "operator: the end\n":
                heard.append(each.readline())
            assert "member3: 안녕\n" not in heard
