"""Host names to addresses."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

from twisted.internet.threads import deferToThreadPool

from .failures import nameError
from .seam import ConnectError


async def resolve(reactor: Any, host: str, port: int, kind: socket.SocketKind) -> list[str]:
    """Give the IP addresses of a host, in the order in which the system would try them.

    @raise ConnectError: there are none.
    """
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        name = host if host.isascii() else _ascii(host)
        found = await deferToThreadPool(
            reactor, reactor.getThreadPool(), socket.getaddrinfo, name, port, socket.AF_UNSPEC, kind
        )
    except socket.gaierror as problem:
        raise nameError(host, problem) from None
    except UnicodeError:
        raise ConnectError("name", f"{host}: this cannot be a host name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _ascii(host: str) -> str:
    """Give an internationalised name as DNS has it (RFC 5891).

    @raise UnicodeError: it is none.
    """
    import idna

    return idna.encode(host, uts46=True).decode("ascii")
