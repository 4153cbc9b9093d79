"""`make screenshots`: the pictures of docs/console.md, of a server, some clients, and the page in Chromium."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from socklab.testing.process import ServerProcess

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "console.toml"
SIZES: dict[str, Any] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


class Clients:
    """Those who are there in the pictures."""

    def __init__(self, server: ServerProcess, stack: ExitStack) -> None:
        self._server = server
        self._stack = stack
        self._echoes = [self.connect("echo") for _ in range(12)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def connect(self, service: str, listener: int = 0) -> socket.socket:
        """Connect to a TCP listener of a service."""
        host, _, port = self._server.addresses[service, "tcp"][listener].rpartition(":")
        return self._stack.enter_context(socket.create_connection((host, int(port)), 10))

    def chat(self) -> None:
        """Talk in the chat, and be refused elsewhere."""
        younghee, minsu = self.connect("chat"), self.connect("chat", 1)
        younghee.sendall("/nick 영희\n안녕하세요, 여러분!\n".encode())
        younghee.recv(1000)
        minsu.sendall("/nick 민수\n반갑습니다. 저는 CP949로 말합니다.\n".encode("cp949"))
        younghee.sendall(b"<b>markup</b> and \x1b[31mcolours stay text\n")
        for _ in range(3):
            self.connect("staff")

    def _talk(self) -> None:
        count = 0
        while not self._stop.wait(0.02):
            count += 1
            for each in self._echoes[: 4 + count // 20 % 8]:
                each.sendall(b"hello %d\n" % count)
                each.recv(1000)

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def window(browser: Browser, url: str, size: str, **options: Any) -> Iterator[Page]:
    """Open the page."""
    context = browser.new_context(**SIZES[size], **options)
    page = context.new_page()
    page.goto(url)
    page.locator("h1").wait_for()
    yield page
    context.close()


def shoot(page: Page, folder: Path, name: str) -> None:
    """Take a picture."""
    page.screenshot(path=folder / f"{name}.png")


def view(page: Page, name: str) -> None:
    """Go to a view."""
    page.evaluate("name => { location.hash = `#/${name}`; }", name)
    page.locator(f"main.{name}").wait_for()


def main(folder: Path) -> None:
    """Make all pictures in a folder."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = Path(shutil.copy(CONFIG, place))
        server = stack.enter_context(ServerProcess(config, folder=place))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)
        url = server.addresses["console", "operate"][0]
        page = stack.enter_context(window(browser, url, "desktop", locale="en-GB"))
        clients = stack.enter_context(Clients(server, stack))
        clients.chat()
        page.wait_for_timeout(12_000)
        shoot(page, folder, "overview")
        view(page, "connections")
        page.get_by_label("Filter").fill("chat")
        page.locator(".rows .peer a").first.click()
        page.locator(".messages .text", has_text="CP949").first.wait_for()
        shoot(page, folder, "conversation")
        view(page, "connections")
        page.get_by_label("Filter").fill("")
        shoot(page, folder, "connections")
        view(page, "client")
        option = page.locator("select[name=service] option", has_text="echo ws ")
        page.get_by_label("Service").select_option(option.get_attribute("value"))
        for text in ("안녕", "hello"):
            page.locator("form.composer").get_by_label("Message").fill(text)
            page.locator("form.composer").get_by_label("Message").press("Enter")
            page.locator(".messages li.in .text", has_text=text).wait_for()
        shoot(page, folder, "client")
        with window(browser, url, "phone", locale="ko-KR", color_scheme="dark") as phone:
            phone.wait_for_timeout(6_000)
            shoot(phone, folder, "phone")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "console")
