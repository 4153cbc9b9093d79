"""What a server sent, fit for a terminal: as text, in hexadecimal, or both side by side."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

from ..text import printable

Form = Literal["text", "hex", "both", "raw"]
FORMS: Final = ("text", "hex", "both", "raw")
_ROW: Final = 16


def asText(payload: bytes, encoding: str) -> list[str]:
    """Give lines of text: what is no text, or would move the cursor, as U+FFFD."""
    lines = payload.decode(encoding, "replace").split("\n")
    if not lines[-1]:
        lines.pop()
    return [printable(each.removesuffix("\r")) for each in lines]


def asHex(payload: bytes) -> list[str]:
    """Give `48 65 6c 6c 6f`, all on one line."""
    return [payload.hex(" ")]


def asBoth(payload: bytes, encoding: str) -> list[str]:
    """Give rows of an offset, 16 bytes, and their text: a character stands below its first byte.

    Where a character has more bytes than it has columns, dots fill it up; controls are dots too.
    """
    cells = [*_cells(payload, encoding)]
    rows = []
    for start in range(0, len(payload), _ROW):
        row = payload[start : start + _ROW]
        octets = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}".ljust(_ROW * 3)
        rows.append(f"{start:06x}  {octets}  {''.join(cells[start : start + _ROW])}")
    return rows


def _cells(payload: bytes, encoding: str) -> Iterator[str]:
    """Give for each byte what stands in its column; "" where a wide character already covers it."""
    start = 0
    while start < len(payload):
        text, size = _character(payload[start : start + 4], encoding)
        wide = unicodedata.east_asian_width(text) in "WF"
        yield text
        # A wide character covers two columns.
        yield from ([""] + ["·"] * (size - 2) if wide and size > 1 else ["·"] * (size - 1))
        start += size


def _character(data: bytes, encoding: str) -> tuple[str, int]:
    """Give the character that begins here and how many bytes it has; a dot for what cannot be shown."""
    for size in range(1, len(data) + 1):
        try:
            text = data[:size].decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(text) == 1 and text.isprintable() and not unicodedata.combining(text):
            return text, size
        break
    return "·", 1


def shown(payload: bytes, form: Form, encoding: str) -> str:
    """Give the text of a form, with the end of its last line; `raw` is no text."""
    match form:
        case "hex":
            lines = asHex(payload)
        case "both":
            lines = asBoth(payload, encoding)
        case _:
            lines = asText(payload, encoding)
    return "".join(f"{line}\n" for line in lines)


def plain(payload: bytes, isBinary: bool, encoding: str) -> dict[str, str]:
    """Give bytes for JSON: `{"text": ...}` if they are text, else `{"hex": ...}`."""
    if not isBinary:
        encoding = "utf-8"
    try:
        return {"text": payload.decode(encoding)}
    except UnicodeDecodeError:
        return {"hex": payload.hex()}
