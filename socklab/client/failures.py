"""Why there is no connection, in words for a person, each with what to look at."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.python.failure import Failure

from .address import Address
from .mistaken import secure
from .seam import ConnectError

_UNREACHABLE: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_SOURCE: Final = {errno.EADDRINUSE, errno.EADDRNOTAVAIL}


def connectError(failure: Failure, address: Address, sourcePort: int = 0) -> ConnectError:
    """Give what a failed attempt to connect is for a person.

    @param sourcePort: that was asked for, or 0.
    """
    value = failure.value
    where = f"{address.scheme} {address.where}"
    code = _errno(value)
    match value:
        case ConnectError():
            return value
        case error.ConnectBindError():
            return sourceTaken(sourcePort, value)
        case error.DNSLookupError():
            return ConnectError("name", f"{address.host}: no such host name")
        case TimeoutError() | error.TimeoutError() | DeferredTimeout() if code is None or code == errno.ETIMEDOUT:
            return ConnectError(
                "timeout",
                f"{where}: timed out: no answer at all; the host is down, or a firewall drops what it is sent",
            )
    if code == errno.ECONNREFUSED or isinstance(value, error.ConnectionRefusedError):
        return ConnectError("refused", f"{where}: refused: nobody listens there")
    if code in _UNREACHABLE or isinstance(value, error.NoRouteError):
        return ConnectError("unreachable", f"{where}: unreachable: there is no way to that address from here")
    if code in _SOURCE and sourcePort:
        return sourceTaken(sourcePort, value)
    if code == errno.ENOENT:
        return ConnectError(
            "missing", f"{where}: no such socket: the server is not running, or its path is another"
        )
    if code in (errno.EACCES, errno.EPERM):
        return ConnectError("permission", f"{where}: permission denied")
    if code in (errno.ENOTSOCK, errno.EPROTOTYPE):
        return ConnectError("refused", f"{where}: this is no stream socket")
    said = os.strerror(code).lower() if code else str(value) or type(value).__name__
    return ConnectError("other", f"{where}: {said}")


def sourceTaken(port: int, value: BaseException | None) -> ConnectError:
    """Give what a source port that cannot be had is for a person."""
    code = _errno(value)
    if code == errno.EACCES:
        return ConnectError("source", f"source port {port}: ports below 1024 are for root")
    return ConnectError(
        "source",
        f"source port {port}: in use, or a connection from it to this server has ended in the last minute "
        "(TIME_WAIT): choose another, or none",
    )


def lost(failure: Failure, address: Address) -> ConnectError:
    """Give what a connection that was lost before it could be used is for a person."""
    if failure.check(SSL.Error):
        from .tls import tlsText

        return ConnectError("tls", f"{address}: TLS: {tlsText(failure.value)}")
    tls = f"; if it speaks TLS, say {secure(address)}" if address.scheme == "ws" else ""
    if failure.check(error.ConnectionDone):
        return ConnectError("closed", f"{address}: the server closed the connection at once{tls}")
    return ConnectError("reset", f"{address}: the server reset the connection at once{tls}")


def nameError(host: str, problem: socket.gaierror) -> ConnectError:
    """Give what the resolver says of a name."""
    if problem.errno == socket.EAI_AGAIN:
        return ConnectError("name", f"{host}: no name server answers: is this machine on a network?")
    return ConnectError("name", f"{host}: no such host name")


def _errno(value: BaseException | None) -> int | None:
    if value is None:
        return None
    for each in (value, *value.args):
        if isinstance(each, OSError) and each.errno is not None:
            return each.errno
    # Twisted's have the number first.
    number = getattr(value, "osError", None)
    if number is None and value.args and isinstance(value.args[0], int):
        number = value.args[0]
    return number if isinstance(number, int) else None
