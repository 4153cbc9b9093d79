"""Connections behind a proxy that says first whose they are: the PROXY protocol, version 1 and 2.

Twisted parses its header; here it may come in any pieces, is bounded in time, and must name real addresses.
https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from ..events import Cut
from .peers import peerAt
from .serving import Serving
from .stream import StreamConnection

_LONGEST: Final = 107
"""Bytes of the longest header of version 1, with its CRLF (2.1)."""
_FIXED: Final = 16
"""Bytes of a header of version 2 up to its addresses (2.2); the last two say how many follow."""
_FIRST: Final = b"PROXY "
"""How a header of version 1 begins."""


class _ProxiedConnection(HAProxyProtocolWrapper):
    """Hands on what follows the header; until then nobody has come."""

    _timer: IDelayedCall | None = None
    _early = b""

    @property
    def _serving(self) -> Serving:
        return cast("_ProxiedFactory", self.factory).serving()

    def makeConnection(self, transport: ITransport) -> None:
        super().makeConnection(transport)
        serving = self._serving
        if serving.limits.handshake_timeout:
            self._timer = serving.clock.callLater(serving.limits.handshake_timeout, self._tooSlow)

    def dataReceived(self, data: bytes) -> None:
        if self._proxyInfo is not None:
            self.wrappedProtocol.dataReceived(data)
            return
        self._early += data
        try:
            size = _sizeOf(self._early)
            if size is None or len(self._early) < size:
                return
            self._proxyInfo = _parsed(self._early[:size])
        # Twisted's parser lets most of what is wrong with a header's parts through as it comes.
        except (InvalidProxyHeader, ValueError, LookupError, TypeError):
            self._early = b""
            self._cut("no PROXY header: only a proxy that sends one may connect here")
            return
        self._stopTimer()
        rest, self._early = self._early[size:], b""
        # Where it names nobody, as for the proxy's own checks, somebody is there who says something.
        if self._proxyInfo.source is not None and isinstance(self.wrappedProtocol, StreamConnection):
            self.wrappedProtocol.clientKnown()
        if rest:
            self.wrappedProtocol.dataReceived(rest)

    def _tooSlow(self) -> None:
        self._timer = None
        # A WebSocket's own time may be up as well.
        if not cast(Any, self.transport).disconnecting:
            self._cut(f"no PROXY header within {self._serving.limits.handshake_timeout:g} s")

    def _cut(self, why: str) -> None:
        self._stopTimer()
        transport: Any = self.transport
        self._serving.events.emit(Cut(self._serving.service, peerAt(transport.getPeer()), why))
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stopTimer()
        super().connectionLost(reason)

    def _stopTimer(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None


def _sizeOf(early: bytes) -> int | None:
    """Give how long a header is, None while that cannot be seen.

    @raise ValueError: it is none.
    """
    if early[: len(V2Parser.PREFIX)] == V2Parser.PREFIX[: len(early)]:
        return _FIXED + int.from_bytes(early[14:16]) if len(early) >= _FIXED else None
    if early[: len(_FIRST)] != _FIRST[: len(early)]:
        raise ValueError
    end = early.find(V1Parser.NEWLINE, 0, _LONGEST)
    if end < 0 and len(early) >= _LONGEST:
        raise ValueError
    return end + 2 if end >= 0 else None


def _parsed(header: bytes) -> Any:
    """Give what a whole header says.

    @raise InvalidProxyHeader: it makes no sense.
    @raise ValueError: so too, or it names what is no address: such a one would pass for a Unix peer.
    """
    isSecond = header.startswith(V2Parser.PREFIX)
    info = V2Parser.parse(header) if isSecond else V1Parser.parse(header[:-2])
    for address in (info.source, info.destination):
        if hasattr(address, "host"):
            named = cast(Any, address)
            ip_address(named.host)
            if not 0 <= named.port < 65536:
                raise ValueError
    return info


class _ProxiedFactory(WrappingFactory["_ProxiedConnection"]):
    protocol = _ProxiedConnection
    noisy = False

    def __init__(self, wrapped: IProtocolFactory, serving: Callable[[], Serving]) -> None:
        super().__init__(wrapped)
        self.serving = serving

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted; None when there is no room for it."""
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


@implementer(IStreamServerEndpoint)
class ProxiedEndpoint:
    """Another endpoint, behind a proxy."""

    def __init__(self, endpoint: IStreamServerEndpoint, serving: Callable[[], Serving]) -> None:
        """@param serving: gives what is served there by now; `handshake_timeout` bounds the header."""
        self._endpoint = endpoint
        self._serving = serving

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Open the port (`IStreamServerEndpoint`)."""
        return self._endpoint.listen(_ProxiedFactory(protocolFactory, self._serving))
