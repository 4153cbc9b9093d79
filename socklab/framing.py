"""Bytes of a stream to messages and back, without any I/O.

A `Framing` is fed what was read, in whatever pieces it came, and gives whole messages; `frame` is its inverse:
what `frame(payload)` gave, fed in any pieces, gives exactly `[payload]`, or `frame` had refused the payload.
Each connection has a framing of its own.
"""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

MESSAGE: Final = 1024 * 1024
LINE: Final = 64 * 1024

# `10 in data` takes 13 ns, `b"\n" in data` 100: Python 3.11 first tries whether those bytes are a number.
_LF: Final = ord("\n")
_CR: Final = ord("\r")


class FramingError(Exception):
    """These bytes are not a message of this framing, or this message cannot be framed."""


class TooLong(FramingError):
    """The peer's message is longer than is allowed; what follows it cannot be trusted to begin a message."""


class Framing(ABC):
    """How messages stand in a stream."""

    __slots__ = ("maxLength",)

    limit: ClassVar[str] = "message"
    """The key of `[service.limits]` that bounds a message of this framing."""

    def __init__(self, maxLength: int = MESSAGE) -> None:
        """@param maxLength: the greatest length of a message that is accepted, in bytes."""
        self.maxLength = maxLength

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what was read, and give the messages that it completes.

        The iterator must be used up before the next call, or this framing no longer be used.

        @raise FramingError: when the messages before the fault have been given.
        """

    @abstractmethod
    def frame(self, payload: bytes) -> bytes:
        """Give the bytes that carry one message.

        @raise FramingError: when this framing cannot carry this payload.
        """

    def finish(self) -> Iterator[bytes]:
        """The stream has ended: give the messages that this completes.

        @raise FramingError: when it ended within a message.
        """
        return iter(())


class Raw(Framing):
    """Whatever a read brings is a message: the bytes are exact, where they are cut means nothing."""

    __slots__ = ()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give it on."""
        return iter((data,))

    def frame(self, payload: bytes) -> bytes:
        """Give it back."""
        return payload


class Lines(Framing):
    """A message is a line, without its end: LF or CRLF in, LF out. The last line may lack its end."""

    __slots__ = ("_begun",)

    limit = "line"

    def __init__(self, maxLength: int = LINE) -> None:
        """@param maxLength: the greatest length of a line without its end, in bytes."""
        super().__init__(maxLength)
        # A bytearray only while a line has begun: thousands of idle connections have none.
        self._begun: bytes | bytearray = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each line that is now complete."""
        if _LF not in data:
            self._keep(data)
            return iter(())
        if self._begun:
            data = b"".join((self._begun, data))
            self._begun = b""
        lines = data.split(b"\n")
        rest = lines.pop()
        if _CR in data:
            lines = [line.removesuffix(b"\r") for line in lines]
        # One comparison for most reads: no line is longer than all that came.
        if len(data) > self.maxLength and max(map(len, (*lines, rest))) > self.maxLength:
            return self._untilTooLong(lines, rest)
        if rest:
            self._keep(rest)
        return iter(lines)

    def _untilTooLong(self, lines: list[bytes], rest: bytes) -> Iterator[bytes]:
        for line in lines:
            yield self._checked(line)
        self._keep(rest)

    def _checked(self, line: bytes) -> bytes:
        if len(line) > self.maxLength:
            self._tooLong()
        return line

    def _keep(self, piece: bytes) -> None:
        # Appending to a bytearray is linear; joining bytes at every read would be quadratic.
        if self._begun:
            self._begun += piece
        else:
            self._begun = bytearray(piece)
        # One more than allowed may be the CR of an end that is still to come.
        if len(self._begun) > self.maxLength + self._begun.endswith(b"\r"):
            self._tooLong()

    def _tooLong(self) -> None:
        self._begun = b""
        raise TooLong(f"a line of more than {self.maxLength} bytes")

    def frame(self, payload: bytes) -> bytes:
        """Give the line and LF."""
        if _LF in payload or payload.endswith(b"\r"):
            raise FramingError("a line cannot hold LF or end in CR")
        return payload + b"\n"

    def finish(self) -> Iterator[bytes]:
        """Give the last line, if it had no end."""
        if self._begun:
            last = bytes(self._begun)
            self._begun = b""
            yield self._checked(last.removesuffix(b"\r"))


class CrLines(Lines):
    """A message is a line as instruments, modems and old terminals end it: CR, LF or CRLF in, CR out (ITU-T V.250,
    5.2.1)."""

    __slots__ = ("_wasCr",)

    def __init__(self, maxLength: int = LINE) -> None:
        """@param maxLength: the greatest length of a line without its end, in bytes."""
        super().__init__(maxLength)
        self._wasCr = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each line that is now complete."""
        if self._wasCr and data:
            # The LF of a CRLF whose CR has ended the line already.
            data = data.removeprefix(b"\n")
            self._wasCr = False
        if _CR in data:
            self._wasCr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return super().feed(data)

    def frame(self, payload: bytes) -> bytes:
        """Give the line and CR."""
        if _LF in payload or _CR in payload:
            raise FramingError("a line that CR ends cannot hold CR or LF")
        return payload + b"\r"


