"""The console's page in a real browser, as a person uses it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.test_java import lines
from tests.process import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Enter = Callable[..., "Page"]


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., socket.socket]]:
    """Connect to a service: `connect("chat", 1)` to its second TCP listener."""
    with ExitStack() as stack:

        def new(service: str, listener: int = 0) -> socket.socket:
            host, _, port = server.addresses[service, "tcp"][listener].rpartition(":")
            return stack.enter_context(socket.create_connection((host, int(port)), 30))

        yield new


def port(connection: socket.socket) -> int:
    """Give a connection's own port."""
    return int(connection.getsockname()[1])


def see(place: Page | Locator, text: str, within: str = "*") -> None:
    """Wait until a text is shown."""
    place.locator(within).get_by_text(text).first.wait_for()


def shows(page: Page, expression: str, value: object) -> None:
    """Wait until an expression of JavaScript has a value: the page draws anew when it finds the time."""
    page.wait_for_function(f"wanted => JSON.stringify({expression}) === JSON.stringify(wanted)", arg=value)


def holds(field: Locator, text: str) -> None:
    """Wait until a field holds a text."""
    from playwright.sync_api import expect

    expect(field).to_have_value(text, timeout=30_000)


def openTalk(page: Page, connection: socket.socket) -> None:
    """Find a connection in the table and open its conversation."""
    page.get_by_role("link", name="Connections").first.click()
    page.get_by_label("Filter").fill(f":{port(connection)}")
    page.get_by_role("link", name=f"127.0.0.1:{port(connection)}").click()
    page.get_by_label("Messages").wait_for()


def messages(page: Page) -> list[str]:
    """Give the texts of the messages that are shown."""
    return page.locator(".messages li:visible .text").all_inner_texts()


def seeMessage(page: Page, text: str) -> None:
    """Wait until a conversation shows a message."""
    page.locator(".messages .text", has_text=text).first.wait_for()


def hear(connection: socket.socket, text: str) -> str:
    """Read until a text has come."""
    data = b""
    while text not in data.decode(errors="replace"):
        more = connection.recv(65536)
        assert more, data
        data += more
    return data.decode()


def test_come_in(enter: Enter, server: Server) -> None:
    """The link of the log lets one in, and its token is in the address no longer; loaded anew, one is still in."""
    page = enter()
    token = server.addresses["console", "operate"][0].partition("#")[2]
    assert token not in page.url
    page.reload()
    see(page, "Services", "h2")
    page.get_by_role("button", name="Leave").click()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Come in").click()
    see(page, "this token is not good")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Come in").click()
    see(page, "Services", "h2")
    page.goto(server.addresses["console", "look"][0])
    see(page, "viewer", ".status")


def test_overview(enter: Enter, server: Server, connect: Callable[..., socket.socket]) -> None:
    """It shows services with their listeners, plots that move, limits, and who was refused by which rule."""
    page = enter()
    connection = connect("echo")
    for _ in range(20):
        connection.sendall(b"x" * 100)
        connection.recv(100)
    connect("staff")
    see(page, server.addresses["chat", "ws"][0], "table")
    see(page, "access", "code")
    see(page, 'rule "deny all"', ".events")
    see(page, "/ 4,000", ".limit")
    page.wait_for_function("document.querySelectorAll('.plot canvas').length === 4")
    # Something was drawn: not all pixels are clear.
    page.wait_for_function(
        """() => [...document.querySelectorAll('.plot canvas')].every((each) =>
            each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(Boolean))"""
    )


