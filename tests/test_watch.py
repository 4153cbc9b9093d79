"""Plain Twisted protocols on streams, as the trace, records and metrics see them; nobody else pays for it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from socklab.events import Event, Events, Opened
from socklab.limits import Limits
from socklab.log.lines import lineOf
from socklab.policy.access import Access
from socklab.policy.gate import Gate, House
from socklab.testing import MemoryServer
from socklab.testing.wires import MemoryTLSTransport, MemoryTransport
from socklab.transports.plain import PlainFactory
from socklab.transports.serving import Serving

ADDRESS = IPv4Address("TCP", "127.0.0.1", 40000)


@implementer(IHalfCloseableProtocol)
class Greeter(LineReceiver):
    """Greet, answer each line, and leave after `bye`."""

    delimiter = b"\n"

    def connectionMade(self) -> None:
        """Greet."""
        self.sendLine(b"220 hello")

    def lineReceived(self, line: bytes) -> None:
        """Answer."""
        if line == b"oops":
            raise ZeroDivisionError
        if line == b"abort":
            self.transport.abortConnection()
            return
        self.transport.writeSequence([b"250 ", line, b"\n"])
        if line == b"bye":
            self.transport.loseConnection()

    def readConnectionLost(self) -> None:
        """Close too."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our FIN is sent."""


class Connected:
    """One connection to a plain Factory, and what was told of it."""

    def __init__(self, kind: type[MemoryTransport] = MemoryTransport, traffic: bool = True, **more: Any) -> None:
        """@param traffic: whether each message is asked for."""
        self.seen: list[Event] = []
        self.clock = Clock()
        events = Events()
        events.subscribe(self.seen.append, traffic=traffic)
        self.serving = servingOf(self.clock, events, **more)
        self.wire = kind(self.clock, ADDRESS)
        self.wire.accept(PlainFactory(self.serving).buildProtocol(ADDRESS))

    def lines(self) -> list[str]:
        """Give the trace."""
        self.clock.advance(0)
        return [lineOf(each).removeprefix("plain: ").replace(" 127.0.0.1:40000", "") for each in self.seen]


def servingOf(clock: Clock, events: Events, **more: Any) -> Serving:
    """Serve a plain Factory."""
    gate = Gate(Access(["allow all"]), Limits(), House(0), clock.seconds)
    return Serving("plain", Factory.forProtocol(Greeter), events, clock, gate, **more)


def test_trace() -> None:
    """Each read and each write is told as a message, between who came and who closed."""
    connected = Connected()
    connected.wire.deliver(b"EHLO me\n")
    connected.wire.deliver(b"bye\n")
    assert connected.lines() == [
        "tcp opened",
        'tcp sent 10 B "220 hello\\n"',
        'tcp received 8 B "EHLO me\\n"',
        'tcp sent 12 B "250 EHLO me\\n"',
        'tcp received 4 B "bye\\n"',
        'tcp sent 8 B "250 bye\\n"',
        "tcp closed by server: closed",
    ]
    assert connected.wire.received == b"220 hello\n250 EHLO me\n250 bye\n"
    assert connected.seen[0].peer.connection > 0


@pytest.mark.parametrize(
    ("said", "closed"),
    [(b"abort\n", "server: aborted"), (None, "peer: reset"), (b"oops\n", "server: the protocol failed")],
)
def test_how_it_ended(said: bytes | None, closed: str) -> None:
    """Who ended it is told, and how: an abort, a reset, a protocol that has raised."""
    connected = Connected()
    if said is None:
        connected.wire.lose(ConnectionLost())
    else:
        try:
            connected.wire.deliver(said)
        except ZeroDivisionError as error:
            # As Twisted's reactors do.
            connected.wire.lose(error)
    assert connected.lines()[-1] == f"tcp closed by {closed}"


def test_half_close() -> None:
    """A protocol that knows half-close still hears of the peer's FIN."""
    connected = Connected()
    connected.wire.deliverEof()
    connected.clock.advance(0)
    assert [type(each).__name__ for each in connected.seen[-2:]] == ["InputEnded", "Closed"]


def test_tls() -> None:
    """With TLS a greeting is written before the handshake is done; it is told when that is."""

    class Slow(MemoryTLSTransport):
        def connect(self, protocol: Any) -> None:
            MemoryTransport.connect(self, protocol)

    connected = Connected(Slow)
    assert connected.lines() == []
    connected.wire._protocol.handshakeCompleted()
    assert connected.lines() == ["tls opened", 'tls sent 10 B "220 hello\\n"']


def test_behind_a_proxy() -> None:
    """Behind a proxy the peer is known with its first bytes."""
    connected = Connected(proxied=True)
    assert connected.lines() == []
    connected.wire.deliver(b"x\n")
    assert connected.lines()[:3] == ["tcp opened", 'tcp sent 10 B "220 hello\\n"', 'tcp received 2 B "x\\n"']


def test_counts() -> None:
    """Reads and writes are counted as messages, where there are metrics; nobody need look at them."""
    connected = Connected(traffic=False, counting=True)
    connected.wire.deliver(b"hi\n")
    counts = connected.serving.counts
    assert (counts.received, counts.receivedBytes) == (1, 3)
    assert (counts.sent, counts.sentBytes) == (2, 17)
    assert sum(count for _, count in counts.handling.buckets()[-1:]) == 1
    assert [type(each) for each in connected.seen] == [Opened]


def test_unwatched() -> None:
    """While nobody looks, protocol and transport are what Twisted made them; only the end is noticed."""
    clock, events = Clock(), Events()
    events.subscribe(print, arrivals=False)
    protocol = PlainFactory(servingOf(clock, events)).buildProtocol(ADDRESS)
    wire = MemoryTransport(clock, ADDRESS)
    wire.accept(protocol)
    assert {"dataReceived", "makeConnection", "readConnectionLost"}.isdisjoint(vars(protocol))
    assert {"write", "writeSequence", "loseConnection"}.isdisjoint(vars(wire))


def test_memory_server() -> None:
    """An author's test sees what its plain Factory says, too."""
    server = MemoryServer(Factory.forProtocol(Greeter))
    server.tcp().say("one")
    assert [each.event for each in server.transcript()] == ["opened", "sent", "received", "sent"]
