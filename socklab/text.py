"""What peers send, made fit to be read by people: other members' terminals, and the log."""

from __future__ import annotations

from typing import Final

# C0 but TAB, DEL, C1, and the bidi controls, which reorder what stands around them on the reader's screen.
_CONTROLS: Final = (
    *(code for code in range(0x20) if code != 0x09),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_REPLACED: Final = dict.fromkeys(_CONTROLS, "�")
_NAMED: Final = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r", 0x22: r"\"", 0x5C: r"\\"}
_ESCAPED: Final[dict[int, str]] = {
    # Some viewers break lines at U+2028 and U+2029 too. C1 as \u: \x80 is the byte that is no text.
    code: f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    for code in (*_CONTROLS, 0x2028, 0x2029)
} | _NAMED
# What "surrogateescape" makes of bytes that are no text.
_ESCAPED.update({0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)})


def printable(text: str) -> str:
    """Replace each control character but TAB by U+FFFD; all other text, of any script, stays as it is."""
    # To look each character up takes 20 times as long. What is not printable may be TAB, or a joiner of emoji.
    return text if text.isprintable() else text.translate(_REPLACED)


def isPrintable(text: str) -> bool:
    """Tell whether `printable` would leave a text as it is."""
    return printable(text) == text


def quoted(data: bytes | str, encoding: str = "utf-8") -> str:
    r"""Give bytes or text in quotes, on one line: controls as `\n` or `\x1b`, all other text readable.

    Bytes that are no text in `encoding` stand as `\xNN`.
    """
    text = data if isinstance(data, str) else data.decode(encoding, "surrogateescape")
    return f'"{text.translate(_ESCAPED)}"'


def hexadecimal(data: bytes) -> str:
    """Give bytes as `48 69 0a |Hi.|`."""
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ')} |{text}|"
