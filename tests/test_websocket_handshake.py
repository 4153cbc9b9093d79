"""WebSocket: an ordinary handshake that is read in one go ends as it does when Autobahn reads it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address

from socklab.events import Opened
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer, clientFrame
from socklab.testing.wires import MemoryTransport
from socklab.transports.websocket import WebSocketFactory
from socklab.transports.websocket.handshake import ordinary
from tests.test_websocket_fast import PlainFactory, told

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
USUAL = {
    "Host": "localhost:8000",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
CHROMIUM = {
    **USUAL,
    "Connection": "keep-alive, Upgrade",
    "Origin": "http://localhost:8080",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "Sec-WebSocket-Protocol": "chat, soap",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    "Cookie": "a=b; c=d",
}
OTHERS = {
    "Host": [
        "localhost",
        "LOCALHOST",
        "[::1]:80",
        "[::1]",
        "::1",
        "localhost:x",
        "localhost:",
        "",
        "a b",
        "elsewhere",
    ],
    "Upgrade": ["WebSocket", "h2c, websocket", "h2c", ""],
    "Connection": ["upgrade", "keep-alive,Upgrade", "keep-alive", "", "up grade"],
    "Sec-WebSocket-Version": ["8", "12", "x", "13, 8", "013"],
    "Sec-WebSocket-Key": [KEY[:-1], KEY[:-2] + "ab", "!" + KEY[1:], f" {KEY}\t", ""],
    "Sec-WebSocket-Protocol": ["", "soap", "chat,chat", "chat,", "x, chat"],
    "Sec-WebSocket-Extensions": [
        "",
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; x=y, permessage-deflate",
        "x-other; a=b",
    ],
    "Origin": [
        "null",
        "http://localhost",
        "http://LOCALHOST:99999",
        "https://[::1]",
        "file://",
        "x",
        "",
        "http://",
    ],
    "X-Other": ["\u00e9", "a\x0bb", "a\x85b", "a:b", "\t a \t", "a\x00b"],
    "Bad Name": ["a"],
    "": ["a"],
}
PATHS = [
    "/",
    "/chat",
    "/a/b.c~d_e-f%20",
    "/a?b=c",
    "/a;b",
    "/a#b",
    "//a/b",
    "http://localhost/a",
    "*",
    "a",
    "/\u00e9",
    "/a b",
]
STARTS = ["GET {} HTTP/1.1\r\n"] * 4 + [
    "GET {} HTTP/1.0\r\n",
    "POST {} HTTP/1.1\r\n",
    "GET  {} HTTP/1.1\r\n",
    "GET {} HTTP/1.1\n",
]


class Chat(EchoFactory):
    """Speaks two subprotocols."""

    subprotocols = ("chat", "soap")


@st.composite
def handshakes(draw: st.DrawFn) -> bytes:
    """Give a handshake that is nearly in order."""
    fields = [*draw(st.sampled_from([USUAL, CHROMIUM])).items()]
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*OTHERS]))
        value = draw(st.sampled_from(OTHERS[name]))
        match draw(st.sampled_from(["set", "add", "drop"])):
            case "set":
                fields = [(each, value if each == name else old) for each, old in fields]
            case "add":
                fields.append((name, value))
            case _:
                fields = [field for field in fields if field[0] != name]
    fields = draw(st.permutations(fields))
    cased = draw(st.sampled_from([str, str.lower, str.upper]))
    lines = "".join(f"{cased(name)}:{draw(st.sampled_from([' ', '', '  ']))}{value}\r\n" for name, value in fields)
    start = draw(st.sampled_from(STARTS)).format(draw(st.sampled_from(PATHS)))
    rest = draw(st.sampled_from([b"", clientFrame(1, b"hello")]))
    return f"{start}{lines}\r\n".encode("latin-1") + rest


def converse(kind: type[WebSocketFactory], pieces: list[bytes], deflate: bool) -> tuple[object, ...]:
    """Give all that can be seen of a connection on which these pieces came."""
    server = MemoryServer(Chat(), raising=False, deflate=deflate)
    address = IPv4Address("TCP", "127.0.0.1", 40001)
    wire = MemoryTransport(server.clock, address)
    wire.accept(kind(server._serving("utf-8"), deflate).buildProtocol(address))
    for piece in pieces:
        wire.deliver(piece)
    server.advance(1)
    peers = [each.peer for each in server.events if isinstance(each, Opened)]
    answer = re.sub(rb"Date: [^\r]*", b"", bytes(wire.received))
    return answer, wire.finished, peers, [*map(told, server.events)]


@given(handshakes(), st.integers(0, 400), st.booleans())
def test_the_same_as_autobahn(data: bytes, cut: int, deflate: bool) -> None:
    """Any handshake, whole or in two pieces, has the same answer, peer and events on both ways."""
    pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
    quick = converse(WebSocketFactory, pieces, deflate)
    assert quick == converse(PlainFactory, pieces, deflate)


@pytest.mark.parametrize("fields", [USUAL, CHROMIUM])
def test_what_clients_send_is_ordinary(fields: dict[str, str]) -> None:
    """A handshake of a program, and one of a browser, are read in one go."""
    data = f"GET /chat HTTP/1.1\r\n{''.join(f'{name}: {fields[name]}' + chr(13) + chr(10) for name in fields)}\r\n"
    asked = ordinary(data.encode() + b"rest", 65536)
    assert asked is not None
    assert (asked.path, asked.key, asked.size) == ("/chat", KEY, len(data))
    assert asked.headers == {name.lower(): value for name, value in fields.items()}
    assert asked.protocols == (["chat", "soap"] if fields is CHROMIUM else [])
    assert ordinary(data.encode(), len(data) - 1) is None
