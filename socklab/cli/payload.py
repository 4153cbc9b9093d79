"""What is typed after `socklab send`, as messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.|\Z)", re.DOTALL)
_NAMED: Final = {"r": 13, "n": 10, "t": 9, "0": 0, "a": 7, "e": 27, "\\": 92, '"': 34}


@dataclass(frozen=True)
class Reading:
    """How what is typed becomes bytes."""

    encoding: str = "utf-8"
    isHex: bool = False
    isEscaped: bool = False
    end: bytes = b""
    """What stands behind each message: the end of a line, or nothing."""

    def typed(self, text: str) -> bytes:
        """Give the bytes of what was typed.

        @raise ValueError: it means none; the text says why.
        """
        if self.isHex:
            return fromHex(text) + self.end
        try:
            if self.isEscaped:
                return unescaped(text, self.encoding) + self.end
            return text.encode(self.encoding) + self.end
        except UnicodeEncodeError as error:
            raise ValueError(f"{error.object[error.start]!r} is not in {self.encoding}") from None

    def stored(self, data: bytes) -> Iterator[bytes]:
        """Give the messages of a file or of standard input: its lines, or all of it."""
        if self.isHex:
            yield fromHex(data.decode("ascii", "replace")) + self.end
        elif self.end:
            lines = data.split(b"\n")
            if not lines[-1]:
                lines.pop()
            yield from (line.removesuffix(b"\r") + self.end for line in lines)
        else:
            yield data


def fromHex(text: str) -> bytes:
    """Read `48 65`, `4865`, `48:65` or `0x48 0x65`.

    @raise ValueError: it is none.
    """
    digits = re.sub(r"0x|[\s:,-]", "", text, flags=re.IGNORECASE)
    if re.fullmatch(r"([0-9A-Fa-f]{2})*", digits) is None:
        raise ValueError(f'expected bytes in hexadecimal such as "48 65", got {text!r}')
    return bytes.fromhex(digits)


def unescaped(text: str, encoding: str = "utf-8") -> bytes:
    r"""Read `\r`, `\n`, `\t`, `\0`, `\e`, `\a`, `\\`, `\"`, `\x41` (a byte) and `\uac00` (a character).

    @raise ValueError: there is another escape.
    """
    made, end = bytearray(), 0
    for match in _ESCAPE.finditer(text):
        made += text[end : match.start()].encode(encoding)
        code, end = match[1], match.end()
        if len(code) > 1 and code[0] == "x":
            made.append(int(code[1:], 16))
        elif len(code) > 1:
            number = int(code[1:], 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise ValueError(f"\\{code} is no character")
            made += chr(number).encode(encoding)
        elif code in _NAMED:
            made.append(_NAMED[code])
        else:
            raise ValueError(f"there is no escape \\{code}; a backslash itself is \\\\")
    return bytes(made + text[end:].encode(encoding))


def messages(data: Sequence[str], files: Sequence[Path], reading: Reading, stdin: bool) -> list[bytes]:
    """Give all that is to be sent: what was typed, then files, then standard input.

    @param stdin: whether it is to be read.
    """
    found: list[bytes] = []
    try:
        for text in data:
            if text == "-":
                stdin = True
            else:
                found.append(reading.typed(text))
        for file in files:
            found += reading.stored(file.read_bytes())
        if stdin and (read := sys.stdin.buffer.read()):
            found += reading.stored(read)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    return found


def isText(payload: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
