"""One request off a stream, whatever ends it, and as much HTTP as that takes."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.framing import LINE, MESSAGE, FramingError, TooLong
from socklab.http import CONTINUE, Head, HttpError, parseHead, response
from socklab.request import Request, Until, asksToContinue, readHttp


def everySplit(data: bytes) -> Iterator[list[bytes]]:
    """Give the whole, each split in two, and each byte alone."""
    yield [data]
    yield from ([data[:i], data[i:]] for i in range(1, len(data)))
    yield [data[i : i + 1] for i in range(len(data))]


def fed(request: Request, pieces: Iterable[bytes]) -> list[bytes]:
    """Feed pieces, and give all messages."""
    return [message for piece in pieces for message in request.feed(piece)]


def error(head: bytes, maxLength: int = MESSAGE) -> tuple[int, str]:
    """Give the status and the text with which a request is refused."""
    with pytest.raises(HttpError) as raised:
        readHttp(head, maxLength)
    return raised.value.status, str(raised.value)


REQUESTS: list[tuple[Until, bytes]] = [
    ("line", b"\n"),
    ("line", b"hello\n"),
    ("line", b"hello\r\n"),
    ("line", "안녕\r\r\n".encode()),
    (1, b"\n"),
    (5, b"hello"),
    (7, b"\0\xff\r\n\r\n1"),
    ("http", b"GET / HTTP/1.1\r\n\r\n"),
    ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\n\r\n"),
    ("http", b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    ("http", b"POST / HTTP/1.1\r\ncontent-length:5\r\n\r\nhello"),
    ("http", b"POST / HTTP/1.1\r\nContent-Length: 8 \r\nHost: x\r\n\r\n\r\n\r\n\r\n\r\n"),
]


class TestUntil:
    """What ends a request."""

    @pytest.mark.parametrize(("until", "request_"), REQUESTS)
    def test_every_split(self, until: Until, request_: bytes) -> None:
        """The request is given once, exact, as soon as it is whole, however it is split."""
        for pieces in everySplit(request_):
            request = Request(until)
            *most, last = pieces
            assert fed(request, most) == []
            assert fed(request, [last]) == [request_]
            assert list(request.finish()) == []

    @pytest.mark.parametrize(("until", "request_"), REQUESTS)
    def test_rest_is_ignored(self, until: Until, request_: bytes) -> None:
        """What follows, even a second request, is no message."""
        for pieces in everySplit(request_ * 2 + b"rest"):
            request = Request(until)
            assert fed(request, pieces) == [request_]
            assert list(request.finish()) == []

    @pytest.mark.parametrize(("until", "request_"), REQUESTS)
    def test_end_before(self, until: Until, request_: bytes) -> None:
        """When the stream ends before, the request is what has come, even if that is nothing."""
        for pieces in everySplit(request_[:-1]):
            request = Request(until)
            assert fed(request, pieces) == []
            assert list(request.finish()) == [request_[:-1]]
            assert list(request.finish()) == []

    @given(st.lists(st.binary(min_size=1), min_size=1))
    def test_read(self, pieces: list[bytes]) -> None:
        """With `read` it is whatever the first read brings."""
        request = Request("read")
        assert fed(request, pieces) == [pieces[0]]
        assert list(request.finish()) == []

    @given(st.lists(st.binary()))
    def test_eof(self, pieces: list[bytes]) -> None:
        """With `eof` it is all that comes until the stream ends."""
        request = Request("eof")
        assert fed(request, pieces) == []
        assert list(request.finish()) == [b"".join(pieces)]

    @given(st.binary(max_size=50), st.integers(1, 60), st.data())
    def test_count(self, data: bytes, count: int, draw: st.DataObject) -> None:
        """With a number it is so many bytes, or fewer if the stream ends."""
        cut = draw.draw(st.integers(0, len(data)))
        request = Request(count)
        assert [*fed(request, [data[:cut], data[cut:]]), *request.finish()] == [data[:count]]

    def test_nothing_after_the_request(self) -> None:
        """After the request neither bytes nor the end of the stream give another."""
        request = Request("line")
        assert fed(request, [b"one\n", b"two\n", b""]) == [b"one\n"]
        assert list(request.finish()) == []

    def test_answers_are_not_framed(self) -> None:
        """What goes out is what the answer is."""
        assert Request("line").frame(b"a\nb\r") == b"a\nb\r"

    def test_long_search_is_linear(self) -> None:
        """A line that never ends is not searched from its beginning at each read.

        A search of all that has come would look at 400 GB here.
        """
        request = Request("line", 64 * 1024 * 1024)
        assert fed(request, [b"x" * (20 * 1024 * 1024)]) == []
        assert fed(request, [b"x"] * 20_000) == []
        (line,) = fed(request, [b"\n"])
        assert len(line) == 20 * 1024 * 1024 + 20_001


class TestLimit:
    """The greatest length of a request."""

    @pytest.mark.parametrize(
        ("until", "request_"),
        [("line", b"x" * 9 + b"\n"), (10, b"x" * 10), ("read", b"x" * 10)],
    )
    def test_just_so_long(self, until: Until, request_: bytes) -> None:
        """A request of just the limit is given; a line's end counts."""
        assert fed(Request(until, 10), [request_ + b"rest" * (until != "read")]) == [request_]
        if until != "read":
            for pieces in everySplit(request_):
                assert fed(Request(until, 10), pieces) == [request_]

    def test_eof_just_so_long(self) -> None:
        """All that comes may be just the limit."""
        for pieces in everySplit(b"x" * 10):
            request = Request("eof", 10)
            assert fed(request, pieces) == []
            assert list(request.finish()) == [b"x" * 10]

    @pytest.mark.parametrize(
        ("until", "data"),
        [("line", b"x" * 10 + b"\n"), ("line", b"x" * 11), ("eof", b"x" * 11), (11, b"x" * 11), (20, b"x" * 11)],
    )
    def test_too_long(self, until: Until, data: bytes) -> None:
        """One byte more is an error, at every split, and nothing comes after it."""
        for pieces in everySplit(data):
            request = Request(until, 10)
            with pytest.raises(TooLong, match=r"^a request of more than 10 bytes$"):
                fed(request, pieces)
            assert fed(request, [b"\n" * 20]) == []
            assert list(request.finish()) == []

    def test_read_too_long(self) -> None:
        """So it is for what one read brings."""
        with pytest.raises(TooLong, match=r"^a request of more than 10 bytes$"):
            fed(Request("read", 10), [b"x" * 11])

    @given(
        st.sampled_from(["line", "read", "eof", "http", 3]), st.lists(st.binary(max_size=40)), st.integers(1, 50)
    )
    def test_garbage(self, until: Until, pieces: list[bytes], limit: int) -> None:
        """Any bytes at all give at most one request, or FramingError."""
        request = Request(until, limit)
        try:
            assert len([*fed(request, pieces), *request.finish()]) == 1
        except FramingError:
            assert until != "http"


