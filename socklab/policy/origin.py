"""Which pages may open a WebSocket here, and by which names (RFC 6455, 10.2; RFC 6454).

A browser lets any page connect to any server, this machine's too, and says only where the page came from. By DNS
rebinding a page makes itself one of the same host: the Host header then still shows the name that was rebound.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from .access import normal
from .gate import Refusal

_NAME: Final = (
    r"(?P<host>[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?\.?|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_ORIGIN: Final = re.compile(rf"(?P<scheme>https?)://{_NAME}")
_HOST: Final = re.compile(_NAME)
_PORTS: Final = {"http": 80, "https": 443}
_HIGHEST: Final = 65535


def parseOrigin(text: str) -> str | None:
    """Give an origin in the form in which two are compared; None when it is none (RFC 6454, 6.2)."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None or int(match["port"] or 0) > _HIGHEST:
        return None
    return f"{match['scheme']}://{match['host']}:{match['port'] or _PORTS[match['scheme']]}"


def parseHost(text: str) -> str | None:
    """Give the host of a Host header or an origin, without port and brackets; None when it is none."""
    match = _HOST.fullmatch(text.lower())
    return match["host"].strip("[]") if match and int(match["port"] or 0) <= _HIGHEST else None


def asciiHost(name: str) -> str:
    """Give a name of `hosts` as browsers send it, `한국.kr` as `xn--3e0b707e.kr` (RFC 3490).

    @raise ValueError: it is none; `*` and `*.example.com` are.
    """
    star, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    if name == "*":
        return name
    bare = rest[1:-1] if rest.startswith("[") and rest.endswith("]") else rest
    address = normal(bare)
    if address is not None and not star:
        return bare.lower()
    host = parseHost(rest.encode("idna").decode())
    if host is None or ":" in rest:
        raise ValueError
    return star + host.removesuffix(".")


class PagePolicy:
    """Which Origin, Host and path a WebSocket handshake may have."""

    def __init__(
        self,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        paths: Iterable[str] = (),
        names: Iterable[str] = (),
        loopback: bool = False,
        behindProxy: bool = False,
    ) -> None:
        """@param origins: pages that are welcome beside those of the same host: `https://example.com`, `null` (a
            page opened from a file) or `*`.
        @param hosts: names by which the server may be asked for, `*.example.com` among them, or `*`.
        @param paths: that may be asked for; none is any.
        @param names: by which the server may be asked for too: its certificate's. Nobody can rebind those: a
            browser would not shake hands.
        @param loopback: whether the listener is on a loopback address.
        @param behindProxy: whether something else, on a Unix socket, has the clients' names to check.
        """
        given = [*origins]
        self._anyOrigin = "*" in given
        self._null = "null" in given
        self._origins = {parseOrigin(each) for each in given} - {None}
        named = [asciiHost(each) for each in hosts]
        self._anyHost = behindProxy or "*" in named
        self._hosts = {*named, *(each.lower() for each in names), *(() if loopback else _ownNames())}
        self._paths = {quote(each, safe="/%:@!$&'()*+,;=~") for each in paths}
        self._loopback = loopback

    def forbids(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Say why a handshake is refused, if it is.

        @param path: as in the request; what follows `?` does not matter.
        @param headers: names in lower case.
        """
        if self._paths and path.partition("?")[0] not in self._paths:
            known = ", ".join(sorted(self._paths))
            return Refusal("websocket.paths", f"{path[:100]} is none of {known}", 404)
        asked = headers.get("host", "").strip()
        host = parseHost(asked)
        if not self._anyHost and (host is None or not self._isOurs(host.removesuffix("."))):
            why = f'"{asked[:100]}" is no name of this server'
            # Who typed it reads the log, and has to know what to do.
            if host is not None:
                why += f'; if it is one: hosts = ["{host}"] in [service.websocket]'
            return Refusal("websocket.hosts", why, 403)
        origin = headers.get("origin")
        if origin is None or self._anyOrigin or self._isWelcome(origin.strip(), host):
            return None
        who = "null (a file, or a page that hides where it is from)" if origin == "null" else f'"{origin[:100]}"'
        return Refusal("websocket.origins", f"a page of {who}, which is not in `origins`", 403)

    def _isOurs(self, host: str) -> bool:
        if host in self._hosts or f"*.{host.partition('.')[2]}" in self._hosts or isLoopbackName(host):
            return True
        # A name can be rebound, an address cannot.
        return not self._loopback and normal(host) is not None

    def _isWelcome(self, origin: str, host: str | None) -> bool:
        if origin == "null":
            return self._null
        parsed = parseOrigin(origin)
        if parsed is None:
            return False
        theirs = parseHost(parsed.partition("://")[2])
        return theirs is not None and (
            parsed in self._origins or theirs == host or (self._loopback and isLoopbackName(theirs))
        )


def _ownNames() -> set[str]:
    """Give the names that the machine has for itself; `.local` is that of multicast DNS (RFC 6762, 3)."""
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return {full, short, f"{short}.local"}


@lru_cache(1024)
def isLoopbackName(host: str) -> bool:
    """Tell whether a name or address can only be this machine's own (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = normal(host)
    return address is not None and address.is_loopback
