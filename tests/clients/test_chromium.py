"""Chromium without a window: a page with `new WebSocket(...)` and its four events."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.process import Server

from .browser import FILE
from .outside import Chat, Client, Serve, requireClient
from .page import connect, say, see, seen, url

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_echo(newPage: Callable[[], Page], echo: Server) -> None:
    """open, a message for each that is sent, close with 1000: the connection lasts as long as the page wants."""
    page = newPage()
    connect(page, url(echo, "echo"))
    see(page, "open", "open")
    for text in ("hello", "안녕하세요 👋", "끝"):
        say(page, text)
        see(page, "message", text)
    page.evaluate("socket.close(1000)")
    see(page, "close", "close 1000 clean")
    assert seen(page) == ["open ", "hello", "안녕하세요 👋", "끝", "close 1000 clean"]
    echo.waitFor('origin "http://localhost:')


def test_page_in_a_file(newPage: Callable[..., Page], chat: Chat, echo: Server) -> None:
    """A page that was opened from a file is welcome where the config says so, as in the chat, and else not."""
    page = newPage(FILE)
    connect(page, url(chat.server, chat.name))
    see(page, "message", "Welcome.")
    connect(page, url(echo, "echo"))
    see(page, "close", "close 1006 unclean")
    echo.waitFor("refused: websocket.origins: a page of null (a file, or a page that hides where it is from)")


def test_foreign_page(newPage: Callable[..., Page], website: int, echo: Server) -> None:
    """A page of another host cannot connect to this machine, and neither can one whose name is rebound to it."""
    page = newPage(f"http://evil.test:{website}/socket.html")
    port = echo.ports["echo", "ws"]
    for number, host in enumerate(("localhost", "127.0.0.1", "evil.test")):
        connect(page, f"ws://{host}:{port}/")
        page.locator("[data-event=close]").nth(number).wait_for()
    echo.waitFor(f'refused: websocket.origins: a page of "http://evil.test:{website}"', times=2)
    echo.waitFor(f'refused: websocket.hosts: "evil.test:{port}" is no name of this server')
    assert seen(page) == ["error", "close 1006 unclean"] * 3


def test_page_leaves(newPage: Callable[[], Page], echo: Server) -> None:
    """A page that is left is a peer that is gone."""
    page = newPage()
    connect(page, url(echo, "echo"))
    see(page, "open", "open")
    say(page, "this page is left")
    see(page, "message", "this page is left")
    log = echo.waitFor('received 17 B text "this page is left"')
    [line] = [each for each in log.splitlines() if each.endswith('received 17 B text "this page is left"')]
    page.goto("about:blank")
    echo.waitFor(f"{line.partition('] ')[2].partition(' received')[0]} closed by peer")


def test_binary(newPage: Callable[[], Page], echo: Server) -> None:
    """An ArrayBuffer and a Blob come back as what binaryType says, never as text."""
    for binaryType, name in (("blob", "Blob"), ("arraybuffer", "ArrayBuffer")):
        page = newPage()
        page.evaluate("([url, binaryType]) => connect(url, binaryType)", [url(echo, "echo"), binaryType])
        see(page, "open", "open")
        page.evaluate("socket.send(new Uint8Array([0, 255, 128]).buffer)")
        see(page, "message", f"{name} 00 ff 80")
        page.evaluate("socket.send(new Blob(['안']))")
        see(page, "message", f"{name} ec 95 88")


def test_large(newPage: Callable[[], Page], echo: Server) -> None:
    """1 MiB of text comes back whole; more closes with 1009, which the page sees."""
    page = newPage()
    connect(page, url(echo, "echo"))
    see(page, "open", "open")
    same = page.evaluate(
        """() => new Promise((resolve) => {
            const text = "x".repeat(1 << 20);
            socket.onmessage = ({ data }) => resolve(data === text);
            socket.send(text);
        })"""
    )
    assert same
    page.evaluate("socket.send('x'.repeat((1 << 20) + 1))")
    see(page, "close", "close 1009 ")


def test_prefix(newPage: Callable[[], Page], echo: Server) -> None:
    """The server's own words are Korean too."""
    page = newPage()
    connect(page, url(echo, "prefixed"))
    see(page, "open", "open")
    say(page, "안녕")
    see(page, "message", "서버에서 받은 메시지: 안녕")


