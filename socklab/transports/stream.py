"""Messages over a stream of bytes: TCP, TLS, Unix sockets, anything that a Twisted endpoint gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IProtocol,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..events import InputEnded, MessageReceived, MessageSent
from ..framing import Framing, FramingError
from ..message import Encoded, Peer, checkPayload
from .connected import Connected
from .conversation import Conversation
from .hold import Hold
from .intake import Intake
from .output import Following, Output
from .peers import peerOf
from .recognise import onFramed
from .refusing import lineFor, tell
from .serving import Serving, newConnection
from .unread import unread


@implementer(IProtocol, IHalfCloseableProtocol, IHandshakeListener)
class StreamConnection(Connected):
    """One connection: what is read becomes messages, messages become what is written.

    After the peer's FIN what is owed is still sent. While the peer does not read, nothing is read from it.
    """

    # Not Twisted's Protocol, whose instances have a dict: thousands of idle connections have one of these each.
    __slots__ = (
        "_begun",
        "_direct",
        "_entered",
        "_framing",
        "_heard",
        "_intake",
        "_number",
        "_paused",
        "_peer",
        "_secure",
        "clock",
        "encoding",
        "transport",
        "wireFormat",
    )

    transport: Any  # Twisted's ITransport has not all that its transports have.

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._framing: Framing | None = serving.framing() if serving.framing else None
        self._intake: Intake | None = None
        self._direct = False
        self._paused = False
        self._heard = False
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
        self.output = Output(self.transport, serving, self)
        self._number = newConnection()
        # Who it is can be told whenever somebody asks: kept for thousands who are idle, that costs 250 bytes each.
        self._peer: Peer | None = None
        self._secure = INegotiated.providedBy(self.transport)
        self.conversation = Conversation(serving, self)
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

    def clientKnown(self) -> None:
        """Behind a proxy: whose connection it is has come, and the client may be one that only listens."""
        self._peer = None
        self._begin()

    def _begin(self) -> None:
        self._begun = True
        if self._serving.proxied and not self._enter():
            return
        if not self.conversation.begin():
            self.output.abort()
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
        self.conversation.deafen()
        if self._serving.refusal == "tell":
            self.output.write(lineFor(self._serving, refusal))
            self.output.close(patient=False)
        else:
            self.output.abort()
        return False

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        conversation = self.conversation
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
        conversation, intake = self.conversation, self._intake
        if not self._heard:
            self._hearFirst(data)
        if not conversation.listening:
            self.output.ignored(len(data))
        elif conversation.held or (intake is not None and intake.isBehind):
            self._intaking().keep(data)
            self._readOrNot()
        elif intake is None and self._framing is None:
            conversation.received(data, True)
        else:
            self._feed(data)

    def _intaking(self) -> Intake:
        """Give what keeps its input from now on."""
        if self._intake is None:
            self._intake = Intake(self._framing)
        return self._intake

    def _hearFirst(self, data: bytes) -> None:
        self._heard = True
        self._direct = self._framing is None and not self._secure
        serving, conversation = self._serving, self.conversation
        if not self._begun:
            self.clientKnown()
        if conversation.listening and not getattr(serving.factory, "takesAnything", False):
            foreign = onFramed(serving.service, self._framing, self._secure, data)
            if foreign is not None:
                if serving.events.traffic:
                    # The protocol is not given it, but whoever looks sees it.
                    serving.events.emit(MessageReceived(serving.service, self.peer, data, True))
                conversation.cut(foreign.why)
                self.output.write(foreign.answer)
                self.output.close(patient=False)

    def readConnectionLost(self) -> None:
        """The peer has sent FIN (or TLS close_notify)."""
        if self._serving.events.traffic:
            self._serving.events.emit(InputEnded(self._serving.service, self.peer))
        if self.output.closing:
            # What came before it is nobody's.
            self.output.inputOver()
            return
        self._intaking().finished = True
        self._feed()

    def _feed(self, data: bytes | None = None) -> None:
        """Give the protocol what was read, and the end of it, for as long as it may have it.

        @param data: what was read just now, when nothing else waits.
        """
        intake, conversation = self._intaking(), self.conversation
        try:
            intake.feed(conversation, data)
        except FramingError as error:
            if conversation.listening:
                conversation.cut(str(error))
                self.output.close(patient=False)
        if not conversation.listening:
            intake.forget()
        if intake.finished and (intake.ended or not conversation.listening):
            self.output.inputOver()

    def holdChanged(self) -> None:
        """Feed the protocol and read, or stop."""
        if not self.conversation.held and self._intake is not None:
            self._feed()
        self._readOrNot()

    def _readOrNot(self) -> None:
        """Read more, or not for now."""
        intake = self._intake
        # Once it is closing, the Output decides what is read; after FIN there is nothing to read.
        if (intake is not None and intake.finished) or self.output.closing:
            return
        held = self.conversation.held
        # A burst ends in the next turn, most often before there is more to read.
        pause = bool(held) and (held != Hold.BURST or (intake is not None and intake.isFull))
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
        self.output.lost()
        if self._secure:
            self._explain(reason)
        self.conversation.lost(reason)
        self._serving.connections.discard(self)
        self._serving.counts.open -= 1
        if self._entered:
            self._serving.gate.leave(getattr(self.transport.getPeer(), "host", ""))
        self.over()

    def _explain(self, reason: Failure) -> None:
        from .tls import tlsTrouble

        if trouble := tlsTrouble(reason):
            self.conversation.cut(trouble)

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one message in the listener's framing (`IMessageTransport`)."""
        output = self.output
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
        if self.output.closing:
            return
        if self._serving.counting:
            self._serving.counts.went(len(message.payload))
        if self._serving.events.traffic:
            self._sent(message.payload, message.isBinary)
        self.output.write(message.wire)

    def sendJoined(self, wire: bytes, messages: Sequence[Encoded]) -> None:
        """Send messages whose wire form was joined (`socklab.rooms`)."""
        if self._serving.counting and not self.output.closing:
            self._serving.counts.wentTogether(messages)
        if self._serving.events.traffic and not self.output.closing:
            for each in messages:
                self._sent(each.payload, each.isBinary)
        self.output.add(wire)

    def follow(self, following: Following) -> bool:
        """Have what is said to all come in order with all else (`socklab.rooms`)."""
        return self.output.follow(following)

    def _sent(self, payload: bytes, isBinary: bool) -> None:
        self._serving.events.emit(MessageSent(self._serving.service, self.peer, payload, isBinary))

    def loseConnection(self) -> None:
        """Send what is owed, FIN, hear the peer's FIN, close (`IMessageTransport`)."""
        self.conversation.closing("server", "closed")
        self.output.close()
        self.conversation.deafen()

    def drained(self) -> bool:
        """Tell whether all that has come was handed over, and is done."""
        conversation = self.conversation
        if not conversation.listening or not self._begun:
            return True
        isDone = self._intake is None or self._intake.isDone
        return isDone and not conversation.busy and not unread(self.transport)

    def goAway(self) -> None:
        """The server is shutting down."""
        self.conversation.goAway(self.loseConnection)

    def protocolFailed(self, peerAtFault: bool) -> None:
        """End it, since the protocol raised."""
        if peerAtFault:
            self.output.close(patient=False)
        else:
            self.abort()

    def carrier(self) -> Any:
        """Give the Twisted transport that it goes over."""
        return self.transport

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return self.transport.getPeer()  # type: ignore[no-any-return]

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return cast(IAddress, self.transport.getHost())
