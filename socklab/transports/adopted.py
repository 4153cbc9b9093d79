"""Sockets that somebody else has opened, such as systemd: they are served on, and otherwise left as they are."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import unix
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from ..limits import BACKLOG


def unixPort(kind: Any, reactor: Any, descriptor: int, factory: IProtocolFactory) -> Any:
    """Give a port, yet to be started, on a Unix socket that listens already.

    Twisted's own would let everybody in (mode 666), and in the end remove the file and shut the socket down, for
    all processes that have it.

    @param kind: the class of the reactor's ports of Unix sockets.
    """
    port = kind._fromListeningDescriptor(reactor, descriptor, factory)
    # It takes this for a name without a file.
    port._bindPath = b"\0" + port._bindPath.lstrip(b"\0")
    port._shouldShutdown = False
    return port


@implementer(IStreamServerEndpoint)
class Activated:
    """A socket of a socket unit (systemd.socket(5)).

    The descriptor stays open: a reload may take the listener away, and another one give it back.
    """

    def __init__(self, reactor: Any, endpoint: AdoptedStreamServerEndpoint) -> None:
        """@param endpoint: what Twisted makes of `systemd:`; the socket itself knows its family better."""
        self._reactor = reactor
        self._descriptor: int = endpoint.fileno

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Accept from it (`IStreamServerEndpoint`).

        Fails with ValueError where it is no socket of streams.
        """
        return maybeDeferred(self._listen, protocolFactory)

    def _listen(self, factory: IProtocolFactory) -> Any:
        reactor, descriptor = self._reactor, self._descriptor
        with socket.socket(fileno=os.dup(descriptor)) as passed:
            passed.setblocking(False)
            family, kind = passed.family, passed.type
        if kind != socket.SOCK_STREAM:
            raise ValueError("systemd has passed a socket of datagrams: the socket unit needs ListenStream=")
        if family != socket.AF_UNIX:
            return reactor.adoptStreamPort(descriptor, family, factory)
        port = unixPort(_unixKind(reactor), reactor, descriptor, factory)
        # Twisted says again how many may wait.
        port.backlog = BACKLOG
        port.startListening()
        return port


def _unixKind(reactor: Any) -> Any:
    if not hasattr(reactor, "native"):
        return unix.Port
    # Imported late: whoever has no uvloop has all else.
    from ..reactor.ports import UnixListeningPort

    return UnixListeningPort
