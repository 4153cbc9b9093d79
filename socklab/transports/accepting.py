"""The connections of a stream listener: let in, or turned away in the listener's framing."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from ..message import Peer
from .peers import peerAt
from .refusing import lineFor, turnAway
from .serving import Serving
from .stream import StreamConnection
from .tap import Tapped


class TappedStream(Tapped, StreamConnection):
    """One whose bytes are told."""

    def tappedPeer(self) -> Peer:
        """Give what is known by now of whose connection it is."""
        return self.peer


@implementer(IProtocolFactory)
class StreamFactory:
    """Gives each connection of a stream listener its adapter.

    The service's own Factory is started and stopped by the service, once.
    """

    noisy = False

    def __init__(self, serving: Serving, tls: bool = False) -> None:
        """@param tls: whether what is refused is called `tls`."""
        self.serving = serving
        self._kind = "tls" if tls else ""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted."""
        serving = self.serving
        if not serving.proxied:
            refusal = serving.gate.enter(getattr(addr, "host", ""))
            if refusal is not None:
                return turnAway(serving, peerAt(addr, self._kind), refusal, lineFor(serving, refusal))
        try:
            # Without a framing a message is what was read, and is told already.
            told = serving.events.wire and serving.framing is not None
            return TappedStream(serving) if told else StreamConnection(serving)
        except BaseException:
            if not serving.proxied:
                serving.gate.leave(getattr(addr, "host", ""))
            raise

    def doStart(self) -> None:
        """The port is open (`IProtocolFactory`)."""

    def doStop(self) -> None:
        """The port is closed (`IProtocolFactory`)."""
