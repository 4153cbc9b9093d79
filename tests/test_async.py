"""Handlers that take their time: coroutines and Deferreds, in memory, over each transport."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from socklab import Factory, Lines, MessageProtocol, PeerError
from socklab.events import Closed, Cut, Dropped, Failed
from socklab.limits import Limits
from socklab.testing import MemoryServer

TRANSPORTS = ["tcp", "unix", "udp", "websocket"]


class SlowProtocol(MessageProtocol):
    """Answer each message a second later, or as soon as the test says so."""

    factory: SlowFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> Any:
        """A message has come."""
        return self.answer(payload, isBinary)

    async def answer(self, payload: bytes, isBinary: bool) -> None:
        """Take a second for it."""
        factory = self.factory
        factory.begun.append(payload)
        try:
            if payload == b"now":
                await succeed(None)
            elif payload == b"never":
                await Deferred[None]()
            else:
                await deferLater(self.transport.clock, 1)
        except CancelledError:
            factory.cancelled.append(payload)
            raise
        if payload == b"wrong":
            raise KeyError("wrong")
        if payload == b"nonsense":
            raise PeerError("what is that?")
        self.transport.sendMessage(b"done " + payload, isBinary)

    def readConnectionLost(self) -> None:
        """The peer says no more."""
        self.factory.begun.append(b"end")
        super().readConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The peer is gone."""
        self.factory.lost += 1


class SlowFactory(Factory):
    """Keeps what happened."""

    protocol = SlowProtocol
    framing = Lines

    def __init__(self, keepsPeers: bool = True) -> None:
        self.keepsPeers = keepsPeers
        self.begun: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.lost = 0


class DeferredProtocol(SlowProtocol):
    """The same, as a Deferred."""

    def messageReceived(self, payload: bytes, isBinary: bool) -> Deferred[None]:
        """A message has come."""
        return Deferred.fromCoroutine(self.answer(payload, isBinary))


def serve(transport: str, protocol: type[MessageProtocol] = SlowProtocol, **more: Any) -> tuple[Any, Any, Any]:
    """Give a factory, its server and a peer."""
    factory = SlowFactory()
    factory.protocol = protocol
    server = MemoryServer(factory, **more)
    return factory, server, getattr(server, transport)()


