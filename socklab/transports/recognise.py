"""A client that speaks something else: its first bytes tell, and both sides are told. No I/O."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .. import http
from ..framing import CrLines, Framing, Int8, Int16, Int32, Lines, Netstring

LOOKED_AT: Final = 1024
"""Bytes of a WebSocket connection in which HTTP must begin; Autobahn has the rest."""

# Of a framing in which no connection begins as HTTP or TLS does, and what a person calls it.
_WORDS: Final[dict[type[Framing], str]] = {
    Lines: "lines",
    CrLines: "lines",
    Netstring: "netstrings",
    Int8: "int8 messages",
    Int16: "int16 messages",
    Int32: "int32 messages",
}
_REQUEST: Final = re.compile(rb"([A-Z]{3,16}) [!-~\x80-\xff]+ HTTP/[0-9]\.[0-9]\r?\n")
_UPGRADE: Final = re.compile(rb"\nupgrade:[ \t]*websocket", re.IGNORECASE)
# RFC 9112, 3: a method is a token; nothing else may come first.
_BEGINNING: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}( [^\x00-\x1f\x7f]*\r?)?")

# What no text has, in any encoding that holds ASCII.
_CONTROLS: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")


class Foreign(NamedTuple):
    """What a client is told that is at the wrong port."""

    why: str
    """For the log."""
    answer: bytes
    """For the client."""


def isTlsHello(data: bytes) -> bool:
    """Tell whether bytes are the beginning of a ClientHello (RFC 8446, 4.1.2 and 5.1; RFC 5246, 7.4.1.2)."""
    return (
        len(data) >= 10
        # A handshake record of version 3.x, with a ClientHello of version 3.x no shorter than the record says.
        and data[0] == 22
        and data[1] == 3
        and data[5] == 1
        and data[9] == 3
        and int.from_bytes(data[6:9]) + 4 >= int.from_bytes(data[3:5])
    )


def onFramed(service: str, framing: Framing | None, secure: bool, data: bytes) -> Foreign | None:
    """Say what is wrong with the first bytes on a stream, when they are HTTP or TLS.

    @param framing: of the listener; raw, and what protocols make themselves, take anything.
    @param secure: whether the stream is within TLS.
    """
    spoken = None if framing is None else _WORDS.get(type(framing))
    if spoken is None:
        return None
    if isTlsHello(data):
        return Foreign(
            f"this is a TLS hello, and the port speaks plain {spoken}: connect without TLS, or listen on ssl:",
            # In the clear: TLS libraries then say that no TLS came. An alert would blame a version or a cipher.
            f"! this port speaks {spoken} without TLS\n".encode(),
        )
    request = _REQUEST.match(data)
    if request is None:
        return None
    where = f"{spoken} over {'TLS' if secure else 'TCP'}"
    if _UPGRADE.search(data):
        why, instead = f"this is a WebSocket handshake, and the port speaks {where}: listen on ws:", "WebSocket"
    else:
        why, instead = f"this is an HTTP request, and the port speaks {where}: for browsers listen on ws:", "HTTP"
    body = f'This port speaks {where} (service "{service}"), not {instead}.\n'.encode()
    return Foreign(why, http.response(400, body, withBody=request[1] != b"HEAD"))


def onWebSocket(service: str, secure: bool, data: bytes) -> Foreign | None:
    """Say what is wrong with the first bytes on a WebSocket port, when they cannot become an HTTP request.

    @param data: what has come so far.
    """
    scheme = "wss" if secure else "ws"
    body = f'This port speaks WebSocket (service "{service}"): use new WebSocket("{scheme}://...").\n'.encode()
    if isTlsHello(data):
        why = "this is a TLS hello, and the port speaks WebSocket without TLS: use ws://, or listen on ws:ssl:"
    elif not _mayBeHttp(data):
        why = "this is no HTTP, with which WebSocket begins: use a WebSocket client, or listen without ws:"
    else:
        return None
    return Foreign(why, http.response(400, body))


def kindOf(data: bytes) -> str:
    """Say what a client's first bytes are, for a person."""
    if not data:
        return "nothing"
    if isTlsHello(data):
        return "a TLS hello"
    if _REQUEST.match(data):
        return "a WebSocket handshake" if _UPGRADE.search(data) else "an HTTP request"
    if _CONTROLS.search(data):
        return "binary"
    return "lines" if b"\n" in data else "text"


def _mayBeHttp(data: bytes) -> bool:
    line, end, _ = data.partition(b"\n")
    return b" HTTP/" in line if end else _BEGINNING.fullmatch(line) is not None
