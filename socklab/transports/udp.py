"""Messages as datagrams: each peer address has a conversation, and none is a weapon against another host.

Until an address is proved, an answer to a datagram is at most one, and no longer than what was sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, MessageLengthError, TimeoutError
from twisted.internet.interfaces import IAddress, IDelayedCall, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from ..events import BytesReceived, BytesSent, Dropped, MessageSent
from ..message import Encoded, Peer, checkPayload
from ..policy.gate import Refusal
from ..policy.rates import SharedBuckets
from .conversation import BURST, Conversation
from .guard import Address, AddressProof, isLoopback, isOwnAddress
from .refusing import tell, words
from .serving import Serving, newConnection

MAX_PAYLOAD = 65_507
"""The longest payload of a datagram over IPv4, in bytes: 65,535 less the headers of IP (20) and UDP (8)."""

RATE = 1000.0
"""Answers a second to a peer that is not on this machine, where the config says nothing."""


class DatagramPeer:
    """The conversation with one peer address."""

    def __init__(self, peers: DatagramPeers, address: Address, proved: bool, told: bool) -> None:
        self._peers = peers
        self._address = address
        self._proved = proved
        self._open = True
        self._quiet = False
        self._credit = 0.0
        self._lineEnd = b""
        self.peer = peerAt(address, peers.serving.encoding, newConnection() if told else 0)
        self.clock = peers.serving.clock
        self.encoding = peers.serving.encoding
        self.wireFormat: Hashable = ("udp", self.encoding, self._lineEnd)
        self.conversation = Conversation(peers.serving, self, self.peer, told)

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
        if not self._peers.send(message.wire, self.peer):
            return
        serving = self._peers.serving
        serving.counts.sent += 1
        serving.counts.sentBytes += len(message.payload)
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


class DatagramPeers(DatagramProtocol):
    """One datagram port and its peers.

    A Factory with `keepsPeers = False` has a conversation for each datagram, and nothing is kept between them.
    For any other, an address that is not of this machine must first send back a code: `/ok 7f3a9c21`.
    """

    noisy = False
    transport: IUDPTransport

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._keeps = getattr(serving.factory, "keepsPeers", True)
        self._peers: OrderedDict[Address, DatagramPeer] = OrderedDict()
        self._answering: set[DatagramPeer] = set()
        self._lastHeard: dict[Address, float] = {}
        self._sweep: IDelayedCall | None = None
        self._rate = SharedBuckets(serving.limits.udp_rate or RATE)
        self._proof = AddressProof(serving.limits.udp_peers)
        self._burst = 0
        self.drops = 0
        """How many datagrams were not taken or not sent."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """A datagram has come."""
        self._burst += 1
        if self._burst == BURST:
            self._letOthers()
        known = self._peers.get(addr)
        if known is not None:
            self._heard(addr)
            known.datagramReceived(datagram)
            return
        trusted = isLoopback(addr[0])
        if self._mustNotAnswer(addr, trusted):
            return
        refusal = self.serving.gate.forbids(addr[0])
        if refusal is not None:
            self._refuse(addr, refusal, len(datagram))
        elif not self._keeps:
            self._answer(addr, datagram, trusted)
        elif trusted:
            self._welcome(addr, datagram, heard=True)
        elif self._proof.isProof(datagram, addr, self.serving.clock.seconds()):
            self._welcome(addr, datagram, heard=False)
        else:
            self._challenge(addr)

    def _answer(self, address: Address, datagram: bytes, trusted: bool) -> None:
        """Have a conversation of one datagram; it may take a while."""
        if len(self._answering) >= self.serving.limits.udp_peers:
            self.dropped(peerAt(address), f"{len(self._answering)} datagrams are being answered already")
            return
        peer = DatagramPeer(self, address, trusted, told=False)
        if peer.begin(datagram):
            peer.datagramReceived(datagram)
            if peer.conversation.busy:
                self._answering.add(peer)
                self.serving.connections.add(peer)
            peer.conversation.afterwards(peer.loseConnection)

    def _refuse(self, address: Address, refusal: Refusal, size: int) -> None:
        """Do not let an address in; what it may be told is shorter than what it sent."""
        peer = peerAt(address)
        tell(self.serving, peer, refusal)
        word = words(refusal)
        # Shorter than what came: two servers that refuse each other would else never end.
        if self.serving.refusal == "tell" and len(word) < size * min(1, self.serving.limits.udp_amplification):
            self.send(word, peer)

    def _welcome(self, address: Address, datagram: bytes, heard: bool) -> None:
        if len(self._peers) >= self.serving.limits.udp_peers:
            self.dropped(peerAt(address), f"there are {self.serving.limits.udp_peers} peers already")
            return
        refusal = self.serving.gate.enter(address[0])
        if refusal is not None:
            self._refuse(address, refusal, len(datagram))
            return
        peer = DatagramPeer(self, address, proved=True, told=True)
        self._peers[address] = peer
        self.serving.connections.add(peer)
        self.serving.counts.accepted += 1
        self.serving.counts.open += 1
        self._heard(address)
        if not peer.begin(datagram):
            peer.abortConnection()
        elif heard:
            peer.datagramReceived(datagram)

    def forgotten(self, peer: DatagramPeer, address: Address, reason: Failure) -> None:
        """A peer's conversation has ended."""
        if self._peers.get(address) is peer:
            del self._peers[address]
            self._lastHeard.pop(address, None)
            self.serving.gate.leave(address[0])
            self.serving.counts.open -= 1
        self._answering.discard(peer)
        peer.conversation.lost(reason)
        self.serving.connections.discard(peer)

    def send(self, data: bytes, peer: Peer) -> bool:
        """Send a datagram; False when it was dropped, which is then counted."""
        if not self._mayAnswer(peer):
            self.dropped(peer, "more answers a second than udp_rate allows")
        elif self.transport is None:
            pass
        else:
            try:
                self.transport.write(data, (peer.host, peer.port))
                return True
            except MessageLengthError:
                self.dropped(peer, f"a message of {len(data)} bytes exceeds a datagram")
            except OSError as error:
                self.dropped(peer, f"the system did not send it: {error.strerror}")
        return False

    def dropped(self, peer: Peer, reason: str) -> None:
        """Count a datagram that was not taken or not sent, and tell of the first one for each reason."""
        self.drops += 1
        self.serving.counts.dropped += 1
        once = self.serving.once
        if reason not in once and len(once) < 100:
            once.add(reason)
            self.serving.events.emit(Dropped(self.serving.service, peer, reason))

    def getHost(self) -> IAddress:
        """Give the address of this port, also after it is closed."""
        return self._host

    def handOver(self) -> None:
        """Another has the port now: nobody here is heard any more, but they may still be answered."""
        if self._sweep is not None and self._sweep.active():
            self._sweep.cancel()
        self._sweep = None

    def startProtocol(self) -> None:
        """The port is open."""
        self._host: IAddress = self.transport.getHost()
        self._port: int = getattr(self._host, "port", 0)
        self.serving.udpPorts.add(self._port)

    def stopProtocol(self) -> None:
        """The port is closed."""
        self.serving.udpPorts.discard(self._port)
        self.handOver()

    def _letOthers(self) -> None:
        """End this turn of the reactor.

        Twisted reads datagrams until they add up to `maxThroughput` bytes, which may be 262,144 of them, or any
        number of empty ones: a flood would keep everybody else in the process waiting.
        """
        port: Any = self.transport
        usual, port.maxThroughput = port.maxThroughput, 0

        def nextTurn() -> None:
            self._burst = 0
            port.maxThroughput = usual

        self.serving.clock.callLater(0, nextTurn)

    # Who is still there

    def _heard(self, address: Address) -> None:
        self._peers.move_to_end(address)
        self._lastHeard[address] = self.serving.clock.seconds()
        if self._sweep is None:
            self._sweep = self.serving.clock.callLater(self.serving.limits.udp_idle, self._forgetIdle)

    def _forgetIdle(self) -> None:
        self._sweep = None
        clock, idle = self.serving.clock, self.serving.limits.udp_idle
        now = clock.seconds()
        # The peers stand in the order in which they were last heard. One that leaves may take others along.
        while self._peers:
            address = next(iter(self._peers))
            left = self._lastHeard[address] + idle - now
            if left > 0:
                self._sweep = clock.callLater(left, self._forgetIdle)
                return
            silent = f"silent for {idle:g} s"
            self._peers[address].forget("server", silent, Failure(TimeoutError(silent)))

    # Who may be answered

    def _mustNotAnswer(self, address: Address, trusted: bool) -> bool:
        host, port = address
        if not trusted and port < 1024:
            self.dropped(peerAt(address), "its source port is below 1024: echo, chargen and the like live there")
            return True
        if port in self.serving.udpPorts and isOwnAddress(host):
            self.dropped(peerAt(address), "its source is a port of this server: the answers would never end")
            return True
        return False

    def _mayAnswer(self, peer: Peer) -> bool:
        if self.serving.limits.udp_rate is None and isLoopback(peer.host):
            return True
        return self._rate.allows((peer.host, peer.port), self.serving.clock.seconds())

    def _challenge(self, address: Address) -> None:
        stranger = peerAt(address)
        code = self._proof.challenge(address, self.serving.clock.seconds())
        if code is None:
            self.dropped(stranger, "its address is not proved, and one code a second is enough")
        else:
            self.send(code, stranger)


def peerAt(address: Address, encoding: str = "utf-8", connection: int = 0) -> Peer:
    """Give what a source address tells."""
    kind = IPv6Address if ":" in address[0] else IPv4Address
    return Peer(kind("UDP", *address), "udp", *address, encoding, connection=connection)