@pytest.mark.parametrize("protocol", [SlowProtocol, DeferredProtocol])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_order(transport: str, protocol: type[MessageProtocol]) -> None:
    """Messages of one peer are handled one after the other, and answered in order."""
    factory, server, peer = serve(transport, protocol)
    for text in ("one", "now", "two", "now"):
        peer.say(text)
    assert factory.begun == [b"one"]
    assert peer.hear() == []
    server.advance(1)
    assert factory.begun == [b"one", b"now", b"two"]
    assert peer.hear() == ["done one", "done now"]
    server.advance(1)
    assert peer.hear() == ["done two", "done now"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_others_do_not_wait(transport: str) -> None:
    """A peer whose message takes long keeps nobody else waiting."""
    _, server, peer = serve(transport)
    other = getattr(server, transport)()
    peer.say("never")
    other.say("one")
    server.advance(1)
    assert other.hear() == ["done one"]


def test_many_at_once() -> None:
    """A thousand messages in one read are all answered, in order, one at a time."""
    _, server, peer = serve("tcp")
    wanted = [f"{number}" for number in range(1000)]
    peer.send("".join(f"{each}\n" for each in wanted).encode())
    heard: list[str] = []
    while len(heard) < 1000:
        server.advance(1)
        got = peer.hear()
        assert len(got) == 1
        heard += got
    assert heard == [f"done {each}" for each in wanted]


@pytest.mark.parametrize("transport", ["tcp", "unix", "websocket"])
def test_queue_is_bounded(transport: str) -> None:
    """While enough wait for a busy protocol, nothing more is read; then all of it is handled."""
    factory, server, peer = serve(transport, limits=Limits(queue=1000))
    for number in range(20):
        peer.say(f"now {number:095}")
    assert factory.begun == [b"now %095d" % 0]
    held = peer.heldBack
    for _ in range(20):
        server.advance(1)
    assert held
    assert not peer.heldBack
    assert factory.begun == [b"now %095d" % number for number in range(20)]
    assert len(peer.hear()) == 20


@pytest.mark.parametrize("transport", ["tcp", "websocket"])
def test_empty_messages_fill_the_queue_too(transport: str) -> None:
    """Messages without a byte are not free."""
    _, _, peer = serve(transport, limits=Limits(queue=1000))
    for _ in range(12):
        peer.say("")
    assert peer.heldBack


def test_queue_of_datagrams_is_bounded() -> None:
    """Datagrams beyond the queue are dropped, which is told; the others are answered."""
    _, server, peer = serve("udp", limits=Limits(queue=1000))
    for number in range(20):
        peer.say(f"{number:0100}")
    for _ in range(20):
        server.advance(1)
    # One was being handled, and five filled the queue: the one that exceeds it is the last.
    assert len(peer.hear()) == 7
    [drop] = [each for each in server.events if isinstance(each, Dropped)]
    assert drop.reason == "more than 1000 bytes were waiting for the busy protocol"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_exception(transport: str) -> None:
    """An exception ends that conversation and is told, as from a handler that does not wait; others go on."""
    factory, server, peer = serve(transport, raising=False)
    other = getattr(server, transport)()
    peer.say("wrong")
    peer.say("after")
    server.advance(1)
    [failed] = [each for each in server.events if isinstance(each, Failed)]
    assert failed.failure.check(KeyError)
    assert factory.begun == [b"wrong"]
    if transport == "websocket":
        assert peer.receive() == []
        assert peer.closeCode == 1011
        peer.finish()
    if transport != "udp":
        assert peer.closed
    assert factory.lost == 1
    other.say("one")
    server.advance(1)
    assert other.hear() == ["done one"]


@pytest.mark.parametrize("transport", ["tcp", "websocket"])
def test_peer_error(transport: str) -> None:
    """A `PeerError` is the peer's fault, however late it comes."""
    _, server, peer = serve(transport)
    peer.say("nonsense")
    server.advance(1)
    [cut] = [each for each in server.events if isinstance(each, Cut)]
    assert cut.reason.startswith("what is that?")
    peer.receive()
    assert peer.finished
    if transport == "websocket":
        assert peer.closeCode == 1007


@pytest.mark.parametrize("transport", ["tcp", "unix", "websocket"])
def test_cancelled_when_the_peer_goes(transport: str) -> None:
    """Who goes is not worked for any longer, and what waited is forgotten; that is no failure."""
    factory, server, peer = serve(transport)
    peer.say("never")
    peer.say("next")
    peer.reset()
    server.advance(0)
    assert (factory.begun, factory.cancelled, factory.lost) == ([b"never"], [b"never"], 1)
    assert not [each for each in server.events if isinstance(each, Failed)]
    assert len(server.connections) == 0


def test_failure_after_the_peer_has_gone() -> None:
    """What a handler raises instead of ending when it is cancelled is told."""

    class Stubborn(MessageProtocol):
        async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            try:
                await Deferred[None]()
            except CancelledError:
                raise KeyError("cannot end") from None

    factory = Factory()
    factory.protocol = Stubborn
    server = MemoryServer(factory, raising=False)
    peer = server.tcp()
    peer.send(b"x")
    peer.reset()
    server.advance(0)
    [failed] = [each for each in server.events if isinstance(each, Failed)]
    assert failed.failure.check(KeyError)


@pytest.mark.parametrize("end", ["loseConnection", "abortConnection"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("first", [True, False])
def test_handler_that_closes(transport: str, end: str, first: bool) -> None:
    """A handler may close its own connection at any point, and goes on until it next waits."""
    seen: list[str] = []

    class Closing(MessageProtocol):
        async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            if not first:
                await deferLater(self.transport.clock, 1)
            getattr(self.transport, end)()
            seen.append("closed")
            await deferLater(self.transport.clock, 100)
            seen.append("never reached when the peer is gone")

    factory = Factory()
    factory.protocol = Closing
    server = MemoryServer(factory)
    peer = getattr(server, transport)()
    peer.say("x")
    server.advance(1)
    assert seen == ["closed"]
    if transport != "udp":
        peer.reset()
    server.advance(100)
    assert seen == ["closed"]
    assert len(server.connections) == 0
    assert [type(each) for each in server.events].count(Closed) == 1


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_half_close(transport: str) -> None:
    """After FIN all that was asked for is still answered, and only then the protocol hears of the end."""
    factory, server, peer = serve(transport)
    peer.say("one")
    peer.say("two")
    peer.finish()
    server.advance(1)
    assert factory.begun == [b"one", b"two"]
    server.advance(1)
    assert factory.begun == [b"one", b"two", b"end"]
    assert peer.hear() == ["done one", "done two"]
    assert peer.finished


def test_websocket_close_waits_for_what_was_asked() -> None:
    """What a WebSocket peer sent before its close frame is handled, then the close is answered."""
    factory, server, peer = serve("websocket")
    peer.say("one")
    peer.say("two")
    peer.close(1000)
    peer.sendBytes(b"nothing may follow a close frame" * 1000)
    assert peer.frames() == []
    server.advance(1)
    server.advance(1)
    assert factory.begun == [b"one", b"two"]
    assert peer.hear() == ["done one", "done two"]
    assert peer.closeCode == 1000
    peer.finish()
    [closed] = [each for each in server.events if isinstance(each, Closed)]
    assert (closed.by, closed.reason) == ("peer", "closed, code 1000")


@pytest.mark.parametrize("end", ["close", "finish"])
def test_websocket_close_does_not_wait_for_ever(end: str) -> None:
    """A page that was closed is worked for no longer than a close may take."""
    factory, server, peer = serve("websocket", closeTimeout=20)
    peer.say("never")
    if end == "close":
        peer.close(1001)
    else:
        peer.finish()
    server.advance(19)
    assert factory.cancelled == []
    server.advance(1)
    server.advance(0)
    assert factory.cancelled == [b"never"]
    assert len(server.connections) == 0


def test_pings_are_answered_meanwhile() -> None:
    """A WebSocket peer that pings a busy server gets its pong, and its own pongs are seen."""
    _, server, peer = serve("websocket", limits=Limits(ping_interval=10, ping_timeout=5))
    peer.say("never")
    peer.sendFrame(9, b"there?")
    assert [(frame.opcode, frame.payload) for frame in peer.frames()] == [(10, b"there?")]
    server.advance(10)
    server.advance(5)
    assert peer.closed


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_shutdown_waits(transport: str) -> None:
    """At shutdown all that has come is finished and answered; nothing is begun once that is done."""
    factory, server, peer = serve(transport)
    idle = getattr(server, transport)()
    idle.say("now")
    peer.say("one")
    peer.say("two")
    left: list[None] = []
    server.shutDown().addCallback(left.append)
    assert (transport == "udp") or not idle.finished
    server.advance(1)
    server.advance(1)
    server.advance(0.02)
    server.advance(0.02)
    if transport != "udp":
        peer.say("three")
    server.advance(1)
    assert factory.begun == [b"now", b"one", b"two"]
    assert peer.hear() == ["done one", "done two"]
    if transport == "websocket":
        assert peer.closeCode == 1001
    if transport != "udp":
        for each in (peer, idle):
            assert not each.closed
            each.finish()
        assert left == [None]


def test_datagrams_of_strangers() -> None:
    """Where no peer is kept, each datagram is answered in its own time, and no more are begun than `udp_peers`."""
    factory = SlowFactory(keepsPeers=False)
    server = MemoryServer(factory, limits=Limits(udp_peers=2))
    peers = [server.udp() for _ in range(3)]
    for number, peer in enumerate(peers):
        peer.say(f"{number}")
    assert len(server.connections) == 2
    server.advance(1)
    assert [peer.hear() for peer in peers] == [["done 0"], ["done 1"], []]
    assert len(server.connections) == 0
    peers[2].say("again")
    server.advance(1)
    assert peers[2].hear() == ["done again"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_async_connectionMade(transport: str) -> None:
    """Messages wait for an async `connectionMade`."""
    seen: list[object] = []

    class Greeting(MessageProtocol):
        async def connectionMade(self) -> None:
            await deferLater(self.transport.clock, 1)
            self.transport.sendMessage(b"welcome\n", False)

        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            seen.append(payload.rstrip())

    factory = Factory()
    factory.protocol = Greeting
    server = MemoryServer(factory)
    peer = getattr(server, transport)()
    peer.say("hi")
    assert seen == []
    server.advance(1)
    assert seen == [b"hi"]
    assert [each.rstrip() for each in peer.hear()] == ["welcome"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_handler_that_returns_something_else(transport: str) -> None:
    """What is neither None nor can be awaited is a mistake of the protocol's."""

    class Odd(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> Any:
            return 3

    factory = Factory()
    factory.protocol = Odd
    server = MemoryServer(factory, raising=False)
    getattr(server, transport)().say("x")
    [failed] = [each for each in server.events if isinstance(each, Failed)]
    assert failed.failure.check(TypeError)


def test_paused_reader_and_busy_protocol() -> None:
    """While the peer does not read its answers, what waits is not begun."""

    class Big(MessageProtocol):
        async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            factory.begun.append(payload)
            self.transport.sendMessage(bytes(70_000), isBinary)
            await deferLater(self.transport.clock, 1)

    factory = SlowFactory()
    factory.protocol = Big
    server = MemoryServer(factory, framing=Lines)
    peer = server.tcp()
    peer.stopReading()
    peer.say("one")
    peer.say("two")
    server.advance(5)
    assert factory.begun == [b"one"]
    peer.startReading()
    server.advance(5)
    assert factory.begun == [b"one", b"two"]


def test_upstream_that_is_ready_at_once() -> None:
    """Ten thousand handlers that each end without waiting neither nest nor pile up."""
    handled = 0

    class Ready(MessageProtocol):
        async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            nonlocal handled
            await succeed(None)
            handled += 1

    factory = Factory()
    factory.protocol = Ready
    server = MemoryServer(factory, framing=Lines, limits=Limits(queue=1000))
    server.tcp().send(b"x\n" * 10_000)
    while handled < 10_000:
        before = handled
        server.advance(0)
        assert 0 < handled - before <= 200


def test_nothing_is_left_behind() -> None:
    """No coroutine is left that was never awaited, and no failure that nobody saw."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test_cancelled_when_the_peer_goes("tcp")
        test_exception("tcp")
        gc.collect()


class Timed(MessageProtocol):
    """Has its own idea of silence."""

    factory: TimedFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A number of seconds, or `never`."""
        word = payload.split()[0]
        self.transport.setTimeout(None if word == b"never" else float(word))

    def timeoutConnection(self) -> None:
        """Silence."""
        if self.factory.asked is None:
            super().timeoutConnection()
        else:
            self.factory.asked.append(self.transport.clock.seconds())


class TimedFactory(Factory):
    """Notes when its protocols are asked, and then does not close."""

    protocol = Timed

    def __init__(self, asked: list[float] | None = None) -> None:
        self.asked = asked


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_idle(transport: str) -> None:
    """A peer that says nothing for as long as `idle` is closed; one that speaks is not."""
    server = MemoryServer(TimedFactory(), limits=Limits(idle=30, ping_interval=0))
    peer = getattr(server, transport)()
    if transport == "udp":
        peer.say("30")
    server.advance(29)
    peer.say("30")
    server.advance(29)
    assert not [each for each in server.events if isinstance(each, Closed)]
    server.advance(1)
    if transport == "websocket":
        peer.frames()
        assert peer.closeCode == 1000
    elif transport != "udp":
        assert peer.finished
    if transport != "udp":
        peer.finish()
    [closed] = [each for each in server.events if isinstance(each, Closed)]
    assert (closed.by, closed.reason) == ("server", "silent for 30 s")
    # What is left is the listener's, which forgets datagram peers.
    assert len(server.clock.getDelayedCalls()) == (transport == "udp")


def test_no_idle_by_default() -> None:
    """Without the limit a peer may be silent for ever."""
    server = MemoryServer(TimedFactory())
    peer = server.tcp()
    server.advance(1e6)
    assert not peer.finished


def test_timeout_of_one_peer() -> None:
    """A protocol may change the timeout of its peer, and end it."""
    server = MemoryServer(TimedFactory(), limits=Limits(idle=30))
    first, second = server.tcp(), server.tcp()
    first.say("5")
    second.say("never")
    server.advance(5)
    assert first.finished
    server.advance(1000)
    assert not second.finished


def test_timeout_that_does_not_close() -> None:
    """A protocol that does something else on silence is told again, and its reason to close stays its own."""
    asked: list[float] = []
    server = MemoryServer(TimedFactory(asked), limits=Limits(idle=10))
    peer = server.tcp()
    for _ in range(35):
        server.advance(1)
    assert asked == [10, 20, 30]
    peer.finish()
    server.advance(0)
    [closed] = [each for each in server.events if isinstance(each, Closed)]
    assert (closed.by, closed.reason) == ("peer", "closed")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_waits_for_us_is_not_idle(transport: str) -> None:
    """A peer whose message is still being handled is not silent; its time begins with the answer."""
    _, server, peer = serve(transport, limits=Limits(idle=0.4))
    peer.say("slow")
    for _ in range(4):
        server.advance(0.25)
    assert peer.hear() == ["done slow"]
    assert not [each for each in server.events if isinstance(each, Closed)]
