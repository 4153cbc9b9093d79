"""The shorter ways that messages take while nobody watches: to the peer they are the same. In memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from socklab import Factory, Framing, Lines, MessageProtocol, PeerError, Raw
from socklab.events import Closed, Cut, Event, Failed, MessageReceived, MessageSent
from socklab.limits import Limits
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer


class Fickle(MessageProtocol):
    """Does what each message says, and writes down what it is called with."""

    factory: FickleFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> Deferred[None] | None:
        """Take a message."""
        self.factory.calls.append(payload)
        transport = self.transport
        transport.sendMessage(payload, isBinary)
        match payload[:1]:
            case b"p":
                transport.pauseProducing()
                transport.clock.callLater(1, transport.resumeProducing)
            case b"w":
                later: Deferred[None] = Deferred()
                transport.clock.callLater(1, later.callback, None)
                return later
            case b"c":
                transport.loseConnection()
            case b"n":
                raise PeerError("nonsense")
            case b"x":
                raise ZeroDivisionError
            case b"t":
                transport.setTimeout(3)
            case b"b":
                transport.sendMessage(b"z" * 70_000, isBinary)
        return None

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The end."""
        self.factory.calls.append("lost")


class FickleFactory(Factory):
    """Keeps what was called."""

    protocol = Fickle

    def __init__(self, framing: Callable[[int], Framing]) -> None:
        self.framing = framing
        self.calls: list[Any] = []


STEPS = st.lists(
    st.one_of(
        st.lists(st.sampled_from([b"a", b"a", b"p", b"w", b"t", b"b", b"\n", b"c", b"n", b"x"]), max_size=5).map(
            lambda lines: b"\n".join([*lines, b""])
        ),
        st.just(b"\n" * 150),
        st.sampled_from(["stop", "start", "second", "finish"]),
    ),
    max_size=12,
)


def seen(framing: Callable[[int], Framing], limits: Limits, steps: list[bytes | str], traffic: bool) -> list[Any]:
    """Give all that a peer and a protocol see of each other."""
    factory = FickleFactory(framing)
    server = MemoryServer(factory, limits=limits, raising=False, traffic=traffic, closeTimeout=5)
    peer = server.tcp()
    shown: list[Any] = []
    for step in [*steps, "start", "second", "second"]:
        match step:
            case bytes():
                peer.send(step)
            case "stop":
                peer.stopReading()
            case "start":
                peer.startReading()
            case "second":
                server.advance(1)
            case "finish":
                peer.finish()
        shown.append((len(factory.calls), peer.receive(), peer.heldBack, peer.finished, peer.closed))
    ends = [each for each in server.events if isinstance(each, Closed | Cut | Failed)]
    return [shown, factory.calls, [(type(each), getattr(each, "reason", "")) for each in ends]]


@given(
    st.sampled_from([Raw, Lines]),
    st.sampled_from([Limits(), Limits(message_rate=20), Limits(idle=2), Limits(pending=50_000, line=100)]),
    STEPS,
)
def test_the_same_watched_or_not(
    framing: Callable[[int], Framing], limits: Limits, steps: list[bytes | str]
) -> None:
    """Whatever peer and protocol do: each sees the same of the other, whether somebody watches or not."""
    assert seen(framing, limits, steps, traffic=False) == seen(framing, limits, steps, traffic=True)


def test_watching_begins_and_ends_at_any_time() -> None:
    """Whoever begins to watch sees the next message of a connection that is there already."""
    server = MemoryServer(EchoFactory(), traffic=False)
    peer = server.tcp()
    peer.send(b"unseen")
    events: list[Event] = []
    server._stream.subscribe(events.append, traffic=True)
    peer.send(b"seen")
    watched = [each.payload for each in events if isinstance(each, MessageReceived | MessageSent)]
    assert watched == [b"seen", b"seen"]
    assert peer.received == b"unseenseen"
