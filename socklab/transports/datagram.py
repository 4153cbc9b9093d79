"""One peer that speaks in datagrams, as its protocol sees it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.python.failure import Failure

from ..events import BytesReceived, BytesSent, MessageSent
from ..message import Encoded, Peer, checkPayload
from .conversation import Conversation
from .guard import Address, isLoopback

if TYPE_CHECKING:
    from .udp import DatagramPeers


class DatagramPeer:
    """The conversation with one peer address."""

    __slots__ = (
        "_address",
        "_credit",
        "_lineEnd",
        "_near",
        "_number",
        "_open",
        "_peer",
        "_peers",
        "_proved",
        "_quiet",
        "clock",
        "conversation",
        "encoding",
        "wireFormat",
    )

    def __init__(self, peers: DatagramPeers, address: Address, number: int, proved: bool = True) -> None:
        """@param number: of the conversation; 0 where each datagram has one of its own, which is no event."""
        self._peers = peers
        self._address = address
        self._number = number
        self._peer: Peer | None = None
        self._proved = proved
        self._near = isLoopback(address[0])
        self._open = True
        self._quiet = False
        self._credit = 0.0
        self._lineEnd = b""
        self.clock: IReactorTime = peers.serving.clock
        self.encoding = peers.serving.encoding
        self.wireFormat: Hashable = ("udp", self.encoding, self._lineEnd)
        self.conversation = Conversation(peers.serving, self, told=number > 0)

    @property
    def peer(self) -> Peer:
        """What is known of the other side (`IMessageTransport`); made when somebody asks."""
        if self._peer is None:
            self._peer = peerAt(self._address, self.encoding, self._number)
        return self._peer

    def answer(self, data: bytes, address: Address, near: bool) -> bool:
        """Have the protocol answer a datagram of yet another address; False when it has done more than that, and
        so can be used for no other.

        @param near: whether the address is of this machine, and so proves itself.
        """
        conversation = self.conversation
        protocol = conversation.ready
        assert protocol is not None
        self._address = address
        self._peer = None
        self._proved = self._near = near
        if self._peers.serving.counting:
            self._peers.serving.counts.takes(len(data))
        if not near:
            self._credit = len(data) * self._peers.serving.limits.udp_amplification
        try:
            result = protocol.messageReceived(data, True)
            if result is None and conversation.ready is protocol and not self._quiet:
                return True
            if result is not None:
                conversation.awaits(result)
        except Exception:
            conversation.raised(Failure())
        return False

    def datagramReceived(self, data: bytes) -> None:
        """The peer has sent a datagram."""
        if not self._proved:
            self._credit = len(data) * self._peers.serving.limits.udp_amplification
        serving = self._peers.serving
        if serving.lines and serving.events.wire:
            serving.events.emit(BytesReceived(serving.service, self.peer, data))
        data = self._withoutEnd(data)
        if self._quiet:
            self._peers.dropped(self.peer, "the protocol wanted none")
        elif why := self.conversation.full:
            self._peers.dropped(self.peer, why)
        else:
            self.conversation.received(data, True)

    def begin(self, first: bytes) -> bool:
        """Begin the conversation, with what the first datagram tells of how the peer ends its lines."""
        self._withoutEnd(first)
        return self.conversation.begin()

    def _withoutEnd(self, data: bytes) -> bytes:
        if self._peers.serving.lines:
            # A terminal sends its lines with an end, and wants the answers with one; a program sends without.
            lineEnd = b"\r\n" if data.endswith(b"\r\n") else b"\n" if data.endswith(b"\n") else b""
            if lineEnd != self._lineEnd:
                self._lineEnd = lineEnd
                self.wireFormat = ("udp", self.encoding, lineEnd)
            data = data[: len(data) - len(lineEnd)]
        return data

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send one datagram (`IMessageTransport`)."""
        peers = self._peers
        if (
            self._near
            and self._open
            and peers.unbounded
            and not self._lineEnd
            and not peers.serving.events.traffic
        ):
            # As below, where nothing can keep it from being sent.
            peers.outbox.sendSoon(payload, self._address)
        else:
            self.sendEncoded(self.encode(payload, isBinary))

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Give the datagram (`IMessageTransport`)."""
        try:
            return Encoded(payload + self._lineEnd, payload, isBinary)
        except TypeError:
            checkPayload(payload)
            raise

    def sendEncoded(self, message: Encoded) -> None:
        """Send a datagram, if it may be sent (`IMessageTransport`)."""
        if not self._open:
            return
        if not self._proved:
            if len(message.wire) > self._credit:
                self._peers.dropped(self.peer, "an answer to an unproved address would exceed its request")
                return
            self._credit = -1
        peers, serving = self._peers, self._peers.serving
        if not (self._near and peers.unbounded) and not peers.mayAnswer(self._address):
            return
        if not self._lineEnd and not serving.events.traffic:
            peers.outbox.sendSoon(message.wire, self._address)
            return
        if not peers.outbox.send(message.wire, self._address):
            return
        if serving.counting:
            serving.counts.went(len(message.payload))
        if serving.events.traffic:
            service, events = serving.service, serving.events
            events.emit(MessageSent(service, self.peer, message.payload, message.isBinary))
            if serving.lines and events.wire:
                events.emit(BytesSent(service, self.peer, message.wire))

    def loseConnection(self) -> None:
        """Forget the peer (`IMessageTransport`)."""
        self.forget("server", "closed", Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        """Forget the peer (`IMessageTransport`)."""
        self.forget("server", "aborted", Failure(ConnectionAborted()))

    def holdChanged(self) -> None:
        """Nothing can hold a datagram peer back."""

    def protocolFailed(self, peerAtFault: bool) -> None:
        """Forget it, since the protocol raised."""
        self.abortConnection()

    def drained(self) -> bool:
        """Tell whether all that has come was handled; the port has read its last datagram before."""
        return not self.conversation.busy

    def stuck(self) -> bool:
        """A datagram peer never keeps us waiting."""
        return False

    def owed(self) -> int:
        """Datagrams never wait."""
        return 0

    def goAway(self) -> None:
        """The server is shutting down."""
        self.conversation.goAway(self.loseConnection)

    abort = abortConnection

    def forget(self, by: str, reason: str, failure: Failure) -> None:
        """End the conversation; a later datagram begins a new one."""
        if not self._open:
            return
        self._open = False
        self.conversation.closing(by, reason)
        self.conversation.deafen()
        self._peers.forgotten(self, self._address, failure)

    def carrier(self) -> None:
        """Datagrams are not acknowledged."""

    def vanished(self, seconds: float) -> None:
        """Never said."""

    def setTimeout(self, seconds: float | None) -> None:
        """Bound the peer's silence (`IMessageTransport`)."""
        self.conversation.setTimeout(seconds)

    def pauseProducing(self) -> None:
        """Hear nothing for now (`IMessageTransport`)."""
        self._quiet = True

    def resumeProducing(self) -> None:
        """Hear again (`IMessageTransport`)."""
        self._quiet = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Datagrams never wait for the peer, so a producer is never paused (`IMessageTransport`)."""
        if not streaming:
            raise ValueError("a pull producer would flood a datagram peer: register a streaming one")

    def unregisterProducer(self) -> None:
        """Nothing is kept (`IMessageTransport`)."""

    def getPeer(self) -> IAddress:
        """Give the address of the other side (`IMessageTransport`)."""
        return self.peer.address

    def getHost(self) -> IAddress:
        """Give the address of this side (`IMessageTransport`)."""
        return self._peers.getHost()


def peerAt(address: Address, encoding: str = "utf-8", connection: int = 0) -> Peer:
    """Give what a source address tells."""
    kind = IPv6Address if ":" in address[0] else IPv4Address
    return Peer(kind("UDP", *address), "udp", *address, encoding, connection=connection)
