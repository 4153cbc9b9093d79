"""Messages over WebSocket (RFC 6455): Autobahn speaks the protocol, this bounds it and joins it to the seam.

Imported only when a listener asks for it: Autobahn costs 40 ms and 5 MB. Where to look:

  - `connection`: all that Autobahn and Twisted call; `transport`: what a protocol calls
  - `opening`: whom the handshake lets in; `handshake` reads an ordinary one, `headers` keeps it, `answers` refuses
  - `reading`: from bytes to messages; `fast` and `unfinished` are the quick way, `masking` is part of it
  - `frames`: from messages to bytes; `deflate`: to fewer
  - `closing`: the end; `heartbeat`: whether the client is still there
  - `slim`: what a connection does not keep of Autobahn's
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from ..peers import peerAt
from ..refusing import turnAway
from ..serving import Serving
from .answers import refusalFor
from .connection import TappedWebSocket, WebSocketConnection
from .slim import Silence

__all__ = ["WebSocketFactory"]


def _acceptDeflate(offers: Sequence[Any]) -> PerMessageDeflateOfferAccept | None:
    """Accept permessage-deflate, and no other compression (RFC 7692).

    Neither side then keeps 32 KiB of window between messages, where the client allows it.
    """
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(
                offer,
                request_no_context_takeover=offer.accept_no_context_takeover,
                no_context_takeover=True,
            )
    return None


@implementer(IProtocolNegotiationFactory)
class WebSocketFactory(WebSocketServerFactory):
    """Gives each connection of a WebSocket listener its adapter."""

    protocol: Any = WebSocketConnection
    noisy = False
    log = Silence()

    def __init__(self, serving: Serving, deflate: bool = False) -> None:
        """@param deflate: whether to accept permessage-deflate."""
        super().__init__(server=None, reactor=serving.clock)
        self.serving = serving
        self.configure(deflate)

    def configure(self, deflate: bool) -> None:
        """Take the limits, for whoever comes from now on.

        @param deflate: whether to accept permessage-deflate.
        """
        limit = self.serving.limits.message
        self.setProtocolOptions(
            webStatus=False,
            # Autobahn stops parsing at once after a violation; our _fail_connection still tells the peer.
            failByDrop=True,
            maxFramePayloadSize=limit,
            maxMessagePayloadSize=limit,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            allowNullOrigin=True,
            perMessageCompressionAccept=_acceptDeflate if deflate else None,
        )

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A connection was accepted."""
        serving = self.serving
        if not serving.proxied:
            refusal = serving.gate.enter(getattr(addr, "host", ""))
            if refusal is not None:
                return turnAway(serving, peerAt(addr, "websocket"), refusal, refusalFor(refusal), waits=True)
        kind: type[WebSocketConnection] = TappedWebSocket if serving.events.wire else self.protocol
        connection = kind(serving)
        connection.factory = self
        return connection

    def acceptableProtocols(self) -> list[bytes]:
        """What browsers offer in TLS (`IProtocolNegotiationFactory`): WebSocket begins as HTTP/1.1."""
        return [b"http/1.1"]

    def doStart(self) -> None:
        """The port is open; the service's Factory starts elsewhere."""

    def doStop(self) -> None:
        """The port is closed."""
