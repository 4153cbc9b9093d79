"""A browser for tests: Chromium without a window, driven by Playwright."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from .outside import HERE, absent, requireClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = HERE / "pages"
FILE = (PAGES / "socket.html").as_uri()
# Without these it looks for updates and hosts of its maker's.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # A name of the DNS that leads here; and localhost is not ::1, where somebody else may have the port.
    "--host-resolver-rules=MAP evil.test 127.0.0.1, MAP localhost 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the module."""
    requireClient("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("not installed: the Python package playwright")
    # Not for the session: while it runs, no other test of the process could run an asyncio loop.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def website() -> Iterator[int]:
    """The port of a web server on this machine, with the pages: others may welcome no page from a file."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(PAGES))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def _idle() -> list[Page]:
    """Tabs that were left: to start a new one's processes takes a second."""
    return []


@pytest.fixture
def newTab(browser: Browser, _idle: list[Page]) -> Iterator[Callable[[], Page]]:
    """Open an empty tab; when the test is over its page is left."""
    with ExitStack() as stack:

        def new() -> Page:
            page = _idle.pop() if _idle else browser.new_page(ignore_https_errors=True)
            page.set_default_timeout(60_000)
            stack.callback(_idle.append, page)
            stack.callback(page.goto, "about:blank")
            return page

        yield new


@pytest.fixture
def newPage(newTab: Callable[[], Page], website: int) -> Iterator[Callable[..., Page]]:
    """Open pages/socket.html, of the web server on this machine or elsewhere; it must log no error of its own."""
    errors: list[str] = []

    def note(error: object) -> None:
        # What is raised in a callback of Playwright's ends its connection to the browser.
        errors.append(str(error))

    with ExitStack() as stack:

        def new(where: str = f"http://localhost:{website}/socket.html") -> Page:
            page = newTab()
            page.on("pageerror", note)
            stack.callback(page.remove_listener, "pageerror", note)
            page.goto(where)
            return page

        yield new
    assert errors == []
