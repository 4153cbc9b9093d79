"""As much HTTP/1.1 as a socket server needs: one response, and the head of one request. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) [!-~\x80-\xff]+ HTTP/([0-9]\.[0-9])" % _TOKEN)
# RFC 9112, 5.1: space before the colon is how requests are smuggled; RFC 9110, 5.5: so are bare CR and LF.
_FIELD = re.compile(rb"(%b):([^\x00\r\n]*)" % _TOKEN)


class Head(NamedTuple):
    """What matters in the head of a request."""

    method: str
    length: int
    """Of the body, in bytes."""
    expectsContinue: bool
    """Whether the client waits for `CONTINUE` before it sends the body (RFC 9110, 10.1.1)."""


class HttpError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def response(
    status: int,
    body: bytes,
    headers: Sequence[tuple[str, str]] = (),
    withBody: bool = True,
) -> bytes:
    """Give a whole response of type text/plain, after which the connection closes (RFC 9112).

    @param headers: more of them; a `Connection` among them replaces ours.
    @param withBody: False for the answer to HEAD, which says how long the body would be (RFC 9110, 9.3.2).
    """
    phrase = HTTPStatus(status).phrase
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Content-Type: text/plain; charset=utf-8",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if not any(name.lower() == "connection" for name, _ in headers):
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("ascii") + HEAD_END
    return head + body if withBody else head


def parseHead(head: bytes) -> Head:
    """Read the head of a request (RFC 9112, 3 and 6).

    @param head: all before the body, with the empty line.
    @raise HttpError: 400 for no request at all, 411 for a body whose length is not said beforehand, 505 for
        another version.
    """
    requestLine, *fields = head.removesuffix(HEAD_END).split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(requestLine)
    if request is None:
        raise HttpError(400, "this is no HTTP request")
    method, version = request[1].decode("ascii"), request[2]
    if not version.startswith(b"1."):
        raise HttpError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    lengths: set[bytes] = set()
    expectsContinue = False
    for line in fields:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise HttpError(400, "a header line is malformed")
        name, value = field.groups()
        match name.lower():
            case b"transfer-encoding":
                raise HttpError(411, "say the length of the body: Transfer-Encoding is not spoken here")
            case b"expect":
                expectsContinue = value.strip().lower() == b"100-continue" and version != b"1.0"
            case b"content-length":
                lengths.update(each.strip() for each in value.split(b","))
    if not lengths:
        return Head(method, 0, False)
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise HttpError(400, "Content-Length is malformed")
    return Head(method, int(length), expectsContinue)
