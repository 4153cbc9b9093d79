"""A plain Twisted LineReceiver, unchanged, in a page: through the bridge, over ws:// and wss://."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process import CHECKOUT, Server

from .outside import certify, serving
from .page import connect, say, see, seen, url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

CONFIG = """
[server]
trace = "text"

[[service]]
name = "says"
protocol = "plain:SaysFactory"
listen = [
    'ws:tcp:0:interface=127.0.0.1',
    'ws:ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem',
]
options.name = "브라우저"
"""


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Server]:
    """tests/plain.py, served over WebSocket."""
    beside = folder / "plain"
    beside.mkdir()
    (beside / "plain.py").write_text((CHECKOUT / "tests" / "plain.py").read_text())
    certify(beside)
    with serving(beside, CONFIG) as server:
        yield server


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_line_receiver(newPage: Callable[[], Page], plain: Server, transport: str) -> None:
    """It greets the page, answers each line as text, and when it closes the page sees 1000."""
    page = newPage()
    connect(page, url(plain, "says", transport))
    see(page, "message", "안녕, 브라우저")
    # A line may come in several messages, and a message may hold several lines.
    page.evaluate(r"socket.send('첫째 ')")
    page.evaluate(r"socket.send('줄\n둘째 줄\n')")
    see(page, "message", "2: 둘째 줄")
    page.evaluate(r"socket.send('bye\n')")
    see(page, "close", "close 1000 clean")
    assert "".join(seen(page)) == "open 안녕, 브라우저\n1: 첫째 줄\n2: 둘째 줄\n3: bye\nclose 1000 clean"


def test_binary(newPage: Callable[[], Page], plain: Server) -> None:
    """To a page that sends an ArrayBuffer it answers with one."""
    page = newPage()
    page.evaluate("([url]) => connect(url, 'arraybuffer')", [url(plain, "says")])
    see(page, "message", "안녕, 브라우저")
    page.evaluate(r"socket.send(new TextEncoder().encode('hi\n'))")
    see(page, "message", "ArrayBuffer 31 3a 20 68 69 0a")


def test_pages_are_strangers(newPage: Callable[[], Page], plain: Server) -> None:
    """Each page has a protocol of its own; one that is left does not disturb the other."""
    first, second = newPage(), newPage()
    for page in (first, second):
        connect(page, url(plain, "says"))
        see(page, "message", "안녕, 브라우저")
    first.evaluate(r"socket.send('one\n')")
    see(first, "message", "1: one")
    first.goto("about:blank")
    plain.waitFor("closed by peer")
    say(second, "my first")
    second.evaluate(r"socket.send('\n')")
    see(second, "message", "1: my first")
    assert "Traceback" not in plain.log
