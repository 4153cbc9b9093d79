"""Messages over a stream of bytes: TCP, TLS, Unix sockets, anything that a Twisted endpoint gives."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IProtocolFactory,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..events import MessageSent
from ..framing import Framing, FramingError, Raw
from ..message import Encoded, IMessageTransport, Peer
from .conversation import Conversation, Serving
from .output import Output


def peerOf(address: IAddress, kind: str) -> Peer:
    """Give what an address tells of the other side."""
    return Peer(
        address,
        kind,
        host=getattr(address, "host", ""),
        port=getattr(address, "port", 0),
    )


@implementer(IMessageTransport, IHalfCloseableProtocol, IHandshakeListener)
class StreamConnection(Protocol):
    """One connection: what is read becomes messages, messages become what is written.

    After the peer's FIN what is owed is still sent. While the peer does not read, nothing is read from it.
    """

    transport: Any  # Twisted's ITransport has not all that its transports have.

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._framing: Framing | None = serving.framing() if serving.framing else None
        self._quiet = False
        self._inputOver = False
        self.clock = serving.clock
        self.encoding = serving.encoding
        self.wireFormat: Hashable = (type(self._framing or Raw), self.encoding)

    def connectionMade(self) -> None:
        """Begin the conversation."""
        serving = self._serving
        secure = INegotiated.providedBy(self.transport)
        address = self.transport.getPeer()
        kind = "tls" if secure else "tcp" if hasattr(address, "host") else "unix"
        self.peer = peerOf(address, kind)
        self._output = Output(
            self.transport,
            serving.clock,
            serving.limits.pending,
            serving.closeTimeout,
            onPause=self._readOrNot,
            onResume=self._readOrNot,
            onOverflow=self._overflowed,
        )
        self._conversation = Conversation(serving, self, self.peer, onError=self._failed)
        serving.connections.add(self)
        if not secure:
            self._begin()

    def handshakeCompleted(self) -> None:
        """TLS is set up: who did not come so far has not been here."""
        self._begin()

    def _begin(self) -> None:
        if not self._conversation.begin():
            self._output.abort()

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if not self._conversation.listening:
            self._output.ignored(len(data))
        elif self._framing is None:
            self._conversation.received(data, True)
        else:
            self._deliver(self._framing.feed(data))

    def readConnectionLost(self) -> None:
        """The peer has sent FIN (or TLS close_notify)."""
        self._inputOver = True
        if self._framing is not None:
            self._deliver(self._framing.finish())
        self._conversation.inputEnded()
        self._output.inputOver()

    def writeConnectionLost(self) -> None:
        """Our own FIN is sent."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._output.lost()
        if self.peer.kind == "tls":
            self._explain(reason)
        self._conversation.lost(reason)
        self._serving.connections.discard(self)

    def _explain(self, reason: Failure) -> None:
        from .tls import tlsTrouble

        if trouble := tlsTrouble(reason):
            self._conversation.cut(trouble)

    def _deliver(self, messages: Iterable[bytes]) -> None:
        conversation = self._conversation
        try:
            for payload in messages:
                conversation.received(payload, True)
                if not conversation.listening:
                    return
        except FramingError as error:
            if conversation.listening:
                conversation.cut(str(error))
                self._output.close(patient=False)

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message in the listener's framing (`IMessageTransport`)."""
        output = self._output
        if output.closing:
            return
        wire = payload if self._framing is None else self._framing.frame(payload)
        if self._serving.events.traffic:
            self._sent(payload, isBinary)
        output.write(wire)

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Frame one message (`IMessageTransport`)."""
        wire = payload if self._framing is None else self._framing.frame(payload)
        return Encoded(wire, payload, isBinary)

    def sendEncoded(self, message: Encoded) -> None:
        """Send what was framed (`IMessageTransport`)."""
        if self._output.closing:
            return
        if self._serving.events.traffic:
            self._sent(message.payload, message.isBinary)
        self._output.write(message.wire)

    def _sent(self, payload: bytes, isBinary: bool) -> None:
        self._serving.events.emit(MessageSent(self._serving.service, self.peer, payload, isBinary))

    def loseConnection(self) -> None:
        """Send what is owed, FIN, hear the peer's FIN, close (`IMessageTransport`)."""
        self._conversation.closing("server", "closed")
        self._conversation.listening = False
        self._output.close()

    def goAway(self) -> None:
        """The server is shutting down."""
        self._conversation.closing("server", "shutdown")
        self.loseConnection()

    def abortConnection(self) -> None:
        """Close at once (`IMessageTransport`)."""
        self._conversation.closing("server", "aborted")
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._conversation.listening = False
        self._output.abort()

    def _failed(self, peerAtFault: bool) -> None:
        if peerAtFault:
            self._output.close(patient=False)
        else:
            self.abort()

    def _overflowed(self) -> None:
        limit = self._serving.limits.pending
        self._conversation.cut(f"it did not read: more than {limit} bytes were waiting for it")
        self.abort()

    def _readOrNot(self) -> None:
        if self._inputOver:
            return
        if self._quiet or self._output.paused:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Hear nothing for now (`IMessageTransport`)."""
        self._quiet = True
        self._conversation.hold()
        self._readOrNot()

    def resumeProducing(self) -> None:
        """Hear again (`IMessageTransport`)."""
        self._quiet = False
        if self._conversation.release():
            self._readOrNot()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused with the peer (`IMessageTransport`)."""
        self._output.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop telling the producer (`IMessageTransport`)."""
        self._output.unregisterProducer()

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return self.peer.address

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return cast(IAddress, self.transport.getHost())


@implementer(IProtocolFactory)
class StreamFactory:
    """Gives each connection of a stream listener its adapter.

    The service's own Factory is started and stopped by the service, once.
    """

    noisy = False

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def buildProtocol(self, addr: IAddress | None) -> StreamConnection:
        """A connection was accepted."""
        return StreamConnection(self._serving)

    def doStart(self) -> None:
        """The port is open (`IProtocolFactory`)."""

    def doStop(self) -> None:
        """The port is closed (`IProtocolFactory`)."""
