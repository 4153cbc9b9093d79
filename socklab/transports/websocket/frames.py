"""Frames and close codes of WebSocket (RFC 6455, 5.2 and 7.4.1)."""

from __future__ import annotations

import struct
from typing import Final

NORMAL = 1000
GOING_AWAY = 1001
INVALID_PAYLOAD = 1007
POLICY = 1008
INTERNAL_ERROR = 1011

TEXT, BINARY, PING = 0x81, 0x82, 0x89
"""The first byte of a frame that is whole: FIN and the opcode."""
COMPRESSED = 0x40
"""Added to it when the payload is (RFC 7692, 6)."""

_SHORT: Final = {
    first: [bytes((first, length)) for length in range(126)]
    for first in (TEXT, BINARY, PING, TEXT | COMPRESSED, BINARY | COMPRESSED)
}
_MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack


def frame(first: int, payload: bytes) -> bytes:
    """Give one unmasked frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return _SHORT[first][length] + payload
    if length < 65536:
        return _MEDIUM(first, 126, length) + payload
    return _LONG(first, 127, length) + payload
