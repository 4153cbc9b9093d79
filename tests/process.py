"""A real `twistd socklab` process for tests: started with a config on free ports, ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT)}

_LISTENING = re.compile(r"\[socklab\] (?P<service>[^:]+): (?P<transport>[a-z ]+) (?P<where>\S+)$")


def twistd(*arguments: str) -> list[str]:
    """Give the command line of twistd, of the Python that runs the tests."""
    script = "from twisted.scripts.twistd import run; run()"
    return [sys.executable, "-c", script, *arguments]


def run(*arguments: str, folder: Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run twistd to its end, in a folder.

    @param before: a command that runs it, as `setpriv`.
    """
    return subprocess.run(
        [*before, *twistd(*arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def onFreePorts(config: str) -> str:
    """Give a config's text with every port of its `listen` entries 0.

    >>> onFreePorts("'tcp:3000:interface=127.0.0.1', 'ws:tcp:8000'")
    "'tcp:0:interface=127.0.0.1', 'ws:tcp:0'"
    """
    return re.sub(r"\b(tcp|udp|ssl):\d+", r"\1:0", config)


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

    def waitForEnd(self, seconds: float) -> bool:
        """Wait until nobody can print any more; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, seconds)


class Server:
    """`twistd -n socklab` with a config file; a context manager.

    `ports` tells for (service, transport), e.g. `("chat", "ws")`, where it listens; of several the first, and
    `addresses` all of them.
    """

    def __init__(self, config: Path | None, *arguments: str, folder: Path) -> None:
        """@param folder: where it runs."""
        options = ["--config", str(config)] if config else []
        self._process = subprocess.Popen(
            twistd("-n", "--pidfile=", "socklab", *options, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        self._log = Printed(self._process.stdout)
        self.addresses: dict[tuple[str, str], list[str]] = {}

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return bytes(self._log).decode(errors="replace")

    @property
    def ports(self) -> dict[tuple[str, str], int]:
        """The port of each service's first listener of a transport."""
        first = {key: found[0].rpartition(":")[2] for key, found in self.addresses.items()}
        return {key: int(port) for key, port in first.items() if port.isdigit()}

    def waitFor(self, text: str, seconds: float = 30, times: int = 1) -> str:
        """Read the log until a text stands in it so many times, and give it.

        @raise AssertionError: it did not in time; with the log.
        """
        if not self._log.waitFor(text.encode(), seconds, times):
            ended = self._process.poll() is not None
            raise AssertionError(f"no {text!r} {'before it ended' if ended else 'in time'}:\n{self.log}")
        return self.log

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal, and give the status when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.log}") from None
        self._log.waitForEnd(seconds)
        return status

    def memory(self) -> int:
        """Give its resident memory, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    def __enter__(self) -> Server:
        try:
            self.waitFor("socklab ready")
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
