"""What the tests of several clients share: servers above all, each of which takes a second to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process import CHECKOUT, Server

from .browser import _idle as _idle
from .browser import browser as browser
from .browser import newPage as newPage
from .browser import newTab as newTab
from .browser import website as website
from .outside import Chat, Serve, certify, serving

CHATS = 8
"""How many chats one server has."""

SPECIAL = """
[[service]]
name = "bulk"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1', 'unix:bulk.sock:mode=600']

[[service]]
name = "limited"
protocol = "echo"
listen = ['ws:tcp:0:interface=127.0.0.1']
limits = { message = 1000 }

[[service]]
name = "pinging"
protocol = "echo"
listen = ['ws:tcp:0:interface=127.0.0.1']
limits = { ping_interval = "200ms", ping_timeout = "3s" }

[[service]]
name = "hasty"
protocol = "echo"
listen = ['ws:tcp:0:interface=127.0.0.1']
limits = { ping_interval = "200ms", ping_timeout = "100ms" }

[[service]]
name = "deflate"
protocol = "echo"
listen = ['ws:tcp:0:interface=127.0.0.1']
websocket = { deflate = true }

[[service]]
name = "deflate-chat"
protocol = "chat"
listen = ['ws:tcp:0:interface=127.0.0.1']
websocket = { deflate = true }

[[service]]
name = "self"
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1']
options = { echo_self = true }

[[service]]
name = "late"
protocol = "oneshot"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1']
options = { timeout = "200ms", reply_on_timeout = "you said nothing\\n" }
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server for this test: `serve(config, (old, new), ...)`, as `serving` does."""
    with ExitStack() as stack:
        yield lambda config, *changes: stack.enter_context(serving(tmp_path, config, *changes))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for shared files."""
    return tmp_path_factory.mktemp("shared")


def shared(name: str, config: str) -> Callable[[Path], Iterator[Server]]:
    """Give a fixture: a server for the whole session, in a folder of its own.

    @param config: as of `serving`.
    """

    @pytest.fixture(scope="session", name=name)
    def fixture(folder: Path) -> Iterator[Server]:
        (folder / name).mkdir()
        with serving(folder / name, config) as server:
            yield server

    return fixture


lab = shared("lab", "lab.toml")
"""configs/lab.toml: echo, chat and a oneshot that takes what the first read brings."""
echo = shared("echo", "echo.toml")
"""configs/echo.toml: exact, and by lines with a prefix."""
oneshot = shared("oneshot", "oneshot.toml")
"""configs/oneshot.toml: a request that is a line, all until the end, or 8 bytes."""
custom = shared("custom", "custom.toml")
"""configs/custom.toml: a file of ten lines beside the config."""
web = shared("web", "http-oneshot.toml")
"""configs/http-oneshot.toml: one HTTP request, one answer."""
special = shared("special", SPECIAL)
"""SPECIAL: what the shipped configs do not have; nothing is traced."""


@pytest.fixture(scope="session")
def secure(folder: Path) -> Iterator[Server]:
    """configs/tls.toml: echo and chat over TLS; `folder / "ca.pem"` is whom to trust."""
    (folder / "tls").mkdir()
    certify(folder / "tls").rename(folder / "ca.pem")
    with serving(folder / "tls", "tls.toml") as server:
        yield server


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Chat]]:
    """Chats of configs/chat.toml in which nobody has been."""
    head, mark, service = (CHECKOUT / "configs" / "chat.toml").read_text().partition("[[service]]")
    names = [f"chat{number}" for number in range(CHATS)]
    config = head + "".join(mark + service.replace('name = "chat"', f'name = "{each}"') for each in names)
    with ExitStack() as stack:

        def fresh() -> Iterator[Chat]:
            while True:
                server = stack.enter_context(serving(tmp_path_factory.mktemp("chats"), config))
                yield from (Chat(server, each) for each in names)

        yield fresh()


@pytest.fixture
def chat(chats: Iterator[Chat]) -> Chat:
    """A chat of configs/chat.toml for this test alone."""
    return next(chats)
