"""Messages as datagrams: each peer address has a conversation, and none is a weapon against another host.

Until an address is proved, an answer to a datagram is at most one, and no longer than what was sent.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from typing import Any, Final

from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import IAddress, IDelayedCall, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from ..events import Dropped
from ..message import Peer
from ..policy.gate import Refusal
from ..policy.rates import SharedBuckets
from .datagram import DatagramPeer, peerAt
from .guard import Address, AddressProof, isLoopback, isOwnAddress
from .hold import BURST
from .outbox import Outbox
from .refusing import tell, words
from .serving import Serving, newConnection

RATE = 1000.0
"""Answers a second to a peer that is not on this machine, where the config says nothing."""

_MAX_DATAGRAM: Final = 65536

_VERDICTS: Final = 4096
"""Of how many addresses is kept that they may be answered."""


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
        self._mayShare = not self._keeps and getattr(serving.factory, "sharesProtocol", False)
        self._shares = False
        self._shared: DatagramPeer | None = None
        self._verdicts: dict[Address, bool] = {}
        self._judgedBy: object = None
        self._lastHeard: dict[Address, float] = {}
        self._sweep: IDelayedCall | None = None
        self._rate = SharedBuckets(serving.limits.udp_rate or RATE)
        self._proof = AddressProof(serving.limits.udp_peers)
        self._socket: socket.socket | None = None
        self._burst = 0
        self.outbox = Outbox(serving, self.dropped)
        """Sends what the peers are told."""
        self.unbounded = serving.limits.udp_rate is None
        """Whether a peer on this machine may have any number of answers."""
        self.drops = 0
        """How many datagrams were not taken or not sent."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """A datagram has come."""
        limits = self.serving.limits
        rules = self.serving.gate.rules, limits, self.serving.lines
        if rules != self._judgedBy:
            # A reload has changed them.
            self._judgedBy = rules
            self._verdicts.clear()
            self._unshare()
            self._shares = self._mayShare and not (self.serving.lines or limits.message_rate or limits.byte_rate)
            self.unbounded = limits.udp_rate is None
            self._rate = SharedBuckets(limits.udp_rate or RATE)
        self._take(datagram, addr)
        if self._socket is not None:
            self._takeMore(self._socket)

    def _takeMore(self, port: socket.socket) -> None:
        """Take what else is there, and send together what answers it.

        Twisted's own way from one datagram to the next is as long as all of ours. The system's is shorter right
        after another read: so all are read first.
        """
        came: list[tuple[bytes, Address]] = []
        try:
            for _ in range(self._burst, BURST):
                came.append(port.recvfrom(_MAX_DATAGRAM))
        except OSError:
            # It is dry; anything else the port will find itself.
            if not came:
                return
        if len(came) > 1:
            self.outbox.gather()
        try:
            for datagram, address in came:
                self._take(datagram, address if len(address) == 2 else address[:2])
        finally:
            self.outbox.flush()

    def _take(self, datagram: bytes, address: Address) -> None:
        self._burst += 1
        if self._burst == BURST:
            self._letOthers()
        if self._shares:
            trusted, serving = self._verdicts.get(address), self.serving
            isTimed = serving.counting and serving.counts.isDue
            watched = serving.events.traffic or isTimed
            if trusted is not None and address[1] not in serving.udpPorts and not watched:
                peer = self._shared or self._share(address, datagram)
                if peer is not None:
                    if not peer.answer(datagram, address, trusted):
                        self._shared = None
                        self._end(peer)
                    return
        known = self._peers.get(address)
        if known is not None:
            self._heard(address)
            known.datagramReceived(datagram)
            return
        trusted = isLoopback(address[0])
        if self._mustNotAnswer(address, trusted):
            return
        refusal = self.serving.gate.forbids(address[0])
        if refusal is not None:
            self._refuse(address, refusal, len(datagram))
        elif not self._keeps:
            if self._shares:
                self._remember(address, trusted)
            self._answer(address, datagram, trusted)
        elif trusted:
            self._welcome(address, datagram, heard=True)
        elif self._proof.isProof(datagram, address, self.serving.clock.seconds()):
            self._welcome(address, datagram, heard=False)
        else:
            self._challenge(address)

    def _remember(self, address: Address, trusted: bool) -> None:
        """It may be answered, until a reload or the next port of ours has it otherwise."""
        if len(self._verdicts) >= _VERDICTS:
            self._verdicts.clear()
        self._verdicts[address] = trusted

    def _share(self, address: Address, datagram: bytes) -> DatagramPeer | None:
        """Give the conversation that answers all; None when there can be none."""
        if len(self._answering) >= self.serving.limits.udp_peers:
            return None
        peer = DatagramPeer(self, address, 0)
        if peer.begin(datagram) and peer.conversation.ready is not None:
            self._shared = peer
            return peer
        self._end(peer)
        return None

    def _answer(self, address: Address, datagram: bytes, trusted: bool) -> None:
        """Have a conversation of one datagram; it may take a while."""
        if len(self._answering) >= self.serving.limits.udp_peers:
            self.dropped(address, f"{len(self._answering)} datagrams are being answered already")
            return
        peer = DatagramPeer(self, address, 0, trusted)
        if peer.begin(datagram):
            peer.datagramReceived(datagram)
            self._end(peer)

    def _end(self, peer: DatagramPeer) -> None:
        """Forget a conversation of one datagram as soon as its protocol is done."""
        if peer.conversation.busy:
            self._answering.add(peer)
            self.serving.connections.add(peer)
        peer.conversation.afterwards(peer.loseConnection)

    def _unshare(self) -> None:
        peer, self._shared = self._shared, None
        if peer is not None:
            self._end(peer)

    def _refuse(self, address: Address, refusal: Refusal, size: int) -> None:
        """Do not let an address in; what it may be told is shorter than what it sent."""
        peer = peerAt(address)
        tell(self.serving, peer, refusal)
        word = words(refusal)
        # Shorter than what came: two servers that refuse each other would else never end.
        if self.serving.refusal == "tell" and len(word) < size * min(1, self.serving.limits.udp_amplification):
            self.send(word, address)

    def _welcome(self, address: Address, datagram: bytes, heard: bool) -> None:
        if len(self._peers) >= self.serving.limits.udp_peers:
            self.dropped(address, f"there are {self.serving.limits.udp_peers} peers already")
            return
        refusal = self.serving.gate.enter(address[0])
        if refusal is not None:
            self._refuse(address, refusal, len(datagram))
            return
        peer = DatagramPeer(self, address, newConnection())
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

    def send(self, data: bytes, address: Address) -> bool:
        """Send a datagram; False when it was dropped, which is then counted."""
        return self.mayAnswer(address) and self.outbox.send(data, address)

    def dropped(self, whose: Address | Peer, reason: str) -> None:
        """Count a datagram that was not taken or not sent, and tell of the first one for each reason."""
        self.drops += 1
        self.serving.counts.dropped += 1
        once = self.serving.once
        if reason not in once and len(once) < 100:
            once.add(reason)
            peer = whose if isinstance(whose, Peer) else peerAt(whose)
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
        port: Any = self.transport
        handle = getattr(port, "getHandle", lambda: None)()
        self._socket = handle if isinstance(handle, socket.socket) else None
        self.outbox.open(self._socket, port.write)

    def stopProtocol(self) -> None:
        """The port is closed."""
        self.serving.udpPorts.discard(self._port)
        self.handOver()
        self._unshare()
        self._socket = None
        self.outbox.close()

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
            self.dropped(address, "its source port is below 1024: echo, chargen and the like live there")
            return True
        if port in self.serving.udpPorts and isOwnAddress(host):
            self.dropped(address, "its source is a port of this server: the answers would never end")
            return True
        return False

    def mayAnswer(self, address: Address) -> bool:
        """Tell whether an address may have one more answer now; it is counted if not."""
        if self.unbounded and isLoopback(address[0]):
            return True
        if self._rate.allows(address, self.serving.clock.seconds()):
            return True
        self.dropped(address, "more answers a second than udp_rate allows")
        return False

    def _challenge(self, address: Address) -> None:
        code = self._proof.challenge(address, self.serving.clock.seconds())
        if code is None:
            self.dropped(address, "its address is not proved, and one code a second is enough")
        else:
            self.send(code, address)
