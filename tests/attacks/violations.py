"""What breaks RFC 6455, frame by frame, and the close code that it earns."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from socklab.testing import clientFrame

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def _framing() -> Iterator[tuple[str, bytes, int]]:
    for opcode in (CONTINUED, TEXT, BINARY, CLOSE, PING, PONG):
        yield f"unmasked, opcode {opcode}", clientFrame(opcode, b"x", masked=False), 1002
    for rsv in range(1, 8):
        yield f"text with RSV {rsv}", clientFrame(TEXT, b"x", rsv=rsv), 1002
    for rsv in (1, 2, 4):
        yield f"ping with RSV {rsv}", clientFrame(PING, b"x", rsv=rsv), 1002
        yield f"binary with RSV {rsv}", clientFrame(BINARY, b"x", rsv=rsv), 1002
    for opcode in (*range(3, 8), *range(11, 16)):
        yield f"opcode {opcode}", clientFrame(opcode, b"x"), 1002
    for opcode in (CLOSE, PING, PONG):
        yield f"fragmented control frame {opcode}", clientFrame(opcode, b"", fin=False), 1002
        yield f"control frame {opcode} of 126 bytes", clientFrame(opcode, b"x" * 126), 1002
    begun = clientFrame(TEXT, b"x", fin=False)
    yield "continuation of nothing", clientFrame(CONTINUED, b"x"), 1002
    yield "unfinished continuation of nothing", clientFrame(CONTINUED, b"x", fin=False), 1002
    yield "text within a text", begun + clientFrame(TEXT, b"y"), 1002
    yield "binary within a text", begun + clientFrame(BINARY, b"y"), 1002
    yield "text after a ping within a text", begun + clientFrame(PING, b"") + clientFrame(TEXT, b"y"), 1002
    mask = b"mask"
    yield "5 bytes with a length of 16 bits", struct.pack("!BBH", 0x81, 0xFE, 5) + mask + b"hello", 1002
    yield "125 bytes with a length of 16 bits", struct.pack("!BBH", 0x82, 0xFE, 125) + mask + b"x" * 125, 1002
    yield "5 bytes with a length of 64 bits", struct.pack("!BBQ", 0x81, 0xFF, 5) + mask + b"hello", 1002
    yield "65535 bytes with a length of 64 bits", struct.pack("!BBQ", 0x82, 0xFF, 65535) + mask, 1002
    yield "a length with the highest bit set", struct.pack("!BBQ", 0x82, 0xFF, 1 << 63) + mask, 1002


def _text() -> Iterator[tuple[str, bytes, int]]:
    bad = {
        "a lone 0xff": b"\xff",
        "a lone continuation byte": b"\x80",
        "an overlong slash": b"\xc0\xaf",
        "an overlong NUL": b"\xe0\x80\x80",
        "a surrogate": b"\xed\xa0\x80",
        "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
        "more than U+10FFFF": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "a character cut off": "한".encode()[:2],
        "a newline in a character": b"\xea\n\x80",
    }
    for name, text in bad.items():
        yield f"text of {name}", clientFrame(TEXT, text), 1007
        yield f"text and {name}", clientFrame(TEXT, b"fine " + text), 1007
    yield (
        "a cut character, fragmented",
        clientFrame(TEXT, "한".encode()[:1], fin=False) + clientFrame(CONTINUED, b"\xff"),
        1007,
    )


def _closing() -> Iterator[tuple[str, bytes, int]]:
    yield "close with one byte", clientFrame(CLOSE, b"x"), 1002
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"close with code {code}", clientFrame(CLOSE, struct.pack("!H", code)), 1002
    for name, text in {"0xff": b"\xff", "half a character": b"\xed\x95"}.items():
        yield f"close with a reason of {name}", clientFrame(CLOSE, struct.pack("!H", 1000) + text), 1007


def _lengths() -> Iterator[tuple[str, bytes, int]]:
    for kind in (TEXT, BINARY):
        yield f"{1024 * 1024 + 1} bytes, kind {kind}", clientFrame(kind, b"x" * (1024 * 1024 + 1)), 1009
        announced = struct.pack("!BBQ", 0x80 | kind, 0xFF, (1 << 63) - 1) + b"mask"
        yield f"the greatest length, kind {kind}", announced, 1009
    half = b"x" * (512 * 1024)
    pieces = clientFrame(TEXT, half, fin=False) + clientFrame(CONTINUED, half, fin=False)
    yield "one byte too many, in the last fragment", pieces + clientFrame(CONTINUED, b"x"), 1009
    for payload in (b"", b"x"):
        many = clientFrame(BINARY, payload, fin=False) + clientFrame(CONTINUED, payload, fin=False) * 4096
        yield f"4097 fragments of {len(payload)} bytes", many, 1008


VIOLATIONS = {
    name: (data, code) for table in (_framing, _text, _closing, _lengths) for name, data, code in table()
}
"""What a client sends after the handshake, and the close code that it gets; by name."""
