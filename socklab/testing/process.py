"""A real `twistd socklab` process for tests: started with a config, ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from .transcript import Entry, fromLog

_LISTENING: Final = re.compile(r"\[socklab\] (?P<service>.+): (?P<transport>[a-z ]+) (?P<where>\S+)$")
_HOME: Final = str(Path(__file__).resolve().parents[2])

ENVIRONMENT: Final = {
    **os.environ,
    # Where this very socklab is, installed or not.
    "PYTHONPATH": os.pathsep.join(filter(None, [_HOME, os.environ.get("PYTHONPATH", "")])),
    "PYTHONUNBUFFERED": "1",
}


def twistd(*arguments: str) -> list[str]:
    """Give the command line of twistd, of the Python that runs the tests.

    The environment's `SOCKLAB_TEST_REACTOR`, e.g. `epoll`, has it run on that reactor and not on its own choice,
    unless the arguments name one.
    """
    script = "from twisted.scripts.twistd import run; run()"
    chosen = os.environ.get("SOCKLAB_TEST_REACTOR")
    if chosen and not any(each.startswith("--reactor") for each in arguments):
        arguments = ("--reactor", chosen, *arguments)
    return [sys.executable, "-c", script, *arguments]


class Printed:
    """What a process prints, read in a thread of its own: the process never waits for the test to read."""

    def __init__(self, stream: IO[bytes]) -> None:
        """@param stream: closed when all of it is read."""
        self._stream = stream
        self._data = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream as stream:
            while data := os.read(stream.fileno(), 65536):
                with self._changed:
                    self._data += data
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __bytes__(self) -> bytes:
        with self._changed:
            return bytes(self._data)

    def waitFor(self, data: bytes, seconds: float, times: int = 1) -> bool:
        """Wait until these bytes stand in it so many times; False if they do not in time, or before its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._data.count(data) >= times, seconds)
            return self._data.count(data) >= times

    def waitForMore(self, size: int, seconds: float) -> bool:
        """Wait until more than so many bytes are there; False if none come in time, or ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._data) > size, seconds)
            return len(self._data) > size

    def waitForEnd(self, seconds: float) -> bool:
        """Wait until nobody can print any more; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, seconds)


class ServerProcess:
    """`twistd -n socklab` with a config file; a context manager, ready when entered."""

    def __init__(
        self, config: Path | None, *arguments: str, folder: Path | None = None, before: tuple[str, ...] = ()
    ) -> None:
        """@param config: None for the built-in lab.
        @param arguments: more of `twistd socklab`, e.g. `--any-port`.
        @param folder: where it runs; by default where the test runs.
        @param before: a command that runs it in the same process, as `setpriv`.
        """
        options = ["--config", str(config)] if config else []
        self._process = subprocess.Popen(
            [*before, *twistd("-n", "--pidfile=", "socklab", *options, *arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=ENVIRONMENT,
        )
        assert self._process.stdout is not None
        self._log = Printed(self._process.stdout)
        self.addresses: dict[tuple[str, str], list[str]] = {}
        """Where it listens, for each service and transport: `{("chat", "tcp"): ["127.0.0.1:3000"]}`."""

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return bytes(self._log).decode(errors="replace")

    def address(self, service: str, transport: str = "tcp") -> tuple[str, int]:
        """Give where a service's first listener of a transport can be reached.

        @param transport: as in the start line: `tcp`, `tls`, `udp`, `ws`, `wss`.
        @raise LookupError: there is none.
        """
        where = self._where(service, transport)
        host, _, port = where.rpartition(":")
        if not port.isdigit():
            raise LookupError(f"{service} {transport} is at {where}, which is no address and port: see path()")
        return host.strip("[]").replace("*", "127.0.0.1"), int(port)

    def path(self, service: str, transport: str = "unix") -> Path:
        """Give where a service's first Unix socket is.

        @raise LookupError: there is none.
        """
        return Path(self._where(service, transport))

    def _where(self, service: str, transport: str) -> str:
        try:
            return self.addresses[service, transport][0]
        except KeyError:
            there = ", ".join(f"{one} {kind}" for one, kind in self.addresses)
            raise LookupError(f"{service} has no {transport} listener; there are: {there}") from None

    @property
    def ports(self) -> dict[tuple[str, str], int]:
        """The port of each service's first listener of a transport."""
        first = {key: found[0].rpartition(":")[2] for key, found in self.addresses.items()}
        return {key: int(port) for key, port in first.items() if port.isdigit()}

    def transcript(self, service: str, entries: int = 0, seconds: float = 30) -> list[Entry]:
        """Give what has happened between a service and its peers; it needs `--trace hex`.

        @param entries: how many to wait for, and to give; 0: all that there are by now.
        @raise AssertionError: there are not so many in time; with the log.
        """
        deadline = time.monotonic() + seconds
        while True:
            data = bytes(self._log)
            # The last line may have come in part.
            log = data[: data.rfind(b"\n") + 1].decode(errors="replace")
            found = [*fromLog(log, service)]
            if len(found) >= entries:
                return found[: entries or None]
            if not self._log.waitForMore(len(data), deadline - time.monotonic()):
                raise AssertionError(f"no {entries} entries of {service}, but {len(found)}:\n{self.log}")

    def waitFor(self, text: str, seconds: float = 30, times: int = 1) -> str:
        """Read the log until a text stands in it so many times, and give it.

        @raise AssertionError: it did not in time; with the log.
        """
        if not self._log.waitFor(text.encode(), seconds, times):
            # Its output may end before it does.
            ended = self._log.waitForEnd(0) or self._process.poll() is not None
            raise AssertionError(f"no {text!r} {'before it ended' if ended else 'in time'}:\n{self.log}")
        return self.log

    def sendSignal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal, and give the status when it has ended.

        @raise AssertionError: it did not end in time; with the log.
        """
        self.sendSignal(number)
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.log}") from None
        self._log.waitForEnd(seconds)
        return status

    def memory(self) -> int:
        """Give its resident memory, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def __enter__(self) -> ServerProcess:
        try:
            self.waitFor("socklab ready", seconds=60)
        except BaseException:
            self._end()
            raise
        for line in self.log.splitlines():
            if match := _LISTENING.search(line):
                key = (match["service"], match["transport"])
                self.addresses.setdefault(key, []).append(match["where"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if kind is not None:
            sys.stderr.write(self.log)

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.waitForEnd(5)


StartServer = Callable[..., ServerProcess]
"""What the pytest fixture `socklab_server` gives: `start(config, *arguments)`."""
