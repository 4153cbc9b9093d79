"""One server and one browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.browser import browser as browser
from tests.clients.test_java import classes as classes
from tests.process import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CONFIG = """
[console]
listen = 'tcp:0'
socket = "console.sock"
outbound = ["allow 127.0.0.2", "deny all"]
[server]
max_connections = 4000
[[service]]
name = "echo"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1']
[[service]]
name = "chat"
protocol = "chat"
listen = [
    'tcp:0:interface=127.0.0.1',
    'ws:tcp:0:interface=127.0.0.1',
    { endpoint = 'tcp:0:interface=127.0.0.1', encoding = "cp949" },
]
[[service]]
name = "desk"
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1']
options = { announce = false }
[[service]]
name = "staff"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1']
access = ["allow 10.0.0.0/8", "deny all"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a console."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "lab.toml").write_text(CONFIG)
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """One window for pages that want nothing of their own."""
    with closing(browser.new_context(locale="en-GB")) as context:
        yield context


@pytest.fixture
def enter(browser: Browser, server: Server, window: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Come in by the link of the log: `enter(verb, view, **options of a window of its own)`; no page may fail."""
    troubles: list[str] = []
    with ExitStack() as stack:

        def new(verb: str = "operate", view: str = "overview", **options: Any) -> Page:
            own = stack.enter_context(closing(browser.new_context(**options))) if options else window
            page = own.new_page()
            stack.callback(page.close)
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on(
                "console",
                lambda said: (
                    troubles.append(said.text)
                    if said.type == "error" and "Failed to load resource" not in said.text
                    else None
                ),
            )
            page.goto(server.addresses["console", verb][0])
            page.locator("h1").wait_for()
            if view != "overview":
                page.evaluate("view => { location.hash = `#/${view}`; }", view)
            return page

        yield new
    assert troubles == []
