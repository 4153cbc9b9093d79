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
_ESCAPED: Final = {
    # Some viewers break lines at U+2028 and U+2029 too.
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*_CONTROLS, 0x2028, 0x2029)
} | _NAMED


def printable(text: str) -> str:
    """Replace each control character but TAB by U+FFFD; all other text, of any script, stays as it is."""
    return text.translate(_REPLACED)


def isPrintable(text: str) -> bool:
    """Tell whether `printable` would leave a text as it is."""
    return printable(text) == text


def quoted(data: bytes | str, encoding: str = "utf-8") -> str:
    r"""Give bytes or text in quotes, on one line: controls as `\n` or `\x1b`, all other text readable.

    Bytes that are no text in `encoding` stand as `\xNN`.
    """
    if isinstance(data, str):
        return f'"{data.translate(_ESCAPED)}"'
    try:
        return f'"{data.decode(encoding).translate(_ESCAPED)}"'
    except UnicodeDecodeError:
        pass
    # The escapes that stand for undecodable bytes must survive the escaping of backslashes.
    pieces = []
    while data:
        try:
            pieces.append(data.decode(encoding).translate(_ESCAPED))
            break
        except UnicodeDecodeError as error:
            pieces.append(data[: error.start].decode(encoding).translate(_ESCAPED))
            pieces.extend(f"\\x{byte:02x}" for byte in data[error.start : error.end])
            data = data[error.end :]
    return f'"{"".join(pieces)}"'


def hexadecimal(data: bytes) -> str:
    """Give bytes as `48 69 0a |Hi.|`."""
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ')} |{text}|"
