"""One server and one browser for all tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.browser import browser as browser
from tests.process import CHECKOUT, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CONFIG = CHECKOUT / "docs" / "console.toml"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a console."""
    folder = tmp_path_factory.mktemp("console")
    with Server(Path(shutil.copy(CONFIG, folder)), folder=folder) as server:
        yield server


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """One window for pages that want nothing of their own."""
    with closing(browser.new_context(locale="en-GB")) as context:
        yield context


@pytest.fixture(scope="module")
def idle() -> list[Page]:
    """Tabs of that window that were left: to start a new one's process takes half a second."""
    return []


@pytest.fixture
def enter(
    browser: Browser, server: Server, window: BrowserContext, idle: list[Page]
) -> Iterator[Callable[..., Page]]:
    """Come in by the link of the log: `enter(verb, view, **options of a window of its own)`; no page may fail."""
    troubles: list[str] = []

    def raised(error: object) -> None:
        troubles.append(str(error))

    def logged(said: ConsoleMessage) -> None:
        if said.type == "error" and "Failed to load resource" not in said.text:
            troubles.append(said.text)

    with ExitStack() as stack:

        def new(verb: str = "operate", view: str = "overview", **options: Any) -> Page:
            if options:
                page = stack.enter_context(closing(browser.new_context(**options))).new_page()
            else:
                page = idle.pop() if idle else window.new_page()
                stack.callback(idle.append, page)
                stack.callback(page.goto, "about:blank")
            page.set_default_timeout(20_000)
            for event, take in (("pageerror", raised), ("console", logged)):
                page.on(event, take)  # type: ignore[call-overload]
                stack.callback(page.remove_listener, event, take)
            page.goto(server.addresses["console", verb][0])
            page.locator("h1").wait_for()
            if view != "overview":
                page.evaluate("view => { location.hash = `#/${view}`; }", view)
            return page

        yield new
    assert troubles == []
