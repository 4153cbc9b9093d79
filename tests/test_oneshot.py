"""One-shot on streams: what ends a request, and HTTP."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from socklab.events import Cut
from socklab.limits import Limits
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer, StreamPeer


def http(reply: str = "{request}", **limits: int) -> tuple[MemoryServer, StreamPeer]:
    """Give a peer of an HTTP service."""
    server = MemoryServer(OneShotFactory(until="http", reply=reply), limits=Limits(**limits))  # type: ignore[arg-type]
    return server, server.tcp()


class _Wire(io.BytesIO):
    def makefile(self, *_: Any) -> io.BytesIO:
        return self


def parsed(data: bytes, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """Give a response as Python's own client reads it."""
    response = HTTPResponse(_Wire(data), method=method)  # type: ignore[arg-type]
    response.begin()
    return response, response.read()


@pytest.mark.parametrize(
    ("until", "sent", "request_"),
    [
        ("line", b"one\r\ntwo\n", b"one\r\n"),
        ("read", b"whatever", b"whatever"),
        (5, b"12345678", b"12345"),
    ],
)
def test_until(until: Any, sent: bytes, request_: bytes) -> None:
    """The request ends where `until` says; what follows is ignored, and the server says FIN."""
    peer = MemoryServer(OneShotFactory(until=until, reply="<{request}>")).tcp()
    peer.send(sent)
    assert peer.received == b"<" + request_ + b">"
    assert peer.finished
    peer.send(b"more")
    peer.finish()
    assert peer.received == b"<" + request_ + b">"
    assert peer.closed


@pytest.mark.parametrize("until", ["line", "read", "eof", 100])
@pytest.mark.parametrize("sent", [b"", b"part"])
def test_early_end(until: Any, sent: bytes) -> None:
    """At the client's FIN what has come is the request, even if that is nothing."""
    if until == "read" and sent:
        return
    peer = MemoryServer(OneShotFactory(until=until, reply="<{request}>")).tcp()
    if sent:
        peer.send(sent)
    assert peer.received == b""
    peer.finish()
    assert peer.received == b"<" + sent + b">"
    assert peer.closed


def test_too_long() -> None:
    """A request over the limit is a clear end with a log line."""
    server = MemoryServer(OneShotFactory(until="line"), limits=Limits(line=10))
    peer = server.tcp()
    peer.send(b"x" * 11)
    assert (peer.received, peer.finished) == (b"", True)
    assert [each.reason for each in server.events if isinstance(each, Cut)] == ["a request of more than 10 bytes"]


def test_reply_file(tmp_path: Path) -> None:
    """reply_file is sent as it is."""
    (tmp_path / "answer").write_bytes(b"{request}\x00\xff")
    peer = MemoryServer(OneShotFactory(reply_file=tmp_path / "answer")).tcp()
    peer.send(b"x\n")
    assert peer.received == b"{request}\x00\xff"


def test_text_that_cannot_be_text() -> None:
    """A text message whose answer is no UTF-8 is answered in binary, lest the browser closes."""
    peer = MemoryServer(OneShotFactory(reply="{request}")).websocket()
    peer.sendMessage(b"\xff", True)
    assert peer.receive() == [(b"\xff", True)]


def test_encoding_of_the_template() -> None:
    """The template's own text is in the listener's encoding; what that lacks becomes `?`."""
    peer = MemoryServer(OneShotFactory(reply="답: {request} 👋"), encoding="cp949").tcp()
    peer.send("질문\n".encode("cp949"))
    assert peer.received == "답: 질문\n ?".encode("cp949")


class TestHttp:
    """until = "http"."""

    def test_get(self) -> None:
        """The response is correct HTTP/1.1, its body the reply."""
        _, peer = http()
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        response, body = parsed(peer.received)
        assert (response.status, response.reason, response.version) == (200, "OK", 11)
        assert response.getheader("Content-Type") == "text/plain; charset=utf-8"
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Connection") == "close"
        assert body == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert peer.finished

    def test_head(self) -> None:
        """HEAD gets the same head and no body."""
        _, peer = http("hello")
        peer.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        response, body = parsed(peer.received, "HEAD")
        assert (response.getheader("Content-Length"), body) == ("5", b"")
        assert peer.received.endswith(b"\r\n\r\n")

    def test_body_is_awaited(self) -> None:
        """The answer comes when the whole body has come, in whatever pieces."""
        whole = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
        for cut in range(1, len(whole)):
            _, peer = http()
            peer.send(whole[:cut])
            assert peer.received == b""
            peer.send(whole[cut:])
            assert parsed(peer.received)[1] == whole

    def test_expect_continue(self) -> None:
        """A client that waits to be told to go on is told so, once; one that does not wait is not."""
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        _, patient = http()
        patient.send(head)
        assert patient.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        patient.send(b"hel")
        patient.send(b"lo")
        assert parsed(patient.receive())[1] == head + b"hello"
        _, hasty = http()
        hasty.send(head + b"hello")
        assert parsed(hasty.receive())[1] == head + b"hello"

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"hello\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
            (b"GET / HTTP/1.1\r\nX: " + b"y" * 70000, 431),
            (b"GET / HTTP/2.0\r\n\r\n", 505),
        ],
    )
    def test_errors(self, sent: bytes, status: int) -> None:
        """What cannot be answered gets an error status and one line, at once."""
        _, peer = http(message=1000)
        peer.send(sent)
        response, body = parsed(peer.received)
        assert response.status == status
        assert body.endswith(b"\n")
        assert body.count(b"\n") == 1
        assert peer.finished

    def test_too_late(self) -> None:
        """A request that does not come in time is answered with 408."""
        server, peer = http()
        peer.send(b"GET / HT")
        server.advance(10)
        assert parsed(peer.received)[0].status == 408
        assert peer.finished
