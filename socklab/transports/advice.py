"""What keeps a listener from being opened, and what to do about it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from twisted.internet.error import CannotListenError

from .listen import Listen


def troubles(error: BaseException) -> Iterator[OSError]:
    """Give the system's errors in what an endpoint failed with."""
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, OSError):
        yield error


def isAbsent(error: BaseException) -> bool:
    """Tell whether a listener failed because the machine lacks its address."""
    absent = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return any(each.errno in absent for each in troubles(error))


def advice(listen: Listen, error: BaseException) -> str:
    """Say in one line why a listener cannot be opened, and what to do."""
    for each in troubles(error):
        match each.errno:
            case errno.EADDRINUSE:
                return _inUse(listen)
            case errno.EACCES | errno.EPERM if listen.port is not None and listen.port < 1024:
                return (
                    "ports below 1024 need a privilege: start as root with --uid, give the process "
                    "CAP_NET_BIND_SERVICE, or take a port from 1024 on"
                )
            case errno.EACCES | errno.ENOENT if listen.prefix == "unix":
                folder = Path(listen.arguments["address"]).parent
                return f"{(each.strerror or '').lower()}: {folder} must be there, and twistd may write in it"
            case errno.EADDRNOTAVAIL:
                return f"this machine has no address {listen.interface}: `ip address` lists those it has"
            case _:
                return (each.strerror or str(each)).lower()
    if listen.path is not None and "Cannot acquire lock" in str(error):
        # Twisted's word for a file beside the socket, whose process lives.
        return _inUse(listen)
    return " ".join(str(error).split()) or type(error).__name__


def _inUse(listen: Listen) -> str:
    """Say by whom the address of a listener is used, as far as this user may see, and how to see more."""
    # Imported late: most servers start without it.
    from ..sockets import whoHas, whoListensAt

    said = "the address is in use already"
    if listen.path is not None:
        by = whoListensAt(str(listen.path))
        return f"{said} by {by}" if by else f"the file is there, and nobody listens on it: remove {listen.path}"
    if not listen.port:
        return said
    kind = "udp" if listen.kind == "udp" else "tcp"
    by = whoHas(kind, listen.interface or "0.0.0.0", listen.port)
    see = f"`ss -an{kind[0]}p 'sport = :{listen.port}'` shows"
    return f"{said} by {by}: {see} it" if by else f"{said}: {see} by what"


def probe(listen: Listen) -> OSError | None:
    """Bind and let go: give what a TCP or UDP listener would fail with."""
    if listen.prefix not in ("tcp", "ssl", "tls", "udp") or listen.port is None:
        return None
    family = socket.AF_INET6 if ":" in listen.interface else socket.AF_INET
    kind = socket.SOCK_DGRAM if listen.prefix == "udp" else socket.SOCK_STREAM
    try:
        with socket.socket(family, kind) as tried:
            if kind is socket.SOCK_STREAM:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((listen.interface, listen.port))
    except OSError as error:
        return error
    return None
