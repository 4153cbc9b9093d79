"""The examples are what their pages say: each command that is shown is run, and prints what is shown."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from socklab.testing import ServerProcess
from tests.clients.browser import _idle as _idle
from tests.clients.browser import browser as browser
from tests.clients.browser import newTab as newTab
from tests.clients.outside import Client, requireClient
from tests.process import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

    NewTab = Callable[[], Page]

Serve = Callable[..., ServerProcess]

EXAMPLES = CHECKOUT / "examples"
NAMES = sorted(each.parent.name for each in EXAMPLES.glob("*/README.md"))

TYPED = {
    "channels": "[a-z ]+",
    "keyvalue": r"SET .*|(GET|TTL|DEL|INCR) \D+|KEYS",
    "plain_twisted": "[a-z]+",
    "proxy": "hello",
    "rock_paper_scissors": "alice|rock",
    "sensor": "",
    "shout": "[a-z ]+",
}
"""Which lines in a terminal were typed by a person; all others are answers."""
PAUSES = {"You play with bob.", "alice: rock, bob: paper. It is 0:1."}
"""Answers that come when somebody else has done something, which the page shows below."""


class Block(NamedTuple):
    """What stands between two fences of a page."""

    language: str
    text: str


def blocks(name: str) -> list[Block]:
    """Give the fenced blocks of an example's page."""
    page = (EXAMPLES / name / "README.md").read_text()
    return [Block(*each) for each in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def onRealPorts(text: str, config: Path, server: ServerProcess) -> str:
    """Give a text with the ports and the Unix sockets of a config as they are in this test.

    @param text: of its ports, those after `-u` or `udp` are datagram ports.
    """
    for service in tomllib.loads(config.read_text())["service"]:
        for entry in service["listen"]:
            kind, _, rest = entry.partition(":")
            where = rest.removeprefix("tcp:").partition(":")[0]
            if kind == "unix":
                text = re.sub(rf"\S+/{where}", str(server.path(service["name"])), text)
            elif (kind == "udp") == bool(re.search(r"\b(-u|udp)\b|-u ", text)):
                text = re.sub(rf"\b{where}\b", str(server.address(service["name"], kind)[1]), text)
    return text


def terminal(client: Client, lines: list[str], typed: str) -> Iterator[None]:
    """Type and read what a page shows of a terminal; stop at each of PAUSES."""
    heard = ""
    for line in lines:
        if re.fullmatch(typed, line):
            client.say(line)
            continue
        if line in PAUSES:
            yield
        heard += f"{line}\n"
        assert client.hear(heard).decode().startswith(heard)


class Visit:
    """Somebody who does what a page shows, in the page's order."""

    def __init__(self, name: str, config: Path, server: ServerProcess, newTab: NewTab, folder: Path) -> None:
        """@param folder: where what the page puts into /tmp is put."""
        self._typed = TYPED[name]
        self._config = config
        self._server = server
        self._newTab = newTab
        self._folder = folder
        self._stack = ExitStack()
        self._terminals: list[Iterator[None]] = []
        self._page: Page | None = None
        self._messages: list[str] = []

    def follow(self, shown: list[Block]) -> None:
        """Do all that."""
        with self._stack:
            for block in shown:
                if block.language == "console":
                    self._console(block.text)
                elif block.language == "js":
                    self._script(block.text)
                elif block.text.startswith("["):
                    self._log(block.text)
                else:
                    self._hear(block.text.splitlines())
            for each in self._terminals:
                assert next(each, "over") == "over"

    def _console(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            if command.startswith(("twistd ", "kill ")):
                continue
            command = onRealPorts(command, self._config, self._server)
            if command.startswith("ncat "):
                client = self._stack.enter_context(Client(*command.split()))
                self._terminals.append(terminal(client, lines, self._typed))
                next(self._terminals[-1], None)
            else:
                assert self._run(command) == lines

    def _run(self, command: str) -> list[str]:
        command = command.replace("/tmp/", f"{self._folder}/").replace("python3", sys.executable)
        done = subprocess.run(
            ["sh", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout.splitlines()

    def _script(self, text: str) -> None:
        text = onRealPorts(text, self._config, self._server)
        if address := re.search(r"ws:(//localhost:\d+)", text):
            self._page = self._newTab()
            self._page.on("console", self._note)
            self._stack.callback(self._page.remove_listener, "console", self._note)
            self._page.goto(f"http:{address[1]}/")
        assert self._page is not None
        self._page.evaluate("(text) => { (0, eval)(text); }", text)
        for each in self._terminals:
            next(each, None)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "log":
            self._messages.append(message.text)

    def _hear(self, lines: list[str]) -> None:
        assert self._page is not None
        for _ in range(6000):
            if len(self._messages) >= len(lines):
                break
            # Playwright tells what has happened only while it is called.
            self._page.wait_for_timeout(10)
        assert self._messages[: len(lines)] == lines
        del self._messages[: len(lines)]

    def _log(self, text: str) -> None:
        lines = anonymous(text).splitlines()
        self._server.waitFor(lines[-1].partition("PORT ")[2])
        log, at = anonymous(self._server.log), 0
        for line in lines:
            at = log.index(f" {line}\n", at)


def anonymous(log: str) -> str:
    """Give a log without the peers' ports."""
    return re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", log)


@pytest.mark.parametrize("name", [each for each in NAMES if each != "proxy"])
def test_page(name: str, socklab_server: Serve, newTab: NewTab, tmp_path: Path) -> None:
    """What the page of an example shows is what one gets."""
    requireClient("ncat")
    if name == "sensor":
        requireClient("cc")
    page = (EXAMPLES / name / "README.md").read_text()
    [shown] = {*re.findall(rf"--config examples/({name}/\S+)", page)}
    config = EXAMPLES / shown
    Visit(name, config, socklab_server(config), newTab, tmp_path).follow(blocks(name))


@pytest.mark.parametrize("state", ["up", "down", "silent"])
def test_proxy_page(state: str, socklab_server: Serve, newTab: NewTab, tmp_path: Path) -> None:
    """So it is with the proxy, when its upstream is up, when it is down, and when it does not answer."""
    requireClient("ncat")
    [shown] = (EXAMPLES / "proxy").glob("*.toml")
    shutil.copy(EXAMPLES / "proxy" / "proxy.py", tmp_path)
    text = {"down": "refused", "silent": "no answer"}
    with socket.socket() as upstream:
        upstream.bind(("127.0.0.1", 0))
        if state == "silent":
            upstream.listen()
        port = upstream.getsockname()[1]
        if state == "up":
            port = socklab_server(shown).address("upstream")[1]
        config = tmp_path / "proxy.toml"
        config.write_text(shown.read_text().replace("port = 4039", f"port = {port}"))
        errors = [each for each in blocks("proxy") if "ERROR" in each.text]
        matching = [each for each in blocks("proxy") if each not in errors]
        if state != "up":
            [*matching] = (each for each in errors if text[state] in each.text)
            assert len(matching) == 1
        Visit("proxy", config, socklab_server(config), newTab, tmp_path).follow(matching)


def test_poll_in_a_browser(socklab_server: Serve, newTab: NewTab) -> None:
    """The page of plain_twisted shows the votes of all; a click is a vote."""
    server = socklab_server(EXAMPLES / "plain_twisted" / "poll.toml")
    first, second = newTab(), newTab()
    for page in (first, second):
        page.goto(f"http://localhost:{server.address('page')[1]}/?port={server.address('poll', 'ws')[1]}")
    first.get_by_role("button", name="식혜").click()
    second.get_by_role("button", name="식혜 1").click()
    with socket.create_connection(server.address("poll"), timeout=60) as voter:
        voter.sendall(b"tea\n")
        for page in (first, second):
            page.get_by_role("button", name="식혜 2").wait_for()
            page.get_by_role("button", name="tea 1").wait_for()
            page.get_by_role("button", name="coffee 0").wait_for()


def test_trial(tmp_path: Path) -> None:
    """trial runs the test that is written for it, given its file as people do."""
    test = Path("examples", "rock_paper_scissors", "test_network.py")
    script = "import sys; sys.path.insert(0, '.'); from twisted.scripts.trial import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", script, f"--temp-directory={tmp_path / 'trial'}", str(test)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_folder(name: str) -> None:
    """Each example has its tests, and stands in the list of all."""
    assert [*(EXAMPLES / name).glob("test_*.py")]
    assert f"]({name}/)" in (EXAMPLES / "README.md").read_text()
