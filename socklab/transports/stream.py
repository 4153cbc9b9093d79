"""Messages over a stream of bytes: TCP, TLS, Unix sockets, anything that a Twisted endpoint gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IProtocol,
    IProtocolFactory,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..events import InputEnded, MessageSent
from ..framing import Framing, FramingError
from ..message import Encoded, Peer, checkPayload
from ..policy.gate import Refusal
from .conversation import Conversation, Hold
from .output import Following, Output
from .recognise import onFramed
from .refusing import tell, turnAway, words
from .serving import Serving, newConnection
from .tap import Tapped
from .unread import unread


def peerAt(address: IAddress | None, kind: str = "") -> Peer:
    """Give what an address tells of the other side."""
    host, port = getattr(address, "host", ""), getattr(address, "port", 0)
    return Peer(cast(IAddress, address), kind or ("tcp" if hasattr(address, "host") else "unix"), host, port)


def peerOf(transport: Any, kind: str = "", encoding: str = "utf-8", connection: int = 0) -> Peer:
    """Give what Twisted's transport tells of the other side; without a kind it is the transport's own."""
    address = transport.getPeer()
    host, port = getattr(address, "host", ""), getattr(address, "port", 0)
    if not kind:
        secure = INegotiated.providedBy(transport)
        kind = "tls" if secure else "tcp" if hasattr(address, "host") else "unix"
    # Only TLS has it.
    getCertificate = getattr(transport, "getPeerCertificate", None)
    shown = getCertificate() if getCertificate is not None else None
    certificate = shown.to_cryptography() if shown is not None else None
    # Of our own TLS alone.
    settled = getattr(transport, "settled", None)
    tls = settled() if settled is not None else None
    return Peer(address, kind, host, port, encoding, certificate=certificate, tls=tls, connection=connection)


@implementer(IProtocol, IHalfCloseableProtocol, IHandshakeListener)
class StreamConnection:
    """One connection: what is read becomes messages, messages become what is written.

    After the peer's FIN what is owed is still sent. While the peer does not read, nothing is read from it.
    """

    # Not Twisted's Protocol, whose instances have a dict: thousands of idle connections have one of these each.
    __slots__ = (
        "_begun",
        "_conversation",
        "_direct",
        "_ended",
        "_entered",
        "_feeding",
        "_fin",
        "_framing",
        "_heard",
        "_messages",
        "_number",
        "_output",
        "_paused",
        "_peer",
        "_secure",
        "_serving",
        "_unread",
        "clock",
        "encoding",
        "transport",
        "wireFormat",
    )

    transport: Any  # Twisted's ITransport has not all that its transports have.

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._framing: Framing | None = serving.framing() if serving.framing else None
        self._unread: list[bytes] | None = None
        self._messages: Iterator[bytes] | None = None
        self._direct = False
        self._feeding = False
        self._paused = False
        self._heard = False
        self._fin = False
        self._ended = False
        self.clock = serving.clock
        self.encoding = serving.encoding
        self.wireFormat = serving.wireFormat(self._framing)

    def makeConnection(self, transport: ITransport) -> None:
        """A client has connected (`IProtocol`)."""
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """Begin the conversation, unless TLS or a proxy must first tell who is there."""
        serving = self._serving
        self._output = Output(self.transport, serving, self)
        self._number = newConnection()
        # Who it is can be told whenever somebody asks: kept for thousands who are idle, that costs 250 bytes each.
        self._peer: Peer | None = None
        self._secure = INegotiated.providedBy(self.transport)
        self._conversation = Conversation(serving, self)
        serving.connections.add(self)
        serving.counts.accepted += 1
        serving.counts.open += 1
        self._begun = False
        self._entered = not serving.proxied
        if not (serving.proxied or self._secure):
            self._begin()

    @property
    def peer(self) -> Peer:
        """What is known of the other side (`IMessageTransport`)."""
        if self._peer is None:
            self._peer = peerOf(self.transport, encoding=self.encoding, connection=self._number)
        return self._peer

    def handshakeCompleted(self) -> None:
        """TLS is set up: who did not come so far has not been here."""
        if not self._serving.proxied:
            self._peer = None
            self._begin()

    def _begin(self) -> None:
        self._begun = True
        if self._serving.proxied and not self._enter():
            return
        if not self._conversation.begin():
            self._output.abort()
        # The log has told of it; whoever asks from now on wants to know more often. TLS forgets the certificate.
        if not self._secure:
            self._peer = None

    def _enter(self) -> bool:
        """Behind a proxy the client's address is known only now: let it in, or not."""
        refusal = self._serving.gate.enter(self.peer.host)
        if refusal is None:
            self._entered = True
            return True
        tell(self._serving, self.peer, refusal)
        self._conversation.deafen()
        if self._serving.refusal == "tell":
            self._output.write(refusalFor(self._serving, refusal))
            self._output.close(patient=False)
        else:
            self._output.abort()
        return False

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        conversation = self._conversation
        protocol = conversation.ready
        # The way of nearly all bytes of a raw stream: a read is a message, nothing holds it, nobody listens in. It
        # counts for no burst, since a connection is read once in a turn.
        serving = self._serving
        if protocol is None or not self._direct or serving.events.traffic:
            self._take(data)
            return
        if serving.counting and not serving.counts.takes(len(data)):
            self._take(data)
            return
        try:
            result = protocol.messageReceived(data, True)
            if result is not None:
                conversation.awaits(result)
        except Exception:
            conversation.raised(Failure())

    def _take(self, data: bytes) -> None:
        conversation = self._conversation
        if not self._heard:
            self._hearFirst(data)
        if not conversation.listening:
            self._output.ignored(len(data))
        elif conversation.held or self._feeding or self._messages is not None or self._unread:
            self._unread = self._unread or []
            self._unread.append(data)
            self._readOrNot()
        else:
            self._feed(data)

    def _hearFirst(self, data: bytes) -> None:
        self._heard = True
        self._direct = self._framing is None and not self._secure
        serving, conversation = self._serving, self._conversation
        if not self._begun:
            self._peer = None
            self._begin()
        if conversation.listening and not getattr(serving.factory, "takesAnything", False):
            foreign = onFramed(serving.service, self._framing, self._secure, data)
            if foreign is not None:
                conversation.cut(foreign.why)
                self._output.write(foreign.answer)
                self._output.close(patient=False)

    def readConnectionLost(self) -> None:
        """The peer has sent FIN (or TLS close_notify)."""
        self._fin = True
        if self._serving.events.traffic:
            self._serving.events.emit(InputEnded(self._serving.service, self.peer))
        self._feed()

    def _feed(self, data: bytes | None = None) -> None:
        """Give the protocol what was read, and the end of it, for as long as it may have it.

        @param data: what was read just now, when nothing else waits.
        """
        if self._feeding:
            return
        self._feeding = True
        conversation = self._conversation
        try:
            if data is not None:
                self._messages = self._cut(data)
            while conversation.listening and not conversation.held and self._feedSome(conversation):
                pass
        except FramingError as error:
            if conversation.listening:
                conversation.cut(str(error))
                self._output.close(patient=False)
        finally:
            self._feeding = False
        if not conversation.listening:
            self._unread = None
            self._messages = None
        if self._fin and (self._ended or not conversation.listening):
            self._output.inputOver()

    def _cut(self, data: bytes) -> Iterator[bytes]:
        return iter((data,)) if self._framing is None else self._framing.feed(data)

    def _feedSome(self, conversation: Conversation) -> bool:
        """Give the messages of one read; False when there are no more, or the stream has ended."""
        if self._messages is not None:
            for payload in self._messages:
                conversation.received(payload, True)
                if conversation.held or not conversation.listening:
                    return True
            self._messages = None
        elif self._unread:
            self._messages = self._cut(self._unread.pop(0))
        elif self._fin and not self._ended:
            self._ended = True
            if self._framing is not None:
                self._messages = self._framing.finish()
        elif self._ended:
            conversation.inputEnded()
            return False
        else:
            return False
        return True

    def holdChanged(self) -> None:
        """Feed the protocol and read, or stop."""
        if not self._conversation.held:
            self._feed()
        self._readOrNot()

    def _readOrNot(self) -> None:
        """Read more, or not for now."""
        # Once it is closing, the Output decides what is read; after FIN there is nothing to read.
        if self._fin or self._output.closing:
            return
        held = self._conversation.held
        # A burst ends in the next turn, most often before there is more to read.
        pause = bool(held) and (held != Hold.BURST or bool(self._unread))
        if pause != self._paused:
            self._paused = pause
            if pause:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def writeConnectionLost(self) -> None:
        """Our own FIN is sent."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._output.lost()
        if self._secure:
            self._explain(reason)
        self._conversation.lost(reason)
        self._serving.connections.discard(self)
        self._serving.counts.open -= 1
        if self._entered:
            self._serving.gate.leave(getattr(self.transport.getPeer(), "host", ""))

    def _explain(self, reason: Failure) -> None:
        from .tls import tlsTrouble

        if trouble := tlsTrouble(reason):
            self._conversation.cut(trouble)

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message in the listener's framing (`IMessageTransport`)."""
        output = self._output
        if output.closing:
            return
        try:
            wire = payload if self._framing is None else self._framing.frame(payload)
        except TypeError:
            checkPayload(payload)
            raise
        serving = self._serving
        if serving.counting:
            serving.counts.went(len(payload))
        if serving.events.traffic:
            self._sent(payload, isBinary)
        way = output.way
        if way is not None:
            # As `output.write` would, without the call.
            way.write(wire)
        else:
            output.write(wire)

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Frame one message (`IMessageTransport`)."""
        try:
            wire = payload if self._framing is None else self._framing.frame(payload)
        except TypeError:
            checkPayload(payload)
            raise
        return Encoded(wire, payload, isBinary)

    def sendEncoded(self, message: Encoded) -> None:
        """Send what was framed (`IMessageTransport`)."""
        if self._output.closing:
            return
        if self._serving.counting:
            self._serving.counts.went(len(message.payload))
        if self._serving.events.traffic:
            self._sent(message.payload, message.isBinary)
        self._output.write(message.wire)

    def sendJoined(self, wire: bytes, messages: Sequence[Encoded]) -> None:
        """Send messages whose wire form was joined (`socklab.rooms`)."""
        if self._serving.counting and not self._output.closing:
            self._serving.counts.wentTogether(messages)
        if self._serving.events.traffic and not self._output.closing:
            for each in messages:
                self._sent(each.payload, each.isBinary)
        self._output.add(wire)

    def follow(self, following: Following) -> bool:
        """Have what is said to all come in order with all else (`socklab.rooms`)."""
        return self._output.follow(following)

    def unfollow(self) -> None:
        """Nothing more is said to all."""
        self._output.unfollow()

    def _sent(self, payload: bytes, isBinary: bool) -> None:
        self._serving.events.emit(MessageSent(self._serving.service, self.peer, payload, isBinary))

    def loseConnection(self) -> None:
        """Send what is owed, FIN, hear the peer's FIN, close (`IMessageTransport`)."""
        self._conversation.closing("server", "closed")
        self._output.close()
        self._conversation.deafen()

    def drained(self) -> bool:
        """Tell whether all that has come was handed over, and is done."""
        conversation = self._conversation
        if not conversation.listening or not self._begun:
            return True
        waiting = self._unread or self._messages is not None or (self._fin and not self._ended)
        return not waiting and not conversation.busy and not unread(self.transport)

    def stuck(self) -> bool:
        """Tell whether the peer does not read what it is owed."""
        return self._output.paused

    def owed(self) -> int:
        """Give how many bytes wait here for the peer to read."""
        return self._output.size

    def goAway(self) -> None:
        """The server is shutting down."""
        self._conversation.goAway(self.loseConnection)

    def abortConnection(self) -> None:
        """Close at once (`IMessageTransport`)."""
        self._conversation.closing("server", "aborted")
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._output.abort()
        self._conversation.deafen()

    def protocolFailed(self, peerAtFault: bool) -> None:
        """End it, since the protocol raised."""
        if peerAtFault:
            self._output.close(patient=False)
        else:
            self.abort()

    def outputPaused(self) -> None:
        """The peer does not read: neither is it read from."""
        self._conversation.hold(Hold.OUTPUT)

    def outputResumed(self) -> None:
        """The peer has read."""
        self._conversation.release(Hold.OUTPUT)

    def outputOverflowed(self, why: str) -> None:
        """The peer has read too little for too long."""
        self._conversation.cut(why)
        self.abort()

    def carrier(self) -> Any:
        """Give the Twisted transport that it goes over."""
        return self.transport

    def vanished(self, seconds: float) -> None:
        """The peer is gone, and has not said so."""
        self.outputOverflowed(f"it has acknowledged nothing for {seconds:.0f} s")

    def setTimeout(self, seconds: float | None) -> None:
        """Bound the peer's silence (`IMessageTransport`)."""
        self._conversation.setTimeout(seconds)

    def pauseProducing(self) -> None:
        """Hear nothing for now (`IMessageTransport`)."""
        self._conversation.hold(Hold.PROTOCOL)

    def resumeProducing(self) -> None:
        """Hear again (`IMessageTransport`)."""
        self._conversation.release(Hold.PROTOCOL)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused with the peer (`IMessageTransport`)."""
        self._output.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop telling the producer (`IMessageTransport`)."""
        self._output.unregisterProducer()

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return cast(IAddress, self.transport.getPeer())

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return cast(IAddress, self.transport.getHost())


class TappedStream(Tapped, StreamConnection):
    """One whose bytes are told."""

    def tappedPeer(self) -> Peer:
        """Give what is known by now of whose connection it is."""
        return self.peer


def refusalFor(serving: Serving, refusal: Refusal) -> bytes:
    """Give what a refused peer is told on a stream, in the listener's framing."""
    line = words(refusal)
    try:
        return serving.framing().frame(line) if serving.framing else line + b"\n"
    except FramingError:
        return line + b"\n"


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
                return turnAway(serving, peerAt(addr, self._kind), refusal, refusalFor(serving, refusal))
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
