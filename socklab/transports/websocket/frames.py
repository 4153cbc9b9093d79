"""Frames and close codes of WebSocket (RFC 6455, 5.2 and 7.4.1)."""

from __future__ import annotations

import struct

NORMAL = 1000
GOING_AWAY = 1001
INVALID_PAYLOAD = 1007
POLICY = 1008
INTERNAL_ERROR = 1011

TEXT, BINARY, PING = 1, 2, 9
FIN, COMPRESSED = 0x80, 0x40


def frame(opcode: int, payload: bytes, flags: int = FIN) -> bytes:
    """Give one unmasked frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((flags | opcode, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", flags | opcode, 126, length) + payload
    return struct.pack("!BBQ", flags | opcode, 127, length) + payload
