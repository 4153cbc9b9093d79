"""WebSocket frames as a client writes and reads them (RFC 6455, 5.2)."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Frame(NamedTuple):
    """A WebSocket frame from the server."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int


def clientFrame(opcode: int, payload: bytes, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Give a frame as a client sends it."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    length = len(payload)
    if length < 126:
        head = bytes((first, flag | length))
    elif length < 65536:
        head = struct.pack("!BBH", first, flag | 126, length)
    else:
        head = struct.pack("!BBQ", first, flag | 127, length)
    if not masked:
        return head + payload
    mask = b"\x37\xfa\x21\x3d"
    pad = (mask * (length // 4 + 1))[:length]
    hidden = (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(length)
    return head + mask + hidden


def parseFrame(data: bytes) -> tuple[Frame, int] | None:
    """Give the first frame of unmasked bytes and its size; None while it is unfinished."""
    if len(data) < 2:
        return None
    length, start = data[1] & 0x7F, 2
    if length == 126:
        length, start = int.from_bytes(data[2:4]), 4
    elif length == 127:
        length, start = int.from_bytes(data[2:10]), 10
    if len(data) < start + length:
        return None
    first = data[0]
    return Frame(first & 0x0F, data[start : start + length], bool(first & 0x80), first >> 4 & 7), start + length
