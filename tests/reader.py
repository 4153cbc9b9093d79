"""Who does what a page of documentation shows, in a folder, and sees whether it comes out as shown.

- A fence of Python or TOML is a file, and the paragraph before it tells its name, last.
- A `console` fence that begins with `$` has commands and what they print. `twistd` starts a server on ports
  that the system chooses; `ncat` is a client, and `> ` marks what is typed; a shell runs all else.
- Any other `console` fence is a part of the server's log.
- A `js` fence is typed into the console of a browser that shows the port; its comments are what is printed.

`...` stands for any text, on a line of its own for any lines. Times and clients' ports are not compared.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests import wire
from tests.clients.outside import requireClient
from tests.process import ENVIRONMENT, Server

PATIENCE = 60

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STARTED = re.compile(r"\[socklab\] .+: (tcp|tls|udp|ws|wss) \S+?:(\d+)$", re.MULTILINE)

COMMANDS = {
    "python": "",
    "socklab": "-m socklab",
    "pytest": "-m pytest -p no:cacheprovider",
    "trial": "-m twisted.trial",
    "twistd": "-c 'from twisted.scripts.twistd import run; run()'",
}
"""What Python is started with for each command, whether or not its scripts are installed."""


class Fence(NamedTuple):
    """What stands between two fences."""

    language: str
    text: str
    file: str
    """The last name of a file in the paragraph before."""
    line: int


def fences(text: str, line: int) -> Iterator[Fence]:
    """Give the fences of a text that begins at a line of the page."""
    for match in _FENCE.finditer(text):
        paragraph = text[: match.start()].rstrip().rpartition("\n\n")[2]
        files = re.findall(r"`(\w+\.(?:py|toml))`", paragraph)
        yield Fence(match[1], match[2], files[-1] if files else "", line + text.count("\n", 0, match.start()) + 1)


def pattern(shown: str) -> str:
    """Give what matches a text that is shown."""
    found = ""
    for line in shown.splitlines():
        if line == "...":
            found += r"(?:.*\n)*?"
        else:
            text = re.escape(line).replace(r"\.\.\.", ".*")
            text = re.sub(r"^\d{4}\\-\d\d\\-\d\dT\S+", r"\\S+", text)
            found += re.sub(r"(127\\\.0\\\.0\\\.1:)\d{5}", r"\1\\d+", text) + "\n"
    return found


class Client:
    """ncat: what it is typed it sends, and it shows what comes."""

    def __init__(self, options: list[str], address: tuple[str, int], folder: Path) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM if "-u" in options else socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(address)
        if "--ssl" in options:
            context = wire.trusting(None)
            context.load_cert_chain(*(folder / each for each in options if each.endswith((".pem", ".key"))))
            self._socket = context.wrap_socket(self._socket)
        self._shown = self._heard = ""

    def talk(self, shown: str) -> None:
        """Type each line that is marked, when what is shown before it has come."""
        for line in shown.splitlines(keepends=True):
            if line.startswith("> "):
                self.check()
                self._socket.sendall(line[2:].encode())
            else:
                self._shown += line

    def check(self) -> None:
        """Hear what is shown, and no more."""
        while not re.fullmatch(pattern(self._shown), self._heard):
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                more = b""
            assert more, f"expected {self._shown!r}, got {self._heard!r}"
            self._heard += more.decode()

    def close(self) -> None:
        """Leave."""
        self._socket.close()


class Reader:
    """Does what the page says, in a folder."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        """@param running: ends what was started."""
        self._folder = folder
        self._running = running
        self._server: Server | None = None
        self._clients: list[Client] = []
        self._ports: dict[tuple[bool, int], int] = {}
        """The real port for one that is shown; the first tells whether it is one of UDP."""
        self._environment = environment(folder)

    def follow(self, fence: Fence) -> None:
        """Do what a fence shows."""
        if fence.language == "js":
            self._browse(fence.text)
        elif fence.language != "console":
            write(fence, self._folder)
        elif not fence.text.startswith("$ "):
            self._find(fence.text)
        else:
            for step in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
                command, _, shown = step.partition("\n")
                self._run(command, shown)

    def finish(self) -> None:
        """See that the clients have heard what is shown."""
        for each in self._clients:
            each.check()

    def _run(self, command: str, shown: str) -> None:
        words = shlex.split(command)
        if command.startswith("twistd -n --pidfile= socklab --config "):
            self._serve(words[5], words[6:], shown)
        elif words[0] == "ncat":
            *options, host, port = words[1:]
            client = Client(options, (host, self._ports["-u" in options, int(port)]), self._folder)
            self._running.callback(client.close)
            self._clients.append(client)
            client.talk(shown)
        elif command == "kill -HUP PID":
            assert self._server is not None
            self._server.sendSignal(signal.SIGHUP)
            self._find(shown)
        else:
            if words[0] == "openssl":
                requireClient("openssl")
            command = re.sub(r"(socklab --config \w+\.toml)$", r"\1 --any-port", command)
            printed = shell(command, self._folder, self._environment)
            assert re.fullmatch(pattern(shown), printed), f"$ {command}\n{printed}\nis not as shown:\n{shown}"

    def _serve(self, config: str, arguments: list[str], shown: str) -> None:
        assert self._server is None, "one server for each section"
        server = Server(self._folder / config, "--any-port", *arguments, folder=self._folder)
        self._server = self._running.enter_context(server)
        wanted = re.findall(r"\b(?:tcp|ssl|udp):(\d+)", (self._folder / config).read_text())
        for port, (transport, actual) in zip(wanted, _STARTED.findall(server.log), strict=True):
            self._ports[transport == "udp", int(port)] = int(actual)
        if shown:
            self._find(shown)

    def _find(self, shown: str) -> None:
        """Find a text in the log, when its last line stands there."""
        assert self._server is not None
        *_, last = re.split(r"\.\.\.|\S*\d{4,}\S*", shown.rstrip("\n"))
        log = self._server.waitFor(last, PATIENCE)
        for (_, port), actual in self._ports.items():
            log = re.sub(rf"\b{actual}$", str(port), log, flags=re.MULTILINE)
        assert re.search(f"^{pattern(shown)}", log, re.MULTILINE), f"{shown}\nis not in the log:\n{log}"

    def _browse(self, script: str) -> None:
        requireClient("chromium")
        from playwright.sync_api import sync_playwright

        from tests.clients.browser import ARGUMENTS

        for _, port in self._ports:
            script = script.replace(f":{port}", f":{self._ports[False, port]}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page = browser.new_page()
            page.goto(re.findall(r"ws(://localhost:\d+)", script)[0].replace("://", "http://"))
            with page.expect_console_message(lambda message: message.type == "log") as message:
                page.evaluate(f"() => {{{script}}}")
            assert [message.value.text] == re.findall(r"^// (.*)$", script, re.MULTILINE)
            browser.close()


def write(fence: Fence, folder: Path) -> None:
    """Write a file."""
    assert fence.file, f"line {fence.line}: which file is this?"
    (folder / fence.file).write_text(fence.text, encoding="utf-8")


def shell(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command; give what it prints."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Give an environment whose commands are those of the Python that runs the tests, as if it were activated."""
    commands = folder.parent / "bin"
    commands.mkdir()
    for name, arguments in COMMANDS.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        (commands / name).chmod(0o755)
    inherited = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("PYTEST_")}
    added = {"PATH": f"{commands}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**inherited, **added}