def post(length: int, body: bytes, fields: bytes = b"") -> bytes:
    """Give a request with a body."""
    return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n%b" % (length, fields, body)


class TestHttp:
    """HTTP requests: framed by `Request`, then read by `readHttp`."""

    @pytest.mark.parametrize(
        ("request_", "method", "body"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET", b""),
            (b"HEAD /a?b=c HTTP/1.0\r\n\r\n", "HEAD", b""),
            (b"M-SEARCH * HTTP/1.1\r\n\r\n", "M-SEARCH", b""),
            (b"GET http://localhost/%20 HTTP/1.1\r\nA:\r\nB: \t x:y \r\n\r\n", "GET", b""),
            ("GET /안녕 HTTP/1.1\r\nX: 안녕\r\n\r\n".encode(), "GET", b""),
            (post(5, b"hello"), "POST", b"hello"),
            (post(4, b"\r\n\r\n"), "POST", b"\r\n\r\n"),
            (post(2, b"ok", b"Content-Length: 2\r\n"), "POST", b"ok"),
            (b"POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nok", "POST", b"ok"),
        ],
    )
    def test_good(self, request_: bytes, method: str, body: bytes) -> None:
        """Method and body come whole at every split, and a second request behind it is ignored."""
        for pieces in everySplit(request_ + b"GET / HTTP/1.1\r\n\r\n"):
            (message,) = fed(Request("http"), pieces)
            assert message == request_
            assert readHttp(message, MESSAGE) == (method, body)

    @given(st.binary(max_size=200), st.data())
    def test_any_body(self, body: bytes, data: st.DataObject) -> None:
        """A body may hold any bytes."""
        request = post(len(body), body)
        cut = data.draw(st.integers(0, len(request)))
        (message,) = fed(Request("http"), filter(None, [request[:cut], request[cut:]]))
        assert readHttp(message, MESSAGE) == ("POST", body)

    @pytest.mark.parametrize(
        ("head", "status", "why"),
        [
            (b"hello", 400, "this is no HTTP request"),
            (b"", 400, "this is no HTTP request"),
            (b"GET /", 400, "this is no HTTP request"),
            (b"GET  HTTP/1.1", 400, "this is no HTTP request"),
            (b"GET / HTTP/1.1 x", 400, "this is no HTTP request"),
            (b"GET  / HTTP/1.1", 400, "this is no HTTP request"),
            (b" GET / HTTP/1.1", 400, "this is no HTTP request"),
            (b"GET\t/ HTTP/1.1", 400, "this is no HTTP request"),
            (b"G(T / HTTP/1.1", 400, "this is no HTTP request"),
            (b"GET / http/1.1", 400, "this is no HTTP request"),
            (b"GET / HTTP/1.x", 400, "this is no HTTP request"),
            (b"GET / HTTP/1", 400, "this is no HTTP request"),
            (b"GET /\x00 HTTP/1.1", 400, "this is no HTTP request"),
            (b"GET / HTTP/1.1\nHost: x", 400, "this is no HTTP request"),
            (b"GET / HTTP/2.0", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            (b"PRI * HTTP/2.0", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            (b"GET / HTTP/0.9", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            (b"GET / HTTP/1.1\r\nHost", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\n: x", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHost : x", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHo st: x", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n folded", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHost: x\nContent-Length: 5", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHost: x\ry", 400, "a header line is malformed"),
            (b"GET / HTTP/1.1\r\nHost: \x00", 400, "a header line is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length:", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: x", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: -1", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: +1", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 1.0", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 0x1", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 1_0", 400, "Content-Length is malformed"),
            ("POST / HTTP/1.1\r\nContent-Length: ٥".encode(), 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000, 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 5, 6", 400, "Content-Length is malformed"),
            (b"POST / HTTP/1.1\r\nContent-Length: 5,", 400, "Content-Length is malformed"),
            (
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked",
                411,
                "say the length of the body: Transfer-Encoding is not spoken here",
            ),
            (
                b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTRANSFER-ENCODING: identity",
                411,
                "say the length of the body: Transfer-Encoding is not spoken here",
            ),
        ],
    )
    def test_refused(self, head: bytes, status: int, why: str) -> None:
        """A head that is none is refused at its end, at every split: its body is not waited for."""
        head += b"\r\n\r\n"
        for pieces in everySplit(head + b"0\r\n\r\n") if len(head) < 200 else [[head]]:
            (message,) = fed(Request("http"), pieces)
            assert message == head
            assert error(message) == (status, why)

    def test_length_may_be_long_and_equal(self) -> None:
        """Equal lengths are one; different spellings of a number are not taken for equal."""
        assert error(post(5, b"hello", b"Content-Length: 05\r\n")) == (400, "Content-Length is malformed")
        assert readHttp(post(5, b"hello", b"content-length: 5, 5\r\n"), MESSAGE) == ("POST", b"hello")

    def test_bare_newlines(self) -> None:
        """Lines that end in LF alone make no head, which RFC 9112, 2.2, allows: it is waited for until the end."""
        request = Request("http")
        assert fed(request, [b"GET / HTTP/1.1\nHost: x\n\n"]) == []
        (message,) = request.finish()
        assert error(message) == (400, "the head is unfinished")

    @pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\n\r"])
    def test_head_is_unfinished(self, sent: bytes) -> None:
        """A stream that ends within the head is answered with 400."""
        request = Request("http")
        assert fed(request, [sent]) == []
        (message,) = request.finish()
        assert error(message) == (400, "the head is unfinished")

    def test_body_is_unfinished(self) -> None:
        """A stream that ends within the body is answered with 400."""
        request = Request("http")
        assert fed(request, [post(5, b"hell")]) == []
        (message,) = request.finish()
        assert error(message) == (400, "the body is unfinished")

    @pytest.mark.parametrize("piece", [1, 7, 1000, LINE, 10**6])
    def test_head_too_long(self, piece: int) -> None:
        """A head of 64 KiB is read, one of a byte more is answered with 431, whatever pieces it comes in."""
        start = b"GET / HTTP/1.1\r\nX: "
        fits = start + b"x" * (LINE - len(start) - 4) + b"\r\n\r\n"
        over = start + b"x" * (LINE - len(start) - 3) + b"\r\n\r\n"
        for head, expected in ((fits, None), (over, (431, "the head exceeds 65536 bytes"))):
            (message,) = fed(Request("http"), [head[i : i + piece] for i in range(0, len(head), piece)])
            if expected is None:
                assert message == head
                assert readHttp(message, MESSAGE) == ("GET", b"")
            else:
                assert error(message) == expected

    def test_head_that_never_ends(self) -> None:
        """It is not waited for beyond 64 KiB."""
        request = Request("http")
        assert fed(request, [b"x" * LINE]) == []
        (message,) = fed(request, [b"x"])
        assert error(message) == (431, "the head exceeds 65536 bytes")

    def test_body_too_long(self) -> None:
        """A body over the limit is answered with 413 as soon as its length is known, and not waited for."""
        head = post(11, b"")
        for pieces in everySplit(head + b"x" * 11):
            (message,) = fed(Request("http", 10), pieces)
            assert message == head
            assert error(message, 10) == (413, "the body exceeds 10 bytes")

    def test_body_up_to_the_limit(self) -> None:
        """The limit is the body's: its head does not count, however it is split."""
        for length in (9, 10):
            for pieces in everySplit(post(length, b"x" * length, b"X: yyyyyyyyyyyyyyyyyyyyyy\r\n")):
                (message,) = fed(Request("http", 10), pieces)
                assert readHttp(message, 10) == ("POST", b"x" * length)

    def test_parse_head(self) -> None:
        """The method is as it was sent, the length a number, 0 where none is said."""
        assert parseHead(b"GET / HTTP/1.1\r\n\r\n") == Head("GET", 0, False)
        assert parseHead(b"get / HTTP/1.1\r\nCONTENT-LENGTH:  17 \r\n\r\n") == Head("get", 17, False)


EXPECT = b"Expect: 100-continue\r\n"


class TestContinue:
    """`Expect: 100-continue`: a client that waits to be told to go on."""

    def test_head_alone(self) -> None:
        """A head that comes alone is a message of its own, then the whole request is one."""
        head = post(5, b"", EXPECT)
        request = Request("http")
        assert fed(request, [head]) == [head]
        assert asksToContinue(head, MESSAGE)
        assert fed(request, [b"he"]) == []
        assert fed(request, [b"llo", b"rest"]) == [head + b"hello"]
        assert not asksToContinue(head + b"hello", MESSAGE)
        assert list(request.finish()) == []

    def test_head_byte_by_byte(self) -> None:
        """The head is given once, when it is whole."""
        head = post(2, b"", EXPECT)
        request = Request("http")
        assert fed(request, [head[i : i + 1] for i in range(len(head))]) == [head]
        assert fed(request, [b"o", b"k"]) == [head + b"ok"]

    def test_client_that_does_not_wait(self) -> None:
        """A head that comes with some of the body asks for nothing."""
        request = Request("http")
        assert fed(request, [post(5, b"h", EXPECT), b"ello"]) == [post(5, b"hello", EXPECT)]

    def test_refused_instead(self) -> None:
        """A body that is too long is refused, not asked for."""
        head = post(11, b"", EXPECT)
        assert fed(Request("http", 10), [head]) == [head]
        assert not asksToContinue(head, 10)
        assert error(head, 10) == (413, "the body exceeds 10 bytes")

    @pytest.mark.parametrize(
        "head",
        [
            post(0, b"", EXPECT),
            post(5, b""),
            post(5, b"", b"Expect: something\r\n"),
            b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"unfinished",
        ],
    )
    def test_nobody_asks(self, head: bytes) -> None:
        """No body, no such header, HTTP/1.0, or no request at all: nothing is to be told."""
        assert not asksToContinue(head, MESSAGE)

    def test_end_instead_of_the_body(self) -> None:
        """A client that goes away instead gets 400 as any other."""
        head = post(5, b"", EXPECT)
        request = Request("http")
        assert fed(request, [head]) == [head]
        (message,) = request.finish()
        assert error(message) == (400, "the body is unfinished")

    def test_continue(self) -> None:
        """The answer is a whole head (RFC 9110, 15.2)."""
        assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


class FakeSocket:
    """What `http.client` reads a response from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        """Give the response as a file."""
        return io.BytesIO(self._data)


def parsed(data: bytes, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    """Have Python's client read a response."""
    result = http.client.HTTPResponse(cast("socket.socket", cast(Any, FakeSocket(data))), method=method)
    result.begin()
    return result, result.read()


class TestResponse:
    """Responses, as Python's own client reads them."""

    @pytest.mark.parametrize("body", [b"", b"hello\n", "안녕\n".encode(), b"\r\n\r\n\0\xff"])
    def test_whole(self, body: bytes) -> None:
        """A response says its kind, its length, that nothing be guessed, and that the connection closes."""
        result, read = parsed(response(200, body))
        assert read == body
        assert (result.version, result.status, result.reason) == (11, 200, "OK")
        headers = result.getheaders()
        assert [name for name, _ in headers] == [
            "Date",
            "Content-Type",
            "X-Content-Type-Options",
            "Content-Length",
            "Connection",
        ]
        assert result.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert result.headers["X-Content-Type-Options"] == "nosniff"
        assert result.headers["Content-Length"] == str(len(body))
        assert result.headers["Connection"] == "close"
        assert result.headers["Date"].endswith(" GMT")
        assert parsedate_to_datetime(result.headers["Date"]).tzinfo is not None
        assert result.will_close

    @pytest.mark.parametrize(
        ("status", "line"),
        [
            (400, b"HTTP/1.1 400 Bad Request\r\n"),
            (408, b"HTTP/1.1 408 Request Timeout\r\n"),
            (411, b"HTTP/1.1 411 Length Required\r\n"),
            (426, b"HTTP/1.1 426 Upgrade Required\r\n"),
            (431, b"HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            (505, b"HTTP/1.1 505 HTTP Version Not Supported\r\n"),
        ],
    )
    def test_status(self, status: int, line: bytes) -> None:
        """The status line has the registered phrase."""
        assert response(status, b"why\n").startswith(line)

    def test_head(self) -> None:
        """The answer to HEAD says how long the body would be, and ends there (RFC 9110, 9.3.2)."""
        whole, head = response(200, b"hello"), response(200, b"hello", withBody=False)
        assert head.endswith(b"\r\n\r\n")
        assert b"\r\nContent-Length: 5\r\n" in head
        assert len(whole) == len(head) + 5
        result, read = parsed(head, "HEAD")
        assert (result.status, read) == (200, b"")

    def test_further_headers(self) -> None:
        """Further headers stand in it, and a Connection among them replaces ours."""
        result, _ = parsed(response(426, b"", [("Upgrade", "websocket"), ("connection", "Upgrade")]))
        assert result.headers["Upgrade"] == "websocket"
        assert result.headers.get_all("Connection") == ["Upgrade"]
        result, _ = parsed(response(429, b"", [("Retry-After", "5")]))
        assert result.headers["Retry-After"] == "5"
        assert result.headers.get_all("Connection") == ["close"]
