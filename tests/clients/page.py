"""What a person does in pages/socket.html, and sees there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.process import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


def connect(page: Page, url: str) -> None:
    """Do what a person does."""
    page.fill("#url", url)
    page.click("#connect button")


def say(page: Page, text: str) -> None:
    """Do what a person does."""
    page.fill("#text", text)
    page.press("#text", "Enter")


def see(page: Page, event: str, text: str) -> None:
    """Wait for an event with a text."""
    page.locator(f"#events [data-event={event}]", has_text=text).first.wait_for()


def seen(page: Page) -> list[str]:
    """Give the events in their order, each as its text."""
    return page.locator("#events li").all_text_contents()


def url(server: Server, service: str, transport: str = "ws") -> str:
    """Give a service's address."""
    return f"{transport}://localhost:{server.ports[service, transport]}/"
