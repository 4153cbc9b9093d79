"""Nodes of socklab by configs/cluster/node.toml, each on an address of its own, and HAProxy in front of them."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, NamedTuple

from tests.process import Server

from .engine import CONFIGS, PATIENCE, TOKEN, freePorts, onAsyncio
from .entered import Entered

TOKEN_HASH: Final = "sha256:" + 64 * "0"
"""Nobody's token."""

ENGINES: Final = '"nats://10.0.0.1:4222", "nats://10.0.0.2:4222", "nats://10.0.0.3:4222"'
"""As node.toml has them."""


class Ports(NamedTuple):
    """Where each node listens, on its own address."""

    tcp: int
    ws: int
    ready: int


class Elsewhere(NamedTuple):
    """A node that is not beside the others."""

    engines: Sequence[str]
    """URLs, by which it finds them."""
    address: str
    """Its own."""
    before: tuple[str, ...] = ()
    """A command that takes it there."""


class Node:
    """One `twistd socklab`, which can be ended and started again."""

    def __init__(
        self,
        folder: Path,
        number: int,
        ports: Ports,
        engines: Sequence[str],
        changes: Sequence[tuple[str, str]],
        arguments: Sequence[str],
        where: Elsewhere | None = None,
    ) -> None:
        """@param engines: URLs.
        @param where: if not beside the others.
        @param changes: texts in its config to replace, each with what.
        @param arguments: more of `twistd socklab`.
        """
        self.address = where.address if where else f"127.0.0.{number}"
        self.ports = ports
        self._folder = folder / f"node{number}"
        self._folder.mkdir()
        text = (CONFIGS / "node.toml").read_text()
        for old, new in (
            ("haproxy:tcp:3000", f"haproxy:tcp:{ports.tcp}:interface={self.address}"),
            ("haproxy:tcp:8000", f"haproxy:tcp:{ports.ws}:interface={self.address}"),
            ("tcp:59300:interface=0.0.0.0", f"tcp:{ports.ready}:interface={self.address}"),
            ("sha256:...", TOKEN_HASH),
            (ENGINES, ", ".join(f'"{each}"' for each in engines)),
            ("/run/credentials/socklab@node.service/", ""),
            *changes,
        ):
            assert old in text, old
            text = text.replace(old, new)
        self._config = self._folder / "node.toml"
        (self._folder / "engine.token").write_text(TOKEN)
        self._config.write_text(text)
        self._arguments = arguments
        self._before = where.before if where else ()
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The process that runs."""
        assert self._server is not None
        return self._server

    def begin(self) -> None:
        """Start it, and do not wait."""
        with onAsyncio():
            self._server = Server(self._config, *self._arguments, folder=self._folder, before=self._before)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.begin()
        self.server.__enter__()

    def kill(self) -> None:
        """End it at once."""
        self.server.stop(signal.SIGKILL)

    def drain(self) -> None:
        """Have it end in order, as a restart does."""
        assert self.server.stop(seconds=PATIENCE) in (0, -signal.SIGTERM)
        assert "Traceback" not in self.server.log

    def end(self) -> None:
        """End it, if it runs."""
        if self._server is not None:
            self._server.__exit__(None, None, None)


class Nodes(Entered):
    """Three of them, as of one cluster; a context manager, all ready when entered."""

    def __init__(
        self,
        folder: Path,
        engines: Sequence[str],
        *changes: tuple[str, str],
        arguments: Sequence[str] = (),
        third: Elsewhere | None = None,
    ) -> None:
        """@param engines: URLs.
        @param third: where the third one is, if not beside the others.
        @param changes: texts in their config to replace, each with what.
        @param arguments: more of `twistd socklab`.
        """
        self.ports = Ports(*freePorts(3))
        self.all = [Node(folder, number, self.ports, engines, changes, arguments) for number in (1, 2)]
        self.all.append(
            Node(folder, 3, self.ports, third.engines if third else engines, changes, arguments, third)
        )

    def enter(self) -> None:
        """Start them at once, and wait until they are ready."""
        for each in self.all:
            each.begin()
        for each in self.all:
            each.server.__enter__()

    def leave(self) -> None:
        """End all, whatever becomes of one."""
        with ExitStack() as stack:
            for each in self.all:
                stack.callback(each.end)


class Front(Entered):
    """HAProxy by configs/cluster/haproxy.cfg; a context manager, in which it has found all nodes ready."""

    def __init__(self, nodes: Nodes) -> None:
        self.tcp, self.ws, self._status = freePorts(3)
        addresses = {f"NODE{number}": each.address for number, each in enumerate(nodes.all, 1)}
        self._process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(CONFIGS / "haproxy.cfg")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={
                **os.environ,
                **addresses,
                "MAXCONN": "1000",
                "CHAT_TCP": f"127.0.0.1:{self.tcp}",
                "CHAT_WS": f"127.0.0.1:{self.ws}",
                "STATUS": f"127.0.0.1:{self._status}",
                "TCP_PORT": str(nodes.ports.tcp),
                "WS_PORT": str(nodes.ports.ws),
                "READY_PORT": str(nodes.ports.ready),
            },
        )

    def states(self) -> dict[tuple[str, str], str]:
        """Give what it thinks of each node, as `{("chat-tcp", "node1"): "UP"}`; nothing if it does not answer."""
        connection = HTTPConnection("127.0.0.1", self._status, timeout=5)
        with suppress(OSError, HTTPException):
            connection.request("GET", "/;csv")
            table = connection.getresponse().read().decode().removeprefix("# ").splitlines()
            return {(row["pxname"], row["svname"]): row["status"] for row in csv.DictReader(table)}
        return {}

    def waitFor(self, node: int, state: str) -> None:
        """Wait until it thinks so of a node, for both ports."""
        deadline = time.monotonic() + PATIENCE
        while [self.states().get((port, f"node{node}")) for port in ("chat-tcp", "chat-ws")] != [state, state]:
            assert self._process.poll() is None
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.02)

    def enter(self) -> None:
        """Wait until it has found all nodes ready; it was started with its ports."""
        for number in (1, 2, 3):
            self.waitFor(number, "UP")

    def leave(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
