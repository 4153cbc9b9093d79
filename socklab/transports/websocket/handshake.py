"""Opening handshakes in which nothing is out of the ordinary (RFC 6455, 4.2.1), read in one go. No I/O.

Autobahn reads all that may stand in one, makes futures nobody waits for, and formats what it would log: a third of
what a short connection cost. What it would read otherwise, or find a fault with, is left to it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ... import http
from ...policy.origin import parseOrigin

_HEAD: Final = re.compile(
    # What stands behind `;`, `?` and `#`, or between `//` and `/`, Autobahn takes apart.
    rb"GET (/(?!/)[A-Za-z0-9/_.~%-]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")


class Handshake(NamedTuple):
    """What a client asks for."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    protocols: list[str]
    """The subprotocols that it speaks."""
    key: str
    size: int
    """Bytes of the request."""


def ordinary(data: bytes, limit: int) -> Handshake | None:
    """Give the request that has come, or None: not all of it is here, or Autobahn shall look.

    @param limit: the greatest length of the request, in bytes.
    """
    end = data.find(http.HEAD_END, 0, limit) + 4
    head = _HEAD.fullmatch(data, 0, end) if end > 3 else None
    if head is None:
        return None
    path, lines = head.groups()
    fields = lines.decode("ascii").split("\r\n")[:-1]
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    get = headers.get
    key, origin, spoken = get("sec-websocket-key", ""), get("origin", "null"), get("sec-websocket-protocol")
    protocols = [] if spoken is None else [each.strip() for each in spoken.split(",")]
    if (
        len(headers) == len(fields)
        and len({*protocols}) == len(protocols)
        and get("upgrade", "").lower() == "websocket"
        and "upgrade" in [each.strip() for each in get("connection", "").lower().split(",")]
        and get("sec-websocket-version") == "13"
        and _KEY.fullmatch(key)
        and _HOST.fullmatch(get("host", ""))
        and (origin == "null" or ("[" not in origin and parseOrigin(origin) is not None))
    ):
        return Handshake(path.decode("ascii"), headers, protocols, key, end)
    return None
