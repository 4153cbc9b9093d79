"""A connection that is gone: it leaves nothing behind, and what is still asked of it does nothing. In memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from socklab import Factory, MessageProtocol
from socklab.events import Event, Events, Failed
from socklab.limits import Limits
from socklab.policy.access import Access
from socklab.policy.gate import Gate, House
from socklab.protocols.oneshot import OneShotFactory
from socklab.testing import MemoryServer
from socklab.transports.accepting import StreamFactory
from socklab.transports.connected import Connected
from socklab.transports.output import Output
from socklab.transports.serving import Serving
from tests.sealed import SealedPeer

TRANSPORTS = ["tcp", "tls", "unix", "websocket"]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Python's garbage collector does not run meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def remaining() -> int:
    """Give how many connections there are, and outputs."""
    return sum(isinstance(each, Connected | Output) for each in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_left_to_collect(transport: str) -> None:
    """What a connection consists of is freed as it ends, not by the garbage collector."""
    before = remaining()
    server = MemoryServer(OneShotFactory(until="read"))
    for _ in range(3):
        peer = getattr(server, transport)()
        peer.say("x")
        peer.finish()
        server.advance(1)
        assert peer.hear() == ["x"]
        assert peer.closed
    del peer
    assert remaining() == before


class Keeper(MessageProtocol):
    """Waits for ever, and fails when it is told not to."""

    async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Wait."""
        try:
            await Deferred()
        except CancelledError:
            raise ValueError("too late") from None


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_asked_afterwards_does_nothing(transport: str) -> None:
    """A protocol may keep its transport, and use it when the peer is gone; who that was is still known."""
    made: list[Keeper] = []
    factory = Factory()
    factory.protocol = lambda: made.append(Keeper()) or made[-1]
    server = MemoryServer(factory)
    peer = getattr(server, transport)()
    seam = made[0].transport
    known = seam.peer
    peer.reset()
    for ask in (
        lambda: seam.sendMessage(b"x", False),
        lambda: seam.sendEncoded(seam.encode(b"x", False)),
        lambda: seam.setTimeout(1),
        seam.pauseProducing,
        seam.resumeProducing,
        seam.loseConnection,
        seam.abortConnection,
    ):
        assert ask() is None
    server.advance(10)
    assert seam.peer == known
    assert seam.getPeer() == known.address


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_fails_afterwards(transport: str) -> None:
    """A handler that was cancelled because its peer is gone, and fails: the event says whose it was."""
    server = MemoryServer(Factory.forProtocol(Keeper), raising=False)
    peer = getattr(server, transport)()
    peer.say("x")
    peer.reset()
    server.advance(0)
    failed = [each.peer for each in server.events if isinstance(each, Failed)]
    assert [(each.kind, each.connection > 0) for each in failed] == [(transport, True)]


def test_who_fails_afterwards_over_tls(certificate: Path) -> None:
    """So it is over TLS, which forgets the certificate, where nobody has asked before whose connection it is."""
    clock, events, failed = Clock(), Events(), list[Event]()
    events.subscribe(failed.append, arrivals=False)
    gate = Gate(Access(["allow all"]), Limits(), House(0), clock.seconds)
    serving = Serving("one", Factory.forProtocol(Keeper), events, clock, gate)
    peer = SealedPeer(serving, StreamFactory(serving), certificate)
    peer.send(b"x")
    peer.wire.lose(ConnectionLost())
    clock.advance(0)
    assert [(type(each), each.peer.kind, each.peer.certificate) for each in failed] == [(Failed, "tls", None)]
