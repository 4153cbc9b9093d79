"""A plain Twisted Factory, unchanged, where messages travel: its stream of bytes is cut into messages.

Autobahn's own wrapper refuses a browser without a subprotocol, has no `disconnecting` (which LineReceiver reads),
`abortConnection` or pausing, and ends protocols that never began; hence this.
"""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..message import FactoryLike, IMessageFactory, MessageProtocol, PeerError, speaksMessages
from .serving import Serving


@implementer(ITransport, IConsumer, IPushProducer)
class BridgeTransport:
    """What the plain Protocol writes to."""

    def __init__(self, bridge: BridgeProtocol) -> None:
        self._bridge = bridge
        self.disconnecting = False
        self.disconnected = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if isinstance(data, str):
            raise TypeError("write takes bytes, got str")
        data = bytes(data)
        if data and not self.disconnecting and not self.disconnected:
            self._bridge.send(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send bytes."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """Send all that is owed, then close."""
        if not self.disconnecting and not self.disconnected:
            self._bridge.flush()
        self.disconnecting = True
        self._bridge.transport.loseConnection()

    def abortConnection(self) -> None:
        """Close at once."""
        self.disconnecting = True
        self._bridge.transport.abortConnection()

    def getPeer(self) -> IAddress:
        """Give the address of the other side."""
        return self._bridge.transport.getPeer()

    def getHost(self) -> IAddress:
        """Give the address of this side."""
        return self._bridge.transport.getHost()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused with the peer."""
        self._bridge.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop telling the producer."""
        self._bridge.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """Receive nothing for now."""
        self._bridge.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Receive again."""
        self._bridge.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Receive no more."""
        self.loseConnection()


class BridgeProtocol(MessageProtocol):
    """Joins the messages of one peer to a plain Protocol's stream.

    Answers travel as the kind that the peer last sent: text as long as the bytes are UTF-8, a character never cut
    in two. Before it has sent any they are text if they can be. With subprotocol `binary` they are binary, with
    `base64` they are text in base64, as websockify has it.
    """

    def __init__(self, wrapped: Protocol) -> None:
        self._wrapped = wrapped
        self._text = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def connectionMade(self) -> None:
        """Begin."""
        self._subprotocol = self.transport.peer.subprotocol
        self._stream = BridgeTransport(self)
        self._wrapped.makeConnection(self._stream)

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Give the bytes to the plain Protocol."""
        if self._subprotocol == "base64":
            try:
                payload = base64.b64decode(payload, validate=True)
            except binascii.Error as error:
                raise PeerError(f"the peer agreed on base64, and sent none: {error}") from None
        self._text = not isBinary
        if payload:
            self._wrapped.dataReceived(payload)

    def send(self, data: bytes) -> None:
        """Send bytes of the plain Protocol."""
        if self._subprotocol == "base64":
            self.transport.sendMessage(base64.b64encode(data), False)
        elif self._subprotocol == "binary" or not self._text:
            # What was kept back as the beginning of a character goes first.
            self.transport.sendMessage(self._decoder.getstate()[0] + data, True)
            self._decoder.reset()
        else:
            self._sendText(data)

    def _sendText(self, data: bytes) -> None:
        kept = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(data)
        except UnicodeDecodeError:
            self._decoder.reset()
            self.transport.sendMessage(kept + data, True)
            return
        if text:
            self.transport.sendMessage(text.encode(), False)

    def flush(self) -> None:
        """Send what was kept back as the beginning of a character that now will not come."""
        kept = self._decoder.getstate()[0]
        if kept:
            self._decoder.reset()
            self.transport.sendMessage(kept, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._stream.disconnected = True
        self._wrapped.connectionLost(reason)


@implementer(IMessageFactory)
class BridgeFactory:
    """Makes a plain Factory speak messages."""

    noisy = False
    subprotocols = ("binary", "base64")

    def __init__(self, wrapped: FactoryLike) -> None:
        self._wrapped = wrapped

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A peer has come; None when the plain Factory refuses it."""
        protocol = self._wrapped.buildProtocol(addr)
        return None if protocol is None else BridgeProtocol(protocol)

    def doStart(self) -> None:
        """The plain Factory starts with its service."""

    def doStop(self) -> None:
        """The plain Factory stops with its service."""


def bridged(serving: Serving) -> Serving:
    """Give a listener whose Factory speaks messages, whatever it spoke before."""
    if speaksMessages(serving.factory):
        return serving
    return replace(serving, factory=BridgeFactory(serving.factory))
