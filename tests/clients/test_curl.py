"""curl, against the one-shot that answers HTTP, and against a WebSocket port."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from tests.process import Server

from .outside import Client, requireClient, run

LOCAL = "127.0.0.1"


@pytest.fixture(scope="module", autouse=True)
def _curl() -> None:
    requireClient("curl")


class Answer(NamedTuple):
    """What curl got; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def curl(port: int, *arguments: str, input: bytes = b"") -> Answer:
    """Ask, and give the answer."""
    url = f"http://{LOCAL}:{port}/path?q=%ED%95%9C"
    answer = run("curl", "-sS", "-i", "-m", "60", *arguments, url, input=input)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    match = re.fullmatch(r"HTTP/1\.1 (\d+) [A-Z][A-Za-z -]*", first)
    assert match, answer
    parts = (each.partition(": ") for each in fields)
    return Answer(int(match[1]), {name.lower(): value for name, _, value in parts}, body)


def test_get(web: Server) -> None:
    """GET is answered with 200, a text of the length it says, and the end of the connection."""
    status, headers, body = curl(web.ports["http", "tcp"])
    assert status == 200
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
    text = body.decode()
    match = re.match(r"You are 127\.0\.0\.1:(\d+), visitor \d+, at \d{4}-\d\d-\d\dT\S+\. You sent:\n\n", text)
    assert match, text
    assert text[match.end() :].startswith("GET /path?q=%ED%95%9C HTTP/1.1\r\nHost: 127.0.0.1:")
    assert text.endswith("\r\n\r\n")


def test_visitors_are_counted(web: Server) -> None:
    """Each request is a connection of its own, from another port, and has the next number."""
    url = f"http://{LOCAL}:{web.ports['http', 'tcp']}/"
    answer = run("curl", "-sS", url, url, url).decode()
    visits = re.findall(r"You are (\S+), visitor (\d+),", answer)
    first = int(visits[0][1])
    assert [int(number) for _, number in visits] == [first, first + 1, first + 2]
    assert len({who for who, _ in visits}) == 3


def test_post(web: Server) -> None:
    """The body of a POST is part of the request."""
    status, _, body = curl(web.ports["http", "tcp"], "--data-binary", "이름=홍길동")
    assert status == 200
    assert body.decode().endswith("\r\n\r\n이름=홍길동")


def test_long_post(web: Server) -> None:
    """So is one of 100 kB, which comes in several reads."""
    data = b"0123456789" * 10_000
    status, headers, body = curl(web.ports["http", "tcp"], "--data-binary", "@-", input=data)
    assert status == 200
    assert body.endswith(b"\r\n\r\n" + data)
    assert int(headers["content-length"]) == len(body)


def test_expect(web: Server) -> None:
    """A client that asks before it sends the body (Expect: 100-continue) is told to go on (RFC 9110, 10.1.1)."""
    # Else it would wait longer than it may take.
    answer = run(
        *("curl", "-sS", "-m", "60", "--expect100-timeout", "120", "-H", "Expect: 100-continue"),
        *("--data-binary", "the body", f"http://{LOCAL}:{web.ports['http', 'tcp']}/"),
    )
    assert answer.endswith(b"\r\n\r\nthe body")


def test_too_long_post(web: Server) -> None:
    """A body of over 1 MiB is answered with 413 before it is sent: curl has asked first."""
    data = b"x" * (1024 * 1024 + 1)
    status, _, body = curl(web.ports["http", "tcp"], "--data-binary", "@-", input=data)
    assert status == 413
    assert body == b"the body exceeds 1048576 bytes\n"


def test_too_long_post_unasked(web: Server) -> None:
    """Who sends such a body without asking reads the 413 too."""
    data = b"x" * (1024 * 1024 + 1)
    assert curl(web.ports["http", "tcp"], "-H", "Expect:", "--data-binary", "@-", input=data)[0] == 413


def test_much_too_long_post_unasked(web: Server) -> None:
    """And so does who sends 16 MB."""
    data = b"x" * 16_000_000
    assert curl(web.ports["http", "tcp"], "-H", "Expect:", "--data-binary", "@-", input=data)[0] == 413


def test_head(web: Server) -> None:
    """HEAD gets the headers of GET, and no body."""
    status, headers, body = curl(web.ports["http", "tcp"], "-I")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


def test_chunked(web: Server) -> None:
    """A body whose length is not said beforehand is answered with 411."""
    header = ("-H", "Transfer-Encoding: chunked", "-H", "Expect:")
    status, headers, body = curl(web.ports["http", "tcp"], *header, "--data-binary", "@-", input=b"x" * 100_000)
    assert status == 411
    assert headers["connection"] == "close"
    assert b"length" in body


def test_other_methods(web: Server) -> None:
    """Any method is answered."""
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        status, _, body = curl(web.ports["http", "tcp"], "-X", method)
        assert status == 200
        assert f"\n\n{method} /path".encode() in body


def test_http10(web: Server) -> None:
    """A client that speaks HTTP/1.0 is answered too."""
    assert curl(web.ports["http", "tcp"], "-0")[0] == 200


def test_http2(web: Server) -> None:
    """HTTP/2 without negotiation is refused with a status, which curl reports as an error of its own."""
    url = f"http://{LOCAL}:{web.ports['http', 'tcp']}/"
    run("curl", "-sS", "-m", "60", "--http2-prior-knowledge", url, status=None)
    assert curl(web.ports["http", "tcp"], "--http2")[0] == 200


def test_websocket_port(echo: Server) -> None:
    """A WebSocket port answers a plain request with 426, and says what it wants (RFC 9110, 15.5.22)."""
    status, headers, body = curl(echo.ports["echo", "ws"])
    assert status == 426
    assert headers["upgrade"] == "websocket"
    assert "upgrade" in headers["connection"].lower()
    assert headers["sec-websocket-version"] == "13"
    assert b"new WebSocket(" in body
    assert int(headers["content-length"]) == len(body)


def test_websocket_port_head(echo: Server) -> None:
    """HEAD there gets the same without the body."""
    status, headers, body = curl(echo.ports["echo", "ws"], "-I")
    assert (status, body) == (426, b"")
    assert headers["upgrade"] == "websocket"


def test_websocket_upgrade(echo: Server) -> None:
    """A handshake done by hand is answered with 101 and the key that RFC 6455, 1.3 computes for it."""
    handshake = (
        *("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"),
        *("-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    )
    # After a 101 curl goes on until its time (-m) is over; only what -v shows is shown at once.
    with Client("curl", "-sSv", "-m", "60", *handshake, f"http://{LOCAL}:{echo.ports['echo', 'ws']}/") as client:
        client.hear("< HTTP/1.1 101 ")
        client.hear("< Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")


def test_old_websocket_version(echo: Server) -> None:
    """A version that is not spoken is answered with 426 and the one that is (RFC 6455, 4.4)."""
    handshake = (
        *("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 7"),
        *("-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    )
    status, headers, _ = curl(echo.ports["echo", "ws"], *handshake)
    assert status == 426
    assert headers["sec-websocket-version"] == "13"


def test_websocket_port_post(echo: Server) -> None:
    """A POST of 100 kB there is answered too."""
    status, _, _ = curl(echo.ports["echo", "ws"], "--data-binary", "@-", input=b"x" * 100_000)
    assert status in (405, 426)
