"""Which pages may open a WebSocket here, and by which names (RFC 6455, 10.2; RFC 6454).

A browser lets any page connect to any server, this machine's too, and says only where the page came from. By DNS
rebinding a page makes itself one of the same host: the Host header then still shows the name that was rebound.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from .access import normal
from .gate import Refusal

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_HOST: Final = re.compile(r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def parseOrigin(text: str) -> str | None:
    """Give an origin in the form in which two are compared; None when it is none (RFC 6454, 6.2)."""
    match = _ORIGIN.fullmatch(text.strip().lower())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else {"http": 80, "https": 443}[match["scheme"]]
    return f"{match['scheme']}://{match['host']}:{port}"


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
        @param hosts: names by which the server may be asked for, or `*`.
        @param paths: that may be asked for; none is any.
        @param names: by which the server may be asked for too: its certificate's.
        @param loopback: whether the listener is on a loopback address.
        @param behindProxy: whether something else, on a Unix socket, has the clients' names to check.
        """
        given = [*origins]
        self._anyOrigin = "*" in given
        self._null = "null" in given
        self._origins = {parsed for each in given if (parsed := parseOrigin(each)) is not None}
        named = [each.lower().strip("[]") for each in hosts]
        own = () if loopback else (socket.gethostname().lower(), *(each.lower() for each in names))
        self._anyHost = behindProxy or "*" in named
        self._hosts = {*named, *own, "localhost"}
        self._paths = {*paths}
        self._loopback = loopback

    def forbids(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Say why a handshake is refused, if it is.

        @param headers: names in lower case.
        """
        if self._paths and path.partition("?")[0] not in self._paths:
            return Refusal("websocket.paths", "another path", 404)
        host = hostOf(headers.get("host", ""))
        if host is None or not (self._anyHost or self._isOurs(host)):
            return Refusal("websocket.hosts", "the Host header names another host", 403)
        origin = headers.get("origin")
        if origin is None or self._anyOrigin or self._isWelcome(origin, host):
            return None
        return Refusal("websocket.origins", f"a page of {origin}", 403)

    def _isOurs(self, host: str) -> bool:
        if host in self._hosts or any(host.endswith(each) for each in (".localhost",)):
            return True
        address = normal(host)
        if address is None:
            return any(each.startswith("*.") and host.endswith(each[1:]) for each in self._hosts)
        # A name can be rebound, an address cannot.
        return address.is_loopback or not self._loopback

    def _isWelcome(self, origin: str, host: str) -> bool:
        if origin == "null":
            return self._null
        parsed = parseOrigin(origin)
        if parsed is None:
            return False
        theirs = hostOf(parsed.partition("://")[2])
        return parsed in self._origins or theirs == host or (self._loopback and isLoopbackName(theirs or ""))


def hostOf(header: str) -> str | None:
    """Give the host of a Host header or an origin, without port and brackets; None when it is none."""
    match = _HOST.fullmatch(header.strip().lower())
    return match["host"].strip("[]").removesuffix(".") if match else None


def isLoopbackName(host: str) -> bool:
    """Tell whether a name or address can only be this machine's own (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
