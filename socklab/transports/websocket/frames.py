"""Frames and close codes of WebSocket (RFC 6455, 5.2 and 7.4.1)."""

from __future__ import annotations

import struct
from typing import Final

NORMAL = 1000
GOING_AWAY = 1001
INVALID_PAYLOAD = 1007
POLICY = 1008
INTERNAL_ERROR = 1011

TEXT, BINARY, CLOSE, PING = 0x81, 0x82, 0x88, 0x89
"""The first byte of a frame that is whole: FIN and the opcode."""
COMPRESSED = 0x40
"""Added to it when the payload is (RFC 7692, 6)."""

_SHORT: Final = {
    first: [bytes((first, length)) for length in range(126)]
    for first in (TEXT, BINARY, PING, TEXT | COMPRESSED, BINARY | COMPRESSED)
}
SHORT_TEXT, SHORT_BINARY = _SHORT[TEXT], _SHORT[BINARY]
"""The header of a payload of so many bytes, up to 125."""
MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack


def header(first: int, length: int) -> bytes:
    """Give what stands before a payload of so many bytes in an unmasked frame (RFC 6455, 5.2)."""
    if length < 126:
        return _SHORT[first][length]
    if length < 65536:
        return MEDIUM(first, 126, length)
    return _LONG(first, 127, length)


def frame(first: int, payload: bytes) -> bytes:
    """Give one unmasked frame."""
    return header(first, len(payload)) + payload
