"""A real nats-server with JetStream for tests, or three of them: started, killed, paused and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.outside import requireClient
from tests.process import CHECKOUT

from .entered import Entered

CONFIGS: Final = CHECKOUT / "configs" / "cluster"

TOKEN: Final = "token"
"""What the clients of three engines have to say."""

PATIENCE: Final = 60
"""Seconds; three engines on a busy machine elect a leader in 5."""


ANSWER: Final = 2
"""Seconds that its monitor has to answer; a paused one does not."""


class EngineNode(Entered):
    """One nats-server with JetStream; a context manager, healthy when entered. Its ports stay its own."""

    def __init__(
        self,
        folder: Path,
        name: str = "engine",
        *,
        address: str = "127.0.0.1",
        settings: str = "",
        config: Path | None = None,
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        """@param folder: for its config, log and store.
        @param address: where clients reach it, as its config has it.
        @param settings: more of its config, e.g. `authorization { token: "secret" }`.
        @param config: another config than the one of the tests.
        @param arguments: more options of nats-server.
        """
        self.name = name
        self._address = address
        self.port, self._monitor = freePorts(2)
        self._log = folder / f"{name}.log"
        if config is None:
            config = folder / f"{name}.conf"
            store = f"jetstream {{ store_dir: {json.dumps(str(folder / name))} }}"
            config.write_text(
                f'server_name: "{name}"\nhost: "127.0.0.1"\nhttp: "127.0.0.1:8222"\n{store}\n{settings}\n'
            )
        ports = ["--port", str(self.port), "--http_port", str(self._monitor)]
        self._command = ["nats-server", "--config", str(config), *ports, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self._address}:{self.port}"

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has said so far, in all its lives."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and do not wait."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def waitUntilHealthy(self) -> None:
        """Wait until it serves; of a cluster, until it knows the leader and has caught up.

        @raise AssertionError: it does not in time; with its log.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.isHealthy():
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} ended:\n{self.log}"
            assert time.monotonic() < deadline, f"{self.name} is not healthy in time:\n{self.log}"
            time.sleep(0.02)

    def isHealthy(self) -> bool:
        """Tell whether it says so."""
        with suppress(OSError, HTTPException, ValueError):
            return bool(self.ask("healthz")["status"] == "ok")
        return False

    def ask(self, page: str) -> Any:
        """Give what its monitor says: `jsz?streams=1`, `connz`, `routez`, `varz`.

        @raise OSError: it does not answer.
        """
        connection = HTTPConnection("127.0.0.1", self._monitor, timeout=ANSWER)
        try:
            connection.request("GET", f"/{page}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once, as a machine that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def pause(self) -> None:
        """Stop it where it is: its connections stay, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        # Its threads stop one after the other.
        states = [each / "stat" for each in Path(f"/proc/{self.pid}/task").iterdir()]
        while any(each.read_text().rpartition(")")[2].split()[0] != "T" for each in states):
            time.sleep(0.001)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def enter(self) -> None:
        """Start it, and wait until it is healthy."""
        self.start()
        self.waitUntilHealthy()

    def leave(self) -> None:
        """End it."""
        self.kill()


class EngineCluster(Entered):
    """Nodes that are one engine, by configs/cluster/nats-server.conf; a context manager, healthy when entered."""

    def __init__(self, folder: Path, size: int = 3, address: str = "127.0.0.1") -> None:
        """@param folder: for the logs and stores.
        @param address: where clients reach it.
        """
        ports = freePorts(size)
        users = [f"engine:secret@127.0.0.1:{each}" for each in ports]
        environment = {
            "ENGINE_ADDRESS": address,
            "ENGINE_TOKEN": TOKEN,
            "ENGINE_PASSWORD": "secret",
            "ENGINE_ROUTES": json.dumps([f"nats-route://{each}" for each in users]),
        }
        self.nodes = [
            EngineNode(
                folder,
                f"engine{number}",
                address=address,
                config=CONFIGS / "nats-server.conf",
                arguments=["--cluster", f"nats://{user}"],
                environment={
                    **environment,
                    "ENGINE_NAME": f"engine{number}",
                    "ENGINE_STORE": json.dumps(str(folder / f"engine{number}")),
                },
            )
            for number, user in enumerate(users, 1)
        ]

    @property
    def urls(self) -> list[str]:
        """Where clients connect."""
        return [each.url for each in self.nodes]

    def waitUntilHealthy(self) -> None:
        """Wait until each node that runs is healthy."""
        for each in self.nodes:
            each.waitUntilHealthy()

    def enter(self) -> None:
        """Start them at once, and wait until they are healthy."""
        for each in self.nodes:
            each.start()
        self.waitUntilHealthy()

    def leave(self) -> None:
        """End all."""
        for each in self.nodes:
            each.kill()


StartEngine = Callable[..., EngineNode]
"""What the fixture `start_engine` gives: `start_engine(settings="...")`."""


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[StartEngine]:
    """Start engines of this test alone, which may kill them: `start_engine(name, settings=...)`."""
    requireClient("nats-server")
    with ExitStack() as stack:
        yield lambda *named, **options: stack.enter_context(EngineNode(tmp_path, *named, **options))


@pytest.fixture
def engine(start_engine: StartEngine) -> EngineNode:
    """An engine for this test alone."""
    return start_engine()


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineNode]:
    """An engine that goes on: tests tell themselves apart by `[rooms] name`."""
    requireClient("nats-server")
    with EngineNode(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[EngineCluster]:
    """Three engines that are one, for this test alone."""
    requireClient("nats-server")
    with EngineCluster(tmp_path) as started:
        yield started


@contextmanager
def onAsyncio() -> Iterator[None]:
    """Have servers that start meanwhile run on asyncio, which an engine needs, whatever others are tested on."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("SOCKLAB_TEST_REACTOR"):
            patch.setenv("SOCKLAB_TEST_REACTOR", "asyncio")
        yield


_given: Final[set[int]] = set()


def freePorts(count: int) -> list[int]:
    """Find TCP ports that are free on this machine, and that no client is given for its own end (from 32768 on).

    So a process that was killed finds its port free again. None is given twice.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
            found.append(port)
            _given.add(port)
    return found
