"""Words that would forge the log."""

from __future__ import annotations

import re

from tests import wire

from .attack import Catalogue
from .handshakes import HELLO
from .streams import ended, finish, push
from .target import Target

catalogue = Catalogue()

FORGED = "2026-01-01T00:00:00+0000 [socklab] chat: root has logged in"

EVIL = (
    f"\r\n{FORGED}\r\n".encode(),
    f"\n{FORGED}\n".encode(),
    f"\x0b{FORGED}".encode(),
    f"\u2028{FORGED}\u2029\x85".encode(),
    b"\x1b[2J\x1b[31mred\x07\x08\x7f\x00",
    b"\xc2\x9b31m\xc2\x85",
    "\u202egnp.exe\u2066".encode(),
)

_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@catalogue.add("log forging", "P20", "chat", ["all"], memory=2)
def logForging(target: Target, transport: str, times: int) -> None:
    """Controls and whole lines in everything that a client says: in no way do they reach the log raw."""
    for evil in EVIL * times:
        for kind in ("tcp", "tls", "unix"):
            if target.has("chat", kind):
                with target.connect("chat", kind) as client:
                    push(client, b"/nick " + evil + b"\n/join " + evil + b"\n" + evil + b"\n" + evil * 10_000, 1)
                    finish(client)
                    ended(client)
        flat = evil.replace(b"\r", b"").replace(b"\n", b"")
        for service, kind in (("chat", "ws"), ("echo", "ws"), ("proxied", "ws haproxy")):
            if target.has(service, kind):
                for head in (
                    b"GET /" + flat + b" HTTP/1.1\r\nHost: " + flat + b"\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://" + flat + b"\r\n",
                    wire.HANDSHAKE + b"Sec-WebSocket-Protocol: " + flat + b"\r\n",
                    flat + b" / HTTP/1.1\r\n",
                ):
                    with target.raw(service, kind) as client:
                        if "haproxy" in kind:
                            client.sendall(b"PROXY TCP4 10.0.0.1 127.0.0.1 1 2\r\n")
                        client.sendall(head + evil + b": " + flat + b"\r\n\r\n")
                        client.sendall(flat)
                        finish(client)
                        ended(client)
        for service, kind in (("proxied", "haproxy"), ("echo", "tls")):
            if target.has(service, kind):
                with target.raw(service, kind) as client:
                    client.sendall((HELLO if kind == "tls" else b"PROXY TCP4 ") + evil + b" x y z\r\n")
                    finish(client)
                    ended(client)
    log = target.server.log
    found = _FORBIDDEN.search(log)
    assert found is None, log[found.start() - 100 : found.end() + 100]
    assert FORGED not in {line[: len(FORGED)] for line in log.splitlines()}