def test_chat(newPage: Callable[[], Page], chat: Chat) -> None:
    """Two pages read each other; a line of bytes that are no text, from TCP, does not make them close."""
    requireClient("ncat")
    first, second = newPage(), newPage()
    for page, name in ((first, "영희"), (second, "철수")):
        connect(page, url(chat.server, chat.name))
        see(page, "message", "Welcome.")
        say(page, f"/nick {name}")
        see(page, "message", f"* you are {name} now")
    say(first, "안녕, 철수!")
    see(second, "message", "영희: 안녕, 철수!")
    say(second, "반가워, 영희!")
    see(first, "message", "철수: 반가워, 영희!")
    with Client("ncat", "127.0.0.1", chat.port("tcp")) as client:
        client.hear("Welcome.")
        client.say(b"\xff\x1b[31m")
        see(first, "message", ": �")
        client.say("다음 줄")
        see(first, "message", "다음 줄")
        say(first, "<b>굵게</b>")
        client.hear("영희: <b>굵게</b>\n")
    see(second, "message", "has left")
    assert not any(each.startswith("close") for each in seen(first) + seen(second))


def test_oneshot(newPage: Callable[[], Page], oneshot: Server) -> None:
    """One answer, then the server closes with 1000, and no error event."""
    page = newPage()
    connect(page, url(oneshot, "greeter"))
    see(page, "open", "open")
    say(page, "질문")
    see(page, "message", "you said: 질문")
    see(page, "close", "close 1000 clean")
    assert page.locator("[data-event=error]").count() == 0


def test_server_stops(newPage: Callable[[], Page], serve: Serve) -> None:
    """When the server stops the page is told so with 1001."""
    server = serve("chat.toml")
    page = newPage()
    connect(page, url(server, "chat"))
    see(page, "message", "Welcome.")
    server.stop()
    see(page, "close", "close 1001 clean")


def test_nobody_listens(newPage: Callable[[], Page]) -> None:
    """Where nobody listens there is an error event, then close with 1006."""
    with socket.socket() as reserved:
        # Bound, so that nobody else takes it, but not listening.
        reserved.bind(("127.0.0.1", 0))
        page = newPage()
        connect(page, f"ws://127.0.0.1:{reserved.getsockname()[1]}/")
        see(page, "close", "close 1006 unclean")
        assert seen(page) == ["error", "close 1006 unclean"]


def test_stream_port(newPage: Callable[[], Page], oneshot: Server) -> None:
    """So it is on a port that speaks no WebSocket."""
    page = newPage()
    connect(page, f"ws://localhost:{oneshot.ports['greeter', 'tcp']}/")
    see(page, "close", "close 1006 unclean")


def test_tls(newPage: Callable[[], Page], secure: Server) -> None:
    """wss:// works, although the browser offers application protocols (ALPN) in the handshake."""
    page = newPage()
    connect(page, url(secure, "echo", "wss"))
    see(page, "open", "open")
    say(page, "비밀")
    see(page, "message", "비밀")


def test_web_page(newPage: Callable[[], Page], web: Server) -> None:
    """The HTTP one-shot's answer is shown as the text it is, whatever the address says."""
    page = newPage()
    answer = page.goto(f"http://localhost:{web.ports['http', 'tcp']}/<script>document.title='x'</script>")
    assert answer is not None
    assert answer.status == 200
    assert "You are 127.0.0.1:" in page.inner_text("body")
    assert page.title() == ""


def test_websocket_address_in_the_address_bar(newPage: Callable[[], Page], echo: Server) -> None:
    """Who opens a WebSocket port as a page reads what to do instead."""
    page = newPage()
    answer = page.goto(url(echo, "echo").replace("ws:", "http:"))
    assert answer is not None
    assert answer.status == 426
    assert "new WebSocket(" in page.inner_text("body")