def test_conversation(enter: Enter, connect: Callable[..., socket.socket], tmp_path: Path) -> None:
    """Each message has time, size, text and hex, Korean in the listener's encoding; what is markup is text."""
    page = enter()
    cheolsu, younghee = connect("chat"), connect("chat", 1)
    younghee.sendall("/nick 영희\n안녕하세요\n".encode("cp949"))
    hear(cheolsu, "영희: 안녕하세요\n")
    cheolsu.sendall("<img src=x onerror=alert(1)><b>굵게</b>\u202etxt.exe\n".encode())
    openTalk(page, younghee)
    seeMessage(page, "안녕하세요")
    seeMessage(page, "<b>굵게</b>")
    assert page.locator(".messages b:not(.meta b), .messages img").count() == 0
    row = page.locator(".messages li.in", has_text="안녕하세요")
    assert row.locator(".hex").inner_text() == "안녕하세요".encode("cp949").hex(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} *← *10 B", row.locator(".meta").inner_text())
    page.get_by_label("Search").fill("안녕하세요")
    assert messages(page) == ["안녕하세요", "영희: 안녕하세요"][: len(messages(page))]
    page.get_by_label("Search").fill("be c8 b3 e7")
    assert "/nick 영희" not in messages(page)
    page.get_by_label("Search").fill("")
    page.get_by_role("button", name="Pause").click()
    younghee.sendall("멈춘 동안\n".encode("cp949"))
    hear(cheolsu, "멈춘 동안")
    see(page, "(+", "span")
    assert "멈춘 동안" not in messages(page)
    page.get_by_role("button", name="Go on").click()
    seeMessage(page, "멈춘 동안")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    downloading.value.save_as(tmp_path / "talk.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    assert [each["text"] for each in kept if each["way"] == "in"] == ["/nick 영희", "안녕하세요", "멈춘 동안"]
    page.get_by_role("button", name="Clear").click()
    assert messages(page) == []
    younghee.shutdown(socket.SHUT_WR)
    see(page, "the peer will send nothing more (FIN)")
    see(page, "closed by peer: closed", ".about")


def test_write(enter: Enter, connect: Callable[..., socket.socket], tmp_path: Path) -> None:
    """The operator writes text, escapes, hex and a file to one; and to several; closes them, and resets them."""
    page = enter()
    first, second = connect("echo"), connect("echo")
    openTalk(page, first)
    see(page, "Nothing yet.")
    form = page.locator("form.composer")
    for kind, text, data in (
        ("text", "안녕 👋", "안녕 👋".encode()),
        ("escapes", r"a\r\n\x00\u{c548}", b"a\r\n\x00" + "안".encode()),
        ("hex", "48 65 FF", b"\x48\x65\xff"),
    ):
        form.get_by_label("Form").select_option(kind)
        form.get_by_label("Message").fill(text)
        form.get_by_label("Message").press("Enter")
        assert first.recv(100) == data
    shows(
        page,
        "[...document.querySelectorAll('.messages .control')].map(each => each.innerText)",
        [r"\r", r"\n", r"\0"],
    )
    form.get_by_label("Message").fill("4")
    form.get_by_role("button", name="Write").click()
    see(page, "no pairs of hex digits", ".toast")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    form.get_by_label("Form").select_option("file")
    form.locator("input[type=file]").set_input_files(tmp_path / "data.bin")
    form.get_by_role("button", name="Write").click()
    assert first.recv(1000) == bytes(range(256))

    page.get_by_role("link", name="Connections").first.click()
    for each in (first, second):
        page.get_by_label("Filter").fill(f":{port(each)}")
        page.locator(".rows input[type=checkbox]").check()
    form = page.locator(".hands form")
    form.get_by_label("Message").fill("모두에게")
    form.get_by_role("button", name="Write").click()
    for each in (first, second):
        assert each.recv(100).decode() == "모두에게"
    page.locator(".hands").get_by_role("button", name="Reset").click()
    for each in (first, second):
        with pytest.raises(ConnectionResetError):
            each.recv(100)


def test_java_chat(enter: Enter, server: Server, classes: Path, connect: Callable[..., socket.socket]) -> None:
    """A person at the server answers each line of the textbook's Java client, while others go on talking."""
    page = enter()
    one, other = connect("chat"), connect("chat")
    with lines(classes, server.ports["desk", "tcp"]) as client:
        client.say("거기 누구 있나요?")
        page.get_by_role("link", name="Connections").first.click()
        page.get_by_label("Filter").fill("desk tcp")
        page.locator(".rows .peer a").first.click()
        seeMessage(page, "거기 누구 있나요?")
        for number in range(3):
            one.sendall(f"우리끼리 {number}\n".encode())
            hear(other, f"우리끼리 {number}\n")
            page.get_by_label("Message", exact=True).fill(f"네, {number}번 대답입니다")
            page.get_by_label("Message", exact=True).press("Enter")
            client.hear(f"네, {number}번 대답입니다\n")
            client.say(f"질문 {number}")
            seeMessage(page, f"질문 {number}")


def test_operator(enter: Enter, connect: Callable[..., socket.socket]) -> None:
    """The operator speaks in a room, bans and unbans by rule; all of it is in the events, with who did it."""
    page = enter(view="rules")
    member = connect("chat")
    page.locator("option", has_text="chat / lobby").wait_for(state="attached")
    page.get_by_label("Room").select_option('["chat","lobby"]')
    page.get_by_label("Line").fill("<i>공지</i>입니다")
    page.get_by_role("button", name="Say").click()
    hear(member, "operator: <i>공지</i>입니다\n")
    page.get_by_label("Address or network").fill("192.0.2.0/33")
    page.get_by_role("button", name="Add").click()
    see(page, "expected an IP address", ".toast")
    page.get_by_label("Kind").select_option("mute")
    page.get_by_label("Address or network").fill("127.0.0.0/8")
    page.get_by_role("button", name="Add").click()
    see(page, "127.0.0.0/8", "code")
    member.sendall("들리나요?\n".encode())
    hear(member, "! the operator has muted you\n")
    page.get_by_role("button", name="Remove mute 127.0.0.0/8").click()
    see(page, "There are none.")
    page.get_by_role("button", name="Reload").click()
    see(page, "reload: = echo", "pre")
    page.get_by_role("link", name="Overview").click()
    see(page, "mute of 127.0.0.0/8", ".events")


def test_viewer(enter: Enter, connect: Callable[..., socket.socket]) -> None:
    """Who has the second link sees all, and is offered nothing to do."""
    page = enter("look")
    connection = connect("echo")
    connection.sendall("보입니다".encode())
    openTalk(page, connection)
    seeMessage(page, "보입니다")
    assert page.get_by_role("button", name="Close").count() == 0
    assert page.locator("textarea").count() == 0
    page.get_by_role("link", name="Operator").click()
    see(page, "You may look, and do nothing.")


def test_thousands(enter: Enter, server: Server, connect: Callable[..., socket.socket]) -> None:
    """Of 1500 connections only those in view are in the page; sorted, filtered and walked through by keys."""
    many = [connect("echo") for _ in range(1500)]
    many[700].sendall(b"hello")
    page = enter(view="connections")
    page.wait_for_function("parseInt(document.querySelector('.bar .soft').textContent.replace(',', '')) >= 1500")
    assert page.locator(".rows .row").count() < 60
    table = page.get_by_role("table")
    table.get_by_role("columnheader", name="Bytes out").click()
    table.get_by_role("columnheader", name="Bytes out").click()
    page.wait_for_function(
        "document.querySelector('.rows .row .cell.wide:nth-last-child(2)').textContent === '5 B'"
    )
    page.locator(".viewport").focus()
    page.keyboard.press("ArrowDown")
    shows(page, "document.activeElement.textContent", f"127.0.0.1:{port(many[700])}")
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    shows(page, "document.querySelector('.viewport').scrollTop > 0", True)
    page.get_by_label("Filter").fill(f":{port(many[3])}")
    page.wait_for_function("document.querySelectorAll('.rows .row').length === 1")
    page.get_by_role("link", name=f"127.0.0.1:{port(many[3])}").press("Enter")
    see(page, f"127.0.0.1:{port(many[3])}", ".about")


def test_keyboard(enter: Enter, connect: Callable[..., socket.socket]) -> None:
    """All is reached by keys: what is focused is seen, Escape goes back to where one was, and ends notices."""
    page = enter()
    connections = [connect("echo") for _ in range(3)]
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert [each for each in names if each not in "◐☀☾"] == [
        *("To the content", "socklab", "Overview", "Connections", "Operator", "Client", "한국어", "Leave"),
    ]
    page.get_by_role("link", name="Connections").first.press("Enter")
    shows(page, "document.activeElement.id", "view")
    where = f"127.0.0.1:{port(connections[1])}"
    page.get_by_role("link", name=where).press("Enter")
    see(page, where, ".about")
    page.keyboard.press("Escape")
    shows(page, "document.activeElement.textContent", where)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    see(page, "To the selected: 1", "h2")
    page.locator(".hands form").get_by_label("Form").select_option("hex")
    page.locator(".hands form").get_by_label("Message").fill("x")
    page.locator(".hands form").get_by_label("Message").press("Enter")
    see(page, "no pairs of hex digits", ".toast")
    page.keyboard.press("Escape")
    page.locator(".toast").wait_for(state="detached")


def test_moved(enter: Enter) -> None:
    """When a reload has moved the console, its page gives the way there."""
    page = enter(view="rules")
    page.evaluate(
        """async () => {
            const { changed, state } = await import("/page/state.js");
            state.moved = { scheme: "https", where: "*:59301" };
            changed("live");
        }"""
    )
    link = page.get_by_role("link", name="The console has moved")
    assert link.get_attribute("href") == "https://127.0.0.1:59301/#/rules"


def test_korean_on_a_phone(enter: Enter, connect: Callable[..., socket.socket]) -> None:
    """A Korean phone at night reads Korean in the dark, of the server too; nothing is wider than it; the switch
    gives English."""
    page = enter(locale="ko-KR", color_scheme="dark", viewport={"width": 360, "height": 740}, has_touch=True)
    see(page, "서비스", "h2")
    connect("staff")
    see(page, '규칙 "deny all"', ".events")
    page.evaluate("location.hash = '#/rules'")
    page.get_by_label("주소나 네트워크").fill("192.0.2.0/33")
    page.get_by_role("button", name="더하기").click()
    see(page, "IP 주소나 네트워크를 쓰세요", ".toast")
    for view in ("overview", "connections", "rules", "client"):
        page.evaluate("view => { location.hash = `#/${view}`; }", view)
        page.locator(f"main.{view}").wait_for()
        shows(page, "document.documentElement.scrollWidth", 360)
    shows(page, "getComputedStyle(document.body).backgroundColor", "rgb(17, 22, 21)")
    page.get_by_role("button", name="색").click()
    shows(page, "getComputedStyle(document.body).backgroundColor", "rgb(245, 246, 244)")
    page.get_by_role("button", name="English").click()
    see(page, "Client", "h1")
    shows(page, "document.documentElement.lang", "en")
    missing = page.evaluate(
        """async () => {
            const wanted = new Set();
            const names = performance.getEntriesByType("resource").map((each) => each.name);
            for (const name of names.filter((each) => each.endsWith(".js") && !each.endsWith("/uplot.js"))) {
                const text = await (await fetch(name)).text();
                const found = text.matchAll(/\\bt\\("((?:[^"\\\\]|\\\\.)*)"\\)/g);
                for (const match of found) wanted.add(JSON.parse(`"${match[1]}"`));
            }
            const korean = await (await fetch("/page/i18n.js")).text();
            return [...wanted].filter((each) => !korean.includes(JSON.stringify(each) + ":"));
        }"""
    )
    assert missing == []


def test_client(enter: Enter, server: Server) -> None:
    """The page is a client too: over WebSocket by itself, over TCP and UDP through the server."""
    page = enter(view="client")
    compose = page.locator("form.composer")
    for transport in ("ws", "tcp", "udp"):
        page.get_by_role("button", name="Clear").click()
        option = page.locator("select[name=service] option", has_text=f"echo {transport} ")
        option.wait_for(state="attached")
        page.get_by_label("Service").select_option(option.get_attribute("value"))
        for text in ("하나", "둘"):
            compose.get_by_label("Message").fill(text)
            compose.get_by_label("Message").press("Enter")
            page.locator(".messages li.in .text", has_text=text).wait_for()
        assert page.locator(".messages li.note").filter(has_text="connected").count() == 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Service").select_option(
        page.locator("select[name=service] option", has_text="echo tcp ").get_attribute("value")
    )
    page.get_by_label("Mode").select_option("shot")
    for number in (1, 2):
        compose.get_by_label("Message").fill(f"shot {number}")
        compose.get_by_label("Message").press("Enter")
        page.locator(".messages li.in .text", has_text=f"shot {number}").wait_for()
    notes = page.locator(".messages li.note .text", has_text="from port").all_inner_texts()
    assert len({re.findall(r"from port (\d+)", each)[0] for each in notes}) == 2


