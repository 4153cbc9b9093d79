"""Clients that nobody here wrote: found, run to their end, or talked to while they run; and servers for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pytest
import trustme

from tests.process import CHECKOUT, Printed, Server, onFreePorts

HERE = Path(__file__).resolve().parent

Serve = Callable[..., Server]

LONG = ("[[service]]", "[server]\nshutdown_timeout = 600\n[[service]]")
"""A change of a config: a server that waits for its peers would wait longer than any test does."""


def requireClient(*commands: str) -> None:
    """Skip the test where a client is not installed; fail it if SOCKLAB_REQUIRE_CLIENTS is 1."""
    if missing := [each for each in commands if shutil.which(each) is None]:
        absent(f"not installed: {', '.join(missing)}")


def requireModule() -> None:
    """The same for the package `ws` of Node."""
    requireClient("node")
    if not (HERE / "node_modules" / "ws").is_dir():
        absent("not installed: ws (run `npm ci` in tests/clients)")


def absent(why: str) -> None:
    """Skip the test, or fail it if SOCKLAB_REQUIRE_CLIENTS is 1."""
    if os.environ.get("SOCKLAB_REQUIRE_CLIENTS") == "1":
        pytest.fail(f"SOCKLAB_REQUIRE_CLIENTS is 1, but {why}")
    pytest.skip(why)


class Chat(NamedTuple):
    """A service that is a chat."""

    server: Server
    name: str

    def port(self, transport: str) -> int:
        """Give the port of a transport."""
        return self.server.ports[self.name, transport]

    @property
    def cp949(self) -> int:
        """The port of those who speak cp949."""
        return int(self.server.addresses[self.name, "tcp"][1].rpartition(":")[2])


@contextmanager
def serving(folder: Path, config: str, *changes: tuple[str, str]) -> Iterator[Server]:
    """Run a server on free ports.

    @param config: the name of a config in configs/, or a config.
    @param changes: texts in it to replace, each with what.
    """
    if config.endswith(".toml"):
        config = (CHECKOUT / "configs" / config).read_text()
        shutil.copy(CHECKOUT / "configs" / "shout.py", folder)
    for old, new in changes:
        assert old in config
        config = config.replace(old, new)
    file = folder / "config.toml"
    file.write_text(onFreePorts(config))
    with Server(file, folder=folder) as server:
        yield server


def certify(folder: Path) -> Path:
    """Make a certificate for localhost, cert.pem with key.pem; give the file of its authority's."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


def port6(server: Server, service: str, transport: str) -> int:
    """Give a port on ::1; skip the test on a machine without IPv6."""
    for where in server.addresses[service, transport]:
        if where.startswith("[::1]:"):
            return int(where.rpartition(":")[2])
    pytest.skip("this machine has no ::1")


def run(
    *command: str | int | Path,
    input: bytes = b"",
    status: int | None = 0,
    seconds: float = 120,
    environment: dict[str, str] | None = None,
) -> bytes:
    """Run a client to its end, and give what it prints on standard output.

    @param status: what it must end with; None for anything.
    """
    done = subprocess.run(
        [str(each) for each in command],
        input=input,
        capture_output=True,
        timeout=seconds,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    assert status in (None, done.returncode), f"{command} ended with {done.returncode}: {done.stderr!r}"
    return done.stdout


class Client(AbstractContextManager["Client"]):
    """A client that goes on while the test talks to it; a context manager, which ends it."""

    def __init__(self, *command: str | int | Path) -> None:
        self._process = subprocess.Popen(
            [str(each) for each in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._printed = Printed(self._process.stdout)

    @property
    def printed(self) -> bytes:
        """All that it has printed so far."""
        return bytes(self._printed)

    def say(self, line: str | bytes) -> None:
        """Type a line."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\n")

    def send(self, data: bytes) -> None:
        """Give it input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def hear(self, text: str | bytes, times: int = 1, seconds: float = 60) -> bytes:
        """Wait until it has printed a text so many times, and give all that it printed."""
        data = text.encode() if isinstance(text, str) else text
        if not self._printed.waitFor(data, seconds, times):
            raise AssertionError(
                f"no {text!r} from {self._process.args!r}, but {self.printed.decode(errors='replace')}"
            )
        return self.printed

    def finish(self) -> None:
        """End its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, seconds: float = 60) -> int:
        """Wait until it ends by itself, and give its status."""
        status = self._process.wait(seconds)
        self._printed.waitForEnd(5)
        return status

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._printed.waitForEnd(5)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()


class NodeClient(Client):
    """node/client.js: a WebSocket client made of the package `ws`."""

    def __init__(self, url: str, **options: object) -> None:
        """@param options: those of `ws`."""
        super().__init__("node", HERE / "node" / "client.js", url, json.dumps(options))
        self._taken: Counter[str] = Counter()

    def do(self, name: str, **values: object) -> None:
        """Have it `text`, `binary`, `fragments`, `ping` or `close`."""
        self.say(json.dumps({"do": name, **values}))

    def next(self, event: str) -> dict[str, Any]:
        """Wait for the next `open`, `message`, `ping`, `pong`, `error` or `close`."""
        self._taken[event] += 1
        self.hear(f'{{"event":"{event}"', self._taken[event])
        events = [json.loads(line) for line in self.printed.splitlines()]
        return [each for each in events if each["event"] == event][self._taken[event] - 1]

    def read(self, text: str) -> None:
        """Wait for a text message that ends so."""
        while not str(self.next("message").get("data", "")).endswith(text):
            pass
