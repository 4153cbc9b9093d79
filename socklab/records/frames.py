"""The bytes of a WebSocket connection, taken apart (RFC 6455, 5.2). No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_OPCODES: Final = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
HEAD_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, as it stood on the wire."""

    fin: bool
    compressed: bool
    """RSV1, with which permessage-deflate marks a message (RFC 7692, 6)."""
    opcode: str
    masked: bool
    head: bytes
    """All before the payload: two bytes, a longer length, the mask."""
    length: int
    """Of the payload, in bytes."""

    @property
    def isControl(self) -> bool:
        """Whether it is no part of a message."""
        return self.opcode in ("close", "ping", "pong")


def split(data: bytes) -> tuple[bytes, bytes]:
    """Give the head of the handshake, with its empty line, and what follows."""
    head, end, rest = data.partition(HEAD_END)
    return head + end, rest


def framesOf(data: bytes) -> Iterator[Frame]:
    """Take frames apart; one that is not whole is left out.

    @param data: of one direction, after the handshake.
    """
    at = 0
    while len(data) - at >= 2:
        first, second = data[at], data[at + 1]
        masked, length = bool(second & 0x80), second & 0x7F
        size = {126: 2, 127: 8}.get(length, 0)
        if size:
            length = int.from_bytes(data[at + 2 : at + 2 + size])
        body = at + 2 + size + 4 * masked
        if body + length > len(data):
            return
        opcode = _OPCODES.get(first & 0x0F, f"opcode {first & 0x0F}")
        yield Frame(bool(first & 0x80), bool(first & 0x40), opcode, masked, data[at:body], length)
        at = body + length