def test_client_services(enter: Enter) -> None:
    """Listeners that the browser reaches by one address are offered once: it is not told 127.0.0.1 from ::1."""
    page = enter(view="client")
    page.locator("select[name=service] option", has_text="echo ws ").wait_for(state="attached")
    page.evaluate(
        """async () => {
            const { changed, state } = await import("/page/state.js");
            const { listeners } = state.lab.services[0];
            const { where, ...rest } = listeners.find((each) => each.transport === "ws");
            listeners.push({ ...rest, where: where.replace(/.*:/, "[::1]:") });
            changed("lab");
        }"""
    )
    for options in ("select[name=service] option", "datalist option"):
        found = page.locator(options, has_text="echo ws").all()
        assert len(found) == 1, options


def test_client_elsewhere(enter: Enter, server: Server) -> None:
    """It reaches no other address unless `outbound` allows it, and says so."""
    page = enter(view="client")
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        page.get_by_label("Address").fill(f"tcp://{where}")
        page.get_by_role("button", name="Connect").click()
        see(page, f"{where} is no service of this server, and [console] outbound does not allow it", ".toast")
        page.get_by_label("Address").fill(f"ws://127.0.0.1:{other.getsockname()[1]}")
        page.get_by_role("button", name="Connect").click()
        see(page, "Over WebSocket this page reaches the services of this server only.", ".toast")
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
    with socket.create_server(("127.0.0.2", 0)) as other:
        page.get_by_label("Address").fill(f"tcp://127.0.0.2:{other.getsockname()[1]}")
        page.locator("form.composer").get_by_label("Message").fill("밖으로")
        page.locator("form.composer").get_by_label("Message").press("Enter")
        other.settimeout(30)
        accepted, _ = other.accept()
        with accepted:
            assert hear(accepted, "\n") == "밖으로\n"


def test_saved_sends(enter: Enter, server: Server) -> None:
    """A send is kept by its name, and shared as a link, which fills in the form and sends nothing."""
    page = enter(view="client")
    where = "tcp://127.0.0.1:{}".format(server.ports["echo", "tcp"])
    page.get_by_label("Address").fill(where)
    compose = page.locator("form.composer")
    compose.get_by_label("Form").select_option("hex")
    compose.get_by_label("Message").fill("ec 95 88")
    page.get_by_label("Name").fill("안 세 바이트")
    page.get_by_role("button", name="Save this one").click()
    page.get_by_role("button", name="Share").click()
    page.wait_for_url("**/client/*")
    link = page.url
    page.reload()
    page.locator("main.client").wait_for()
    page.get_by_label("Address").fill("")
    page.get_by_role("button", name="안 세 바이트").first.click()
    holds(page.get_by_label("Address"), where)
    other = enter()
    other.goto("about:blank")
    other.goto(link)
    other.locator("main.client").wait_for()
    holds(other.get_by_label("Address"), where)
    holds(other.locator("form.composer").get_by_label("Message"), "ec 95 88")
    assert other.locator(".messages li").count() == 0