class _Counted(Framing):
    """A message stands behind its length."""

    def __init__(self, maxLength: int = MESSAGE) -> None:
        super().__init__(maxLength)
        self._buffer = bytearray()

    @abstractmethod
    def _head(self) -> tuple[int, int] | None:
        """Give the lengths of what stands before the payload and of the payload; None while they are unknown."""

    _trailer: ClassVar[bytes] = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each message that is now complete."""
        self._buffer += data
        while (head := self._head()) is not None:
            before, length = head
            if length > self.maxLength:
                self._buffer.clear()
                raise TooLong(f"a message of {length} bytes, where {self.maxLength} are allowed")
            end = before + length
            if len(self._buffer) < end + len(self._trailer):
                return
            payload = bytes(memoryview(self._buffer)[before:end])
            trailer = self._buffer[end : end + len(self._trailer)]
            if trailer != self._trailer:
                self._buffer.clear()
                raise FramingError(f"expected {self._trailer!r} after the message, got {bytes(trailer)!r}")
            # Deleting from the front of a bytearray moves no bytes.
            del self._buffer[: end + len(self._trailer)]
            yield payload

    def finish(self) -> Iterator[bytes]:
        """Refuse what is unfinished."""
        if self._buffer:
            self._buffer.clear()
            raise FramingError("the stream ended within a message")
        return iter(())


class Netstring(_Counted):
    """A message is `LENGTH:BYTES,` (https://cr.yp.to/proto/netstrings.txt)."""

    _trailer = b","
    _pattern = re.compile(rb"(0|[1-9][0-9]{0,11}):")
    _begun = re.compile(rb"(0|[1-9][0-9]{0,11})?\Z")

    def _head(self) -> tuple[int, int] | None:
        if match := self._pattern.match(self._buffer):
            return match.end(), int(match[1])
        if self._begun.match(self._buffer):
            return None
        begin = bytes(self._buffer[:20])
        self._buffer.clear()
        raise FramingError(f"expected the length of a netstring, got {begin!r}")

    def frame(self, payload: bytes) -> bytes:
        """Give the netstring."""
        return b"%d:%b," % (len(payload), payload)


class _Int(_Counted):
    """A message stands behind its length as an unsigned integer in network byte order."""

    _length: ClassVar[struct.Struct]

    def _head(self) -> tuple[int, int] | None:
        if len(self._buffer) < self._length.size:
            return None
        return self._length.size, self._length.unpack_from(self._buffer)[0]

    def frame(self, payload: bytes) -> bytes:
        """Give the length and the payload."""
        try:
            return self._length.pack(len(payload)) + payload
        except struct.error:
            raise FramingError(
                f"a message of {len(payload)} bytes does not fit a length of {self._length.size} bytes"
            ) from None


class Int8(_Int):
    """A message of at most 255 bytes stands behind a length of one byte."""

    _length = struct.Struct("!B")


class Int16(_Int):
    """A message of at most 65,535 bytes stands behind a length of two bytes."""

    _length = struct.Struct("!H")


class Int32(_Int):
    """A message stands behind a length of four bytes."""

    _length = struct.Struct("!I")


FRAMINGS: Final[dict[str, type[Framing]]] = {
    "raw": Raw,
    "lines": Lines,
    "cr": CrLines,
    "netstring": Netstring,
    "int8": Int8,
    "int16": Int16,
    "int32": Int32,
}
"""The framings that a config file can name."""
