"""`listen` entries: Twisted's endpoint strings, and `ws:ENDPOINT` and `udp:PORT` beside them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, quoteStringArgument, serverFromString
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorCore, IStreamServerEndpoint

from ..limits import BACKLOG
from ..near import near

if TYPE_CHECKING:
    from .serving import Serving
    from .tls import ClientCertificates, ServerCertificate

_PATHS = {
    "ssl": {"privateKey", "certKey", "extraCertChain", "dhParameters"},
    "unix": {"address"},
    "tls": {"path"},
}
_POSITIONAL = {
    "tcp": ("port",),
    "ssl": ("port",),
    "unix": ("address",),
    "tls": ("path", "port"),
    "udp": ("port",),
}
_KEYWORDS = {
    "tcp": {"port", "interface", "backlog"},
    "ssl": {"port", "interface", "backlog", *_PATHS["ssl"]},
    "tls": {"path", "port", "interface", "backlog"},
    "unix": {"address", "mode", "backlog", "lockfile"},
    "udp": {"port", "interface"},
}

_PREFIXES = (*_KEYWORDS, "systemd", "haproxy", "ws")
"""How an entry may begin, beside what other packages bring."""


def _tokens(text: str) -> tuple[list[str], dict[str, str]]:
    """Split `a:b:c=d`; a backslash takes the meaning from the character behind it."""
    parts: list[list[str]] = [[""]]
    escaped = False
    for char in text:
        if escaped:
            parts[-1][-1] += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ":":
            parts.append([""])
        elif char == "=" and len(parts[-1]) == 1:
            parts[-1].append("")
        else:
            parts[-1][-1] += char
    if escaped:
        raise ValueError("it ends in a backslash")
    return [part[0] for part in parts if len(part) == 1], {p[0]: p[1] for p in parts if len(p) == 2}


@dataclass(frozen=True)
class Listen:
    """Where to listen, checked but not opened."""

    text: str
    """As in the config."""
    kind: str
    """`stream`, `websocket` or `udp`."""
    transport: str
    """As a person calls it: `tcp`, `tls`, `unix`, `ws`, `wss`, `udp`, or the name of another endpoint type."""
    prefix: str
    arguments: dict[str, str]
    description: str
    """The endpoint string for Twisted, paths made absolute; without TLS and `haproxy:`, which are ours; empty
    for UDP."""
    certificate: ServerCertificate | None = field(default=None, compare=False, repr=False)
    """What is served with TLS: one for the check of the config, for the port, and for its renewal."""
    trouble: str | None = field(default=None, compare=False)
    """Why it cannot be opened, where that is no mistake in the config: there is no such socket of systemd, or a
    certificate that the process may have lost the right to read; see `parseListen`."""

    @property
    def port(self) -> int | None:
        """The port, if the string says it."""
        port = self.arguments.get("port", "")
        return int(port) if port.isdigit() else None

    @property
    def interface(self) -> str:
        """The address to bind; empty for all of them."""
        return self.arguments.get("interface", "")

    @property
    def where(self) -> str:
        """What the string says of the address, as a person writes it."""
        if "address" in self.arguments:
            return self.arguments["address"]
        if self.port is None:
            return self.text
        return hostPort(self.interface or "*", self.port)

    @property
    def path(self) -> Path | None:
        """The path of a Unix socket."""
        return Path(self.arguments["address"]) if "address" in self.arguments else None

    def at(self, port: int, path: Path) -> Listen:
        """Give the same with another port, or for a Unix socket with another path."""
        arguments = dict(self.arguments)
        if "address" in arguments:
            arguments["address"] = str(path)
        elif self.port is not None:
            arguments["port"] = str(port)
        description = self.description
        if description and arguments != self.arguments:
            description = _compose(description.partition(":")[0], arguments)
        return replace(self, arguments=arguments, description=description)

    def conflicts(self, other: Listen) -> bool:
        """Tell whether both cannot be open at once."""
        if "address" in self.arguments:
            return self.arguments["address"] == other.arguments.get("address")
        if not self.port or (self.kind == "udp") != (other.kind == "udp"):
            return False
        if self.port != other.port:
            return False
        one, another = (ip_address(each.interface.partition("%")[0] or "0.0.0.0") for each in (self, other))
        if one.is_unspecified or another.is_unspecified:
            # Linux serves IPv4 on "::" too.
            return one.version == another.version or str(one) == "::" or str(another) == "::"
        return one == another and self.interface.partition("%")[2] == other.interface.partition("%")[2]


def parseListen(text: str, folder: Path, clients: ClientCertificates | None = None, again: bool = False) -> Listen:
    """Check an entry of `listen`; nothing is opened, and no reactor is needed.

    @param folder: what relative paths are relative to.
    @param clients: whose certificates are asked for with TLS; without it none are.
    @param again: whether this process serves it already. It may then have dropped the privilege to read the
        certificate: that is the `trouble` of what is given, and no mistake.
    @raise ValueError: it cannot be served; says why.
    """
    if text.startswith("ws:"):
        inner = parseListen(text[3:], folder, clients, again)
        if inner.kind != "stream":
            raise ValueError("ws: goes before a stream endpoint, as in ws:tcp:8000")
        transport = {"tcp": "ws", "tls": "wss"}.get(inner.transport, f"ws {inner.transport}")
        return replace(inner, text=text, kind="websocket", transport=transport)
    if text.startswith("haproxy:"):
        inner = parseListen(text[8:], folder)
        # A proxy sends its line before TLS begins; Twisted would look for it within.
        if inner.kind != "stream" or inner.transport == "tls":
            raise ValueError("haproxy: goes before a TCP or Unix endpoint, as in haproxy:tcp:3000")
        return replace(inner, text=text, prefix="haproxy", transport="haproxy")
    prefix, colon, _ = text.partition(":")
    if prefix in ("icmp", "raw", "ip"):
        raise ValueError("raw sockets and ICMP are not served: they need root, and have no ports and no messages")
    if prefix.isdigit() and not colon:
        raise ValueError(f"say how, too: tcp:{text}, udp:{text} or ws:tcp:{text}")
    if not colon:
        raise ValueError("expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000")
    positional, arguments = _tokens(text[len(prefix) + 1 :])
    if prefix in _POSITIONAL:
        names = _POSITIONAL[prefix]
        if len(positional) > len(names):
            extra = positional[len(names)]
            raise ValueError(
                f"{extra!r} is one part too many: write an address as interface=ADDRESS, with \\: for its colons"
            )
        for name in names[: len(positional)]:
            if name in arguments:
                raise ValueError(f"the {name} is there twice")
        arguments = {**dict(zip(names, positional, strict=False)), **arguments}
    _check(prefix, arguments)
    for name in _PATHS.get(prefix, ()):
        if name in arguments:
            arguments[name] = str(folder / arguments[name])
    if prefix == "udp":
        return Listen(text, "udp", "udp", prefix, arguments, "")
    secure = prefix in ("ssl", "tls")
    certificate = trouble = None
    if secure:
        if prefix == "ssl":
            arguments.setdefault("privateKey", str(folder / "server.pem"))
            arguments.setdefault("certKey", arguments["privateKey"])
        try:
            certificate = _certificate(prefix, arguments, clients)
        except OSError as error:
            trouble = unreadable(error)
            if not (again and isinstance(error, PermissionError)):
                raise ValueError(trouble) from None
    if secure or prefix in ("tcp", "unix"):
        arguments.setdefault("backlog", str(BACKLOG))
    description = _compose("tcp" if secure else prefix, arguments) if prefix in _POSITIONAL else text
    try:
        serverFromString(cast(Any, None), description)
    except (ValueError, TypeError, LookupError, OSError) as error:
        if not (prefix == "systemd" and isinstance(error, LookupError)):
            meant = "" if prefix in _PREFIXES else near(prefix, _PREFIXES)
            raise ValueError(f"Twisted refuses it: {error}{meant}") from None
        # It passes them to the server, and to nobody who checks the config or plans a reload.
        trouble = "systemd has passed no such socket to this process"
    return Listen(
        text, "stream", "tls" if secure else prefix, prefix, arguments, description, certificate, trouble
    )


def _check(prefix: str, arguments: dict[str, str]) -> None:
    if prefix == "systemd" and (domain := arguments.get("domain", "INET")) not in ("INET", "INET6", "UNIX"):
        raise ValueError(f"expected INET, INET6 or UNIX as domain, got {domain!r}")
    if prefix not in _POSITIONAL:
        return
    for name in _POSITIONAL[prefix]:
        if not arguments.get(name):
            raise ValueError(f"the {name} is missing, as in {_EXAMPLES[prefix]}")
    port = arguments.get("port", "0")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"expected a port from 0 to 65535, got {port!r}")
    for name in arguments:
        if name not in _KEYWORDS.get(prefix, {name}):
            known = sorted(_KEYWORDS[prefix])
            raise ValueError(f"{prefix}: has no {name!r}, but {', '.join(known)}{near(name, known)}")
    if interface := arguments.get("interface"):
        try:
            ip_address(interface.partition("%")[0])
        except ValueError:
            raise ValueError(f"expected an IP address as interface, got {interface!r}") from None
    if not re.fullmatch("[1-9][0-9]{0,8}", arguments.get("backlog", "1")):
        raise ValueError(f"expected a number of connections as backlog, got {arguments['backlog']!r}")
    if not re.fullmatch("[0-7]{3,4}", arguments.get("mode", "666")):
        raise ValueError(f"expected permissions such as 660 as mode, got {arguments['mode']!r}")


_EXAMPLES = {
    "tcp": "tcp:3000",
    "ssl": "ssl:3001:privateKey=key.pem:certKey=cert.pem",
    "unix": "unix:/run/socklab.sock",
    "tls": "tls:certificates:3001",
    "udp": "udp:3000",
}


def _compose(prefix: str, arguments: dict[str, str]) -> str:
    own = _KEYWORDS.get(prefix, set(arguments))
    positional = _POSITIONAL[prefix]
    first = [quoteStringArgument(arguments[name]).replace("=", r"\=") for name in positional]
    rest = [
        f"{name}={quoteStringArgument(value)}"
        for name, value in arguments.items()
        if name in own and name not in positional
    ]
    return ":".join([prefix, *first, *rest])


def _certificate(prefix: str, arguments: dict[str, str], clients: ClientCertificates | None) -> ServerCertificate:
    # Imported late: it brings OpenSSL along.
    from .tls import ServerCertificate, readFiles, readFolder

    def path(name: str) -> Path | None:
        return Path(arguments[name]) if name in arguments else None

    if prefix == "tls":
        return ServerCertificate(readFolder(Path(arguments["path"])), clients)
    pair = Path(arguments["certKey"]), Path(arguments["privateKey"])
    return ServerCertificate(readFiles(*pair, path("extraCertChain"), path("dhParameters")), clients)


def unreadable(error: OSError) -> str:
    """Say that a file of a certificate cannot be read."""
    why = (error.strerror or str(error)).lower()
    return f"{error.filename}: {why}: name a PEM file, relative to the config's folder, that twistd may read"


def endpointOf(
    listen: Listen,
    reactor: IReactorCore,
    serving: Callable[[], Serving],
    opened: IStreamServerEndpoint | None = None,
) -> IStreamServerEndpoint:
    """Give the endpoint of a stream or WebSocket listener.

    @param serving: gives what is served there; a reload may change it while the port is open.
    @param opened: stands for its socket, if another process has opened that.
    @raise ValueError: its certificate could not be read, or systemd has passed no socket.
    """
    if listen.trouble is not None and (opened is None or listen.prefix in ("ssl", "tls")):
        raise ValueError(listen.trouble)
    shareNames()
    endpoint: IStreamServerEndpoint = opened or serverFromString(reactor, listen.description)
    if isinstance(endpoint, AdoptedStreamServerEndpoint):
        # Imported late: most servers open their sockets themselves.
        from .adopted import Activated

        endpoint = Activated(reactor, endpoint)
    if listen.certificate is not None:
        from .tls import TLSEndpoint

        return TLSEndpoint(endpoint, listen.certificate, serving)
    if listen.prefix == "haproxy":
        from .proxied import ProxiedEndpoint

        return ProxiedEndpoint(endpoint, serving)
    return endpoint


@cache
def shareNames() -> None:
    """Have the names of attributes that Twisted's connections get with their first write stand in one table.

    CPython 3.11 keeps one for all instances of a class, and closes it while the first thirty are made; a name that
    comes later costs each of them a table of its own, of 640 bytes.
    """
    # Imported late: a check of the config has no use for what they bring along.
    from twisted.internet import tcp, unix

    for kind in (tcp.Server, unix.Server):
        first = object.__new__(kind)
        for name in ("dataBuffer", "offset", "producer", "streamingProducer"):
            setattr(first, name, None)


def setOptions(port: IListeningPort, keepalive: float) -> None:
    """Have each connection of a TCP port find dead peers, and never wait to send a short message.

    Linux and the BSDs give accepted sockets the options of the listening one, whatever Factory it serves.
    """
    fileno = getattr(port, "fileno", None)
    if fileno is None:
        return
    with socket.socket(fileno=os.dup(fileno())) as listening:
        if listening.family == socket.AF_UNIX or listening.type != socket.SOCK_STREAM:
            return
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if keepalive:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(keepalive)))
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def hostPort(host: str, port: int) -> str:
    """Give `127.0.0.1:3000`, `[::1]:3000`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def whereOf(address: IAddress) -> str:
    """Give the address of an open port, as a person writes it."""
    if isinstance(address, UNIXAddress):
        name = address.name or b""
        return name.decode(errors="replace") if isinstance(name, bytes) else name
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None or port is None:
        return str(address)
    return hostPort("*" if host == "0.0.0.0" else host, port)
