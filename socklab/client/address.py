"""The one form in which a server is named: `tcp://host:port`, `unix:///path`, `ws://host:port/path`. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, urlsplit

_FORMS: Final = {
    "tcp": "tcp://host:port",
    "tls": "tls://host:port",
    "udp": "udp://host:port",
    "unix": "unix:///path",
    "ws": "ws://host:port/path",
    "wss": "wss://host:port/path",
}
SCHEMES: Final = tuple(_FORMS)
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
"""RFC 6455, 3. The others have none."""
_HINTS: Final = {
    "http": "for a WebSocket say ws://, for a request written by hand tcp://",
    "https": "for a WebSocket say wss://, for a request written by hand tls://",
    "ssl": "say tls://",
    "file": "say unix:///path",
}
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
# RFC 3986, 2.2 and 2.3, and the `%` of what is escaped already.
_IN_RESOURCE: Final = "/?:@!$&'()*+,;=-._~%"


class AddressError(ValueError):
    """This is no address; the text says what one is."""


@dataclass(frozen=True)
class Address:
    """Where a server is, and what it speaks below the message."""

    scheme: str
    host: str = ""
    """A name or an IP address, without brackets; empty for a Unix socket."""
    port: int = 0
    path: str = ""
    """Of the socket for `unix`; what is asked for, `/path?query`, for `ws` and `wss`."""

    @property
    def kind(self) -> str:
        """What a message is there: `stream`, `udp` or `websocket`."""
        return {"udp": "udp", "ws": "websocket", "wss": "websocket"}.get(self.scheme, "stream")

    @property
    def isSecure(self) -> bool:
        """Whether it is within TLS."""
        return self.scheme in ("tls", "wss")

    @property
    def isNetwork(self) -> bool:
        """Whether there are a host and a port."""
        return self.scheme != "unix"

    @property
    def where(self) -> str:
        """The host and port as they stand in an address, or the path of the socket."""
        if not self.isNetwork:
            return self.path
        return hostPort(self.host, self.port)

    def __str__(self) -> str:
        if not self.isNetwork:
            return f"unix://{self.path}"
        return f"{self.scheme}://{self.where}{self.path}"


def hostPort(host: str, port: int) -> str:
    """Give `127.0.0.1:80` or `[::1]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(text: str) -> Address:
    """Read an address.

    @raise AddressError: it is none.
    """
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found:
        known, colon, there = text.partition(":")
        meant = f"{known}://{there}" if colon and known in _FORMS else f"tcp://{text}"
        hint = f"; did you mean {meant}?" if re.fullmatch(r"[^/\s]+:[0-9]+", text) else ""
        raise AddressError(f"expected {_forms()}, got {text!r}{hint}")
    if scheme not in _FORMS:
        hint = f": {_HINTS[scheme]}" if scheme in _HINTS else f"; expected {_forms()}"
        raise AddressError(f"{scheme}:// is not spoken here{hint}")
    if scheme == "unix":
        if not rest or "\0" in rest:
            raise AddressError(f"expected {_FORMS['unix']}, got {text!r}")
        return Address("unix", path=rest)
    if _CONTROL.search(rest):
        raise AddressError(f"an address has no spaces and no control characters, got {text!r}")
    return _network(scheme, text, rest)


def _network(scheme: str, text: str, rest: str) -> Address:
    wrong = AddressError(f"expected {_FORMS[scheme]}, got {text!r}")
    # What stands before the first "/", "?" or "#" is the host and port, whatever urlsplit thinks of the scheme.
    try:
        split = urlsplit(f"//{rest}", allow_fragments=True)
        host, port = split.hostname, split.port
    except ValueError:
        raise wrong from None
    if not host or split.username is not None or not _isHost(host, split.netloc):
        raise wrong
    if port is None:
        if scheme not in _DEFAULT_PORTS or split.netloc.endswith(":"):
            raise AddressError(f"which port? expected {_FORMS[scheme]}, got {text!r}")
        port = _DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise AddressError(f"a port is 1 to 65535, got {text!r}")
    if split.fragment or rest.endswith("#"):
        raise AddressError(f"an address has no part after #, got {text!r}")
    if scheme not in _DEFAULT_PORTS:
        if split.path not in ("", "/") or "?" in rest:
            raise AddressError(f"{scheme}:// has no path, got {text!r}")
        return Address(scheme, host, port)
    query = f"?{split.query}" if "?" in rest else ""
    return Address(scheme, host, port, quote(f"{split.path or '/'}{query}", safe=_IN_RESOURCE))


def _isHost(host: str, netloc: str) -> bool:
    if netloc.startswith("["):
        address, _, zone = host.partition("%")
        try:
            IPv6Address(address)
        except ValueError:
            return False
        return not zone or re.fullmatch(r"[\w.-]+", zone) is not None
    # Letters of any script: a name may be internationalised.
    return ":" not in host and re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", host) is not None


def _forms() -> str:
    *most, last = _FORMS.values()
    return f"{', '.join(most)} or {last}"
