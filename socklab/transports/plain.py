"""Plain Twisted Factories on streams: counted like all others, shown to who looks, else left to themselves."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IAddress, IProtocolFactory, IProtocolNegotiationFactory
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from .peers import peerAt
from .refusing import turnAway
from .serving import Serving
from .watch import Watch


@implementer(IProtocolFactory)
class PlainFactory:
    """Lets the connections of a plain Twisted Factory in, and counts them; they have no adapter."""

    noisy = False

    def __init__(self, serving: Serving, tls: bool = False) -> None:
        """@param tls: whether what is refused is called `tls`."""
        self.serving = serving
        self._kind = "tls" if tls else ""
        if IProtocolNegotiationFactory.providedBy(serving.factory):
            alsoProvides(self, IProtocolNegotiationFactory)

    def acceptableProtocols(self) -> list[bytes]:
        """Over TLS: what the Factory speaks (`IProtocolNegotiationFactory`), if it says so."""
        return cast(Any, self.serving.factory).acceptableProtocols()  # type: ignore[no-any-return]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted."""
        serving = self.serving
        # Behind a proxy it is the proxy's, from which all come.
        host = "" if serving.proxied else getattr(addr, "host", "")
        refusal = serving.gate.enter(host)
        if refusal is not None:
            # Nobody knows what it speaks, so it is told nothing.
            return turnAway(serving, peerAt(addr, self._kind), refusal, b"")
        protocol: Any = None
        try:
            protocol = serving.factory.buildProtocol(addr)
            if protocol is not None:
                _countOut(serving, host, protocol)
        except BaseException:
            serving.gate.leave(host)
            raise
        if protocol is None:
            serving.gate.leave(host)
        return protocol

    def doStart(self) -> None:
        """The port is open (`IProtocolFactory`)."""

    def doStop(self) -> None:
        """The port is closed (`IProtocolFactory`)."""


def _countOut(serving: Serving, host: str, protocol: Any) -> None:
    """Have a connection counted out when its protocol hears that it is gone, however often it does."""
    # On the instance: a wrapper around it would hide what else it provides, half-close for one.
    lost, gate, counts, here = protocol.connectionLost, serving.gate, serving.counts, [host]
    counts.accepted += 1
    counts.open += 1
    # Who looks when it comes sees all of it; it is not begun in the middle.
    watch = Watch(serving, protocol) if serving.events.arrivals or serving.counting else None

    def connectionLost(reason: Failure = connectionDone) -> None:
        if here:
            gate.leave(here.pop())
            counts.open -= 1
        try:
            lost(reason)
        finally:
            if watch is not None:
                watch.connectionLost(reason)

    protocol.connectionLost = connectionLost
