"""One request off a stream, for servers that answer once. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from . import http
from .framing import LINE, MESSAGE, Framing, TooLong

Until = Literal["line", "read", "eof", "http"] | int


class Request(Framing):
    """The first message is the request, as its raw bytes; what follows is ignored. Answers are not framed.

    `line` is all up to the first LF with it, `read` whatever the first read brings, `eof` all that the peer sends,
    an integer so many bytes, `http` the head of an HTTP/1.1 request and its body. What has come when the stream
    ends is the request too. The head of an HTTP client that waits to be told to go on is a message of its own.
    """

    def __init__(self, until: Until, maxLength: int = MESSAGE) -> None:
        """@param maxLength: the greatest length of a request, in bytes; of its body, when it is HTTP."""
        super().__init__(maxLength)
        self._until = until
        self._buffer = bytearray()
        self._searched = 0
        self._done = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the request once it is complete."""
        if self._done:
            return
        self._buffer += data
        end = self._end()
        if self._asks and end is None:
            self._asks = False
            yield bytes(self._buffer)
        if end is not None and (end <= self.maxLength or self._until == "http"):
            yield self._take(end)
        elif len(self._buffer) > self.maxLength and self._until != "http":
            self._take(0)
            raise TooLong(f"a request of more than {self.maxLength} bytes")

    def finish(self) -> Iterator[bytes]:
        """Give what has come, even if that is nothing."""
        if not self._done:
            yield self._take(len(self._buffer))

    def frame(self, payload: bytes) -> bytes:
        """Give it back."""
        return payload

    def _take(self, end: int) -> bytes:
        self._done = True
        request = bytes(self._buffer[:end])
        self._buffer.clear()
        return request

    def _find(self, mark: bytes) -> int:
        """Give where a mark ends, or -1, without searching twice what was searched before."""
        at = self._buffer.find(mark, max(0, self._searched - len(mark) + 1))
        self._searched = len(self._buffer)
        return -1 if at < 0 else at + len(mark)

    def _end(self) -> int | None:
        match self._until:
            case "read":
                return len(self._buffer)
            case "line":
                end = self._find(b"\n")
                return None if end < 0 else end
            case "http":
                return self._endOfHttp()
            case int(length):
                return length if len(self._buffer) >= length else None
        return None

    _head = 0
    _asks = False

    def _endOfHttp(self) -> int | None:
        """Give where the request ends; one that will not be accepted ends as soon as that is known."""
        have = len(self._buffer)
        if not self._head:
            end = self._find(http.HEAD_END)
            if end < 0 or end > LINE:
                return have if have > LINE else None
            self._head = end
            try:
                _, self._length, expectsContinue = http.parseHead(bytes(self._buffer[:end]))
            except http.HttpError:
                return end
            self._asks = expectsContinue and have == end
        if self._length > self.maxLength:
            return self._head
        return self._head + self._length if have >= self._head + self._length else None


def asksToContinue(request: bytes, maxLength: int) -> bool:
    """Tell whether a message of `Request("http")` is the head of a client that waits before it sends the body."""
    head, end, body = request.partition(http.HEAD_END)
    try:
        _, length, expectsContinue = http.parseHead(head)
    except http.HttpError:
        return False
    return bool(end) and not body and expectsContinue and 0 < length <= maxLength


def readHttp(request: bytes, maxLength: int) -> tuple[str, bytes]:
    """Give the method and the body of what `Request("http")` gave.

    @raise HttpError: it is to be answered with an error.
    """
    head, end, body = request.partition(http.HEAD_END)
    if len(head) + len(end) > LINE:
        raise http.HttpError(431, f"the head exceeds {LINE} bytes")
    if not end:
        raise http.HttpError(400, "the head is unfinished")
    method, length, _ = http.parseHead(head)
    if length > maxLength:
        raise http.HttpError(413, f"the body exceeds {maxLength} bytes")
    if len(body) < length:
        raise http.HttpError(400, "the body is unfinished")
    return method, body
