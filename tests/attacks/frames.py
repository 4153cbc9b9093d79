"""WebSocket frames that break the rules, or keep to them and are meant to hurt."""

from __future__ import annotations

import socket
import struct
import zlib
from functools import lru_cache

from socklab.testing import clientFrame
from tests import wire

from .attack import MIB, Catalogue
from .streams import ENDED, ended, push
from .target import Target
from .violations import BINARY, CLOSE, CONTINUED, PING, VIOLATIONS

catalogue = Catalogue()

PAGES = ("ws", "wss")

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def closeCode(client: socket.socket) -> int:
    """Read up to the close frame; give its code, and 0 when the connection ends without one."""
    try:
        while True:
            opcode, payload = wire.receive(client)
            if opcode == CLOSE:
                return int(struct.unpack("!H", payload[:2])[0])
            assert opcode == PING or not payload, "something was answered"
    except (*ENDED, ValueError):
        return 0


@catalogue.add("violations", "P9", "echo", PAGES, memory=6)
def violations(target: Target, transport: str, times: int) -> None:
    """Each violation earns its close code, and nothing of it is answered."""
    for _ in range(times):
        for name, (data, code) in VIOLATIONS.items():
            with target.connect("echo", transport) as client:
                push(client, data, len(data))
                # As with a flood, RST may take the close frame of who was told while it went on sending.
                codes = (code,) if len(data) < 65536 else (code, 0)
                assert closeCode(client) in codes, name


@catalogue.add("fragment flood", "P8", "echo", PAGES, memory=2)
def fragmentFlood(target: Target, transport: str, times: int) -> None:
    """Fragments of one message without end, empty ones and short ones: code 1008 after 4096 of them."""
    for payload in (b"", b"xx") * times:
        with target.connect("echo", transport) as client:
            client.sendall(clientFrame(BINARY, payload, fin=False))
            flood = clientFrame(CONTINUED, payload, fin=False) * 8000
            # The system itself takes some MiB for a server that has no time to read.
            assert push(client, flood, 64 * MIB) < 64 * MIB
            # RST, which stops the flood, may take the close frame.
            assert closeCode(client) in (1008, 0)


@lru_cache
def bomb(size: int) -> bytes:
    """Give so many zeros, deflated as a frame (RFC 7692); about a thousandth of that."""
    press = zlib.compressobj(9, wbits=-15)
    small = press.compress(bytes(size)) + press.flush(zlib.Z_SYNC_FLUSH)
    return clientFrame(BINARY, small[:-4], rsv=4)


@catalogue.add("deflate bomb", "P7", "squeezed", PAGES, memory=4)
def deflateBomb(target: Target, transport: str, times: int) -> None:
    """64 MiB in 64 KiB: code 1009, and so is one byte more than the limit; the limit itself comes back."""
    for size in (64 * MIB, MIB + 1) * times:
        with target.connect("squeezed", transport, headers=DEFLATE) as client:
            client.sendall(bomb(size))
            assert closeCode(client) == 1009
    with target.connect("squeezed", transport, headers=DEFLATE) as client:
        client.sendall(bomb(MIB))
        _, payload = wire.receive(client)
        assert len(zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")) == MIB


@catalogue.add("ping flood", "P8", "echo", PAGES, memory=4)
def pingFlood(target: Target, transport: str, times: int) -> None:
    """200,000 pings whose pongs nobody reads: no more of them are read than pongs can be sent."""
    pings = clientFrame(PING, b"x" * 125) * 20_000
    for _ in range(times):
        with target.connect("echo", transport, receiveBuffer=4096) as client:
            sent = sum(wire.fill(client, pings) for _ in range(10))
            assert sent < 10 * len(pings)


@catalogue.add("unread farewell", "P21", "echo", PAGES, memory=2)
def unreadFarewell(target: Target, transport: str, times: int) -> None:
    """Who goes on sending after it was told to go is cut."""
    for _ in range(times):
        with target.connect("echo", transport) as client:
            client.sendall(clientFrame(3, b"no such opcode"))
            assert push(client, clientFrame(BINARY, b"x" * 65536), 32 * MIB) < 32 * MIB
            assert ended(client)
