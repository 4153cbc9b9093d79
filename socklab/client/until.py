"""What makes an answer whole: a line, a number of bytes, a message, silence, or the end. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

ANSWER: Final = 64 * 1024 * 1024
"""Bytes that one answer may have; a longer one ends the connection."""

Kind = Literal["line", "bytes", "message", "idle", "eof"]


class TooMuch(Exception):
    """The answer is longer than is kept."""


class Until:
    """Cuts what comes into whole answers, bytes as they came."""

    def __init__(self, kind: Kind, number: int = 0, seconds: float = 0) -> None:
        """@param number: of bytes, for `bytes`.
        @param seconds: of silence, for `idle`.
        """
        self.kind: Final = kind
        self.number: Final = number
        self.seconds: Final = seconds
        self._begun = bytearray()
        self._searched = 0

    @property
    def isCounted(self) -> bool:
        """Whether what comes says itself where an answer ends, so that several may be on their way."""
        return self.kind in ("line", "bytes", "message")

    def again(self) -> Until:
        """Give one for another connection."""
        return Until(self.kind, self.number, self.seconds)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what came, and give the answers that it completes.

        @raise TooMuch: the answer is too long.
        """
        if self.kind == "message":
            yield data
            return
        self._begun += data
        while (end := self._end()) >= 0:
            yield self._take(end)
        if len(self._begun) > ANSWER:
            raise TooMuch(f"an answer of more than {ANSWER // 1024**2} MiB")

    def _end(self) -> int:
        """Give where the first answer ends; -1 if it is not whole."""
        if self.kind == "line":
            found = self._begun.find(b"\n", self._searched)
            self._searched = 0 if found >= 0 else len(self._begun)
            return found + 1 if found >= 0 else -1
        if self.kind == "bytes" and len(self._begun) >= self.number:
            return self.number
        return -1

    def rest(self) -> bytes:
        """Give what is left, which nothing completes any more: for `idle` and `eof` the answer."""
        return self._take(len(self._begun))

    @property
    def hasBegun(self) -> bool:
        """Whether a part of an answer is there."""
        return bool(self._begun)

    def _take(self, end: int) -> bytes:
        taken = bytes(memoryview(self._begun)[:end])
        del self._begun[:end]
        self._searched = 0
        return taken
