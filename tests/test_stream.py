"""Messages over streams: what half-close, backpressure, limits and failures do to a peer, in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory as PlainFactory
from twisted.protocols.wire import QOTD
from twisted.python.failure import Failure

from socklab import Factory, Lines, MessageProtocol, Netstring, PeerError
from socklab.events import Closed, Cut, Failed, Opened
from socklab.framing import Int8, Int16
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer


class Recorder(MessageProtocol):
    """Writes down what it is called with."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def connectionMade(self) -> None:
        """Begin."""
        self.calls.append("made")

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Write it down."""
        self.calls.append(payload)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """End."""
        self.calls.append("lost")


class RecorderFactory(Factory):
    """Keeps its protocols."""

    framing = Lines

    def __init__(self) -> None:
        self.built: list[Recorder] = []

    def buildProtocol(self, addr: Any) -> Recorder:
        """Build one."""
        self.built.append(Recorder())
        return self.built[-1]


class Raising(MessageProtocol):
    """Raises in every hook that it is told to."""

    hooks: tuple[str, ...] = ()
    error: Exception = ZeroDivisionError("the author's")

    def _maybe(self, hook: str) -> None:
        if hook in self.hooks:
            raise self.error

    def connectionMade(self) -> None:
        """Begin."""
        self._maybe("connectionMade")

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Take a message."""
        self._maybe("messageReceived")
        self.transport.sendMessage(payload, isBinary)

    def readConnectionLost(self) -> None:
        """End of input."""
        self._maybe("readConnectionLost")
        super().readConnectionLost()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """End."""
        self._maybe("connectionLost")


def raising(*hooks: str, error: Exception | None = None) -> Factory:
    """Give a Factory whose protocols raise."""
    kind = type("Raising", (Raising,), {"hooks": hooks, **({"error": error} if error else {})})
    factory = Factory()
    factory.protocol = kind
    factory.framing = Lines
    return factory


def kinds(server: MemoryServer, *wanted: type) -> list[type]:
    """Give the kinds of the events so far."""
    return [type(each) for each in server.events if not wanted or isinstance(each, wanted)]


class TestHalfClose:
    """The peer's FIN."""

    def test_everything_owed_is_sent(self) -> None:
        """Echo after FIN: all bytes come back, then the server closes."""
        peer = MemoryServer(EchoFactory()).tcp()
        peer.stopReading()
        for _ in range(10):
            peer.send(b"x" * 60000)
        peer.finish()
        peer.startReading()
        assert peer.received == b"x" * 600000
        assert peer.finished
        assert peer.closed

    def test_last_line_without_end(self) -> None:
        """A line that FIN ends is a line."""
        factory = RecorderFactory()
        peer = MemoryServer(factory).tcp()
        peer.send(b"one\ntwo")
        peer.finish()
        assert factory.built[0].calls == ["made", b"one", b"two", "lost"]

    def test_answer_comes_after_fin(self) -> None:
        """A protocol may go on answering after the peer's FIN."""

        class Late(MessageProtocol):
            def readConnectionLost(self) -> None:
                self.transport.clock.callLater(5, self.answer)

            def answer(self) -> None:
                self.transport.sendMessage(b"late", True)
                self.transport.loseConnection()

        factory = Factory()
        factory.protocol = Late
        server = MemoryServer(factory)
        peer = server.tcp()
        peer.finish()
        assert not peer.closed
        server.advance(5)
        assert peer.received == b"late"
        assert peer.closed


class TestClosing:
    """The server's own end."""

    def test_fin_before_close(self) -> None:
        """The server sends FIN, ignores what still comes, and closes at the peer's FIN."""
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        factory.built[0].transport.sendMessage(b"bye", True)
        factory.built[0].transport.loseConnection()
        assert peer.received == b"bye\n"
        assert peer.finished
        assert not peer.closed
        peer.send(b"too late\n")
        peer.finish()
        assert peer.closed
        assert factory.built[0].calls == ["made", "lost"]

    def test_peer_that_never_closes_is_cut(self) -> None:
        """Who does not answer FIN within the close timeout is cut."""
        factory = RecorderFactory()
        server = MemoryServer(factory, closeTimeout=20)
        peer = server.tcp()
        factory.built[0].transport.loseConnection()
        server.advance(19.9)
        assert not peer.closed
        server.advance(0.2)
        assert peer.closed

    def test_owed_bytes_are_sent_first(self) -> None:
        """loseConnection with a backlog waits until the peer has read it, even one kept beyond the transport."""
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        peer.stopReading()
        for _ in range(10):
            factory.built[0].transport.sendMessage(b"y" * 49999, True)
        factory.built[0].transport.loseConnection()
        assert not peer.finished
        peer.startReading()
        assert peer.received == (b"y" * 49999 + b"\n") * 10
        assert peer.finished

    def test_sending_after_close_is_silent(self) -> None:
        """sendMessage after loseConnection, and after the connection is gone, does nothing."""
        factory = RecorderFactory()
        peer = MemoryServer(factory).tcp()
        transport = factory.built[0].transport
        transport.loseConnection()
        transport.sendMessage(b"x", True)
        peer.finish()
        transport.sendMessage(b"x", True)
        transport.loseConnection()
        assert peer.received == b""

    def test_messages_after_close_are_ignored(self) -> None:
        """When a message makes the protocol close, the next ones of the same read are not delivered."""

        class Once(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(payload, isBinary)
                self.transport.loseConnection()

        factory = Factory()
        factory.protocol = Once
        factory.framing = Lines
        peer = MemoryServer(factory).tcp()
        peer.send(b"one\ntwo\nthree\n")
        assert peer.received == b"one\n"

    def test_abort(self) -> None:
        """abortConnection ends it at once, and connectionLost comes once."""
        factory = RecorderFactory()
        peer = MemoryServer(factory).tcp()
        factory.built[0].transport.abortConnection()
        peer.receive()
        assert peer.closed
        assert factory.built[0].calls == ["made", "lost"]

    @pytest.mark.parametrize(
        ("end", "by", "reason"),
        [("finish", "peer", "closed"), ("reset", "peer", "reset")],
    )
    def test_who_closed_is_told(self, end: str, by: str, reason: str) -> None:
        """The event says who ended it, and how."""
        server = MemoryServer(EchoFactory())
        getattr(server.tcp(), end)()
        assert [(each.by, each.reason) for each in server.events if isinstance(each, Closed)] == [(by, reason)]


class TestBackpressure:
    """Peers that do not read."""

    def test_echo_stops_reading(self) -> None:
        """Echo reads no more from a peer that does not read, and goes on when it does."""
        server = MemoryServer(EchoFactory())
        peer = server.tcp()
        peer.stopReading()
        peer.send(b"a" * 70000)
        assert peer.heldBack
        peer.send(b"b" * 70000)
        peer.startReading()
        assert not peer.heldBack
        assert peer.receive() == b"a" * 70000 + b"b" * 70000

    def test_chat_cuts_who_does_not_read(self) -> None:
        """A member that does not read is cut when more than `pending` waits for it; the others get every line."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False), limits=Limits(pending=100_000))
        slow, sender, reader = server.tcp(), server.websocket(), server.tcp()
        slow.stopReading()
        line = "z" * 999
        sent = 0
        while not slow.closed:
            sender.say(line)
            sent += 1
            assert sent < 400
        assert len(reader.hear()) == sent
        # 64 KiB in the transport, 100,000 B behind it, and the line that found that much.
        assert (65536 + 100_000) // 1000 <= sent <= (65536 + 100_000) // 1000 + 3
        cut = [each for each in server.events if isinstance(each, Cut)]
        assert [each.reason for each in cut] == ["it did not read: more than 100000 bytes were waiting for it"]

    def test_one_message_longer_than_pending_is_sent(self) -> None:
        """Only what was already waiting counts, so that a single long message passes."""
        server = MemoryServer(EchoFactory(), limits=Limits(pending=1000))
        peer = server.tcp()
        peer.stopReading()
        peer.send(b"x" * 500_000)
        peer.startReading()
        assert peer.received == b"x" * 500_000

    def test_slow_but_steady_reader_stays(self) -> None:
        """Who reads slowly, but reads, is not cut however much passes in all."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False), limits=Limits(pending=100_000))
        slow, sender = server.tcp(), server.tcp()
        for _ in range(50):
            slow.stopReading()
            for _ in range(10):
                sender.say("w" * 9999)
            slow.startReading()
        assert len(slow.hear()) == 500

    def test_producer_is_paused_with_the_peer(self) -> None:
        """A protocol's producer is paused while the peer does not read, resumed after, stopped at the end."""
        calls = []

        class Producer:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

            def stopProducing(self) -> None:
                calls.append("stop")

        factory = RecorderFactory()
        peer = MemoryServer(factory).tcp()
        transport = factory.built[0].transport
        transport.registerProducer(Producer(), True)
        peer.stopReading()
        transport.sendMessage(b"x" * 70000, True)
        transport.sendMessage(b"x", True)
        peer.startReading()
        peer.reset()
        assert calls == ["pause", "resume", "stop"]

    def test_pull_producer(self) -> None:
        """A pull producer is asked for more until the peer does not read, and again when it does."""
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        transport = factory.built[0].transport

        class Pulled:
            asked = 0

            def resumeProducing(self) -> None:
                self.asked += 1
                transport.sendMessage(b"x" * 9999, True)
                if self.asked == 20:
                    transport.unregisterProducer()

            def stopProducing(self) -> None:
                pass

        pulled = Pulled()
        peer.stopReading()
        transport.registerProducer(pulled, False)
        for _ in range(100):
            server.advance(0.001)
        assert pulled.asked == 7
        peer.startReading()
        for _ in range(20):
            server.advance(0.001)
        assert pulled.asked == 20

    def test_protocol_pauses_its_peer(self) -> None:
        """After pauseProducing no message is delivered, not even of the same read; resumeProducing gives all."""
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        protocol = factory.built[0]

        def pauseAtTwo(payload: bytes, isBinary: bool) -> None:
            protocol.calls.append(payload)
            if payload == b"2":
                protocol.transport.pauseProducing()

        protocol.messageReceived = pauseAtTwo  # type: ignore[method-assign]
        peer.send(b"1\n2\n3\n")
        peer.send(b"4\n")
        peer.finish()
        assert protocol.calls == ["made", b"1", b"2"]
        protocol.transport.resumeProducing()
        server.check()
        assert protocol.calls == ["made", b"1", b"2", b"3", b"4", "lost"]

    def test_pausing_within_a_message(self) -> None:
        """Messages and the end of the stream keep their order, whenever the protocol pauses and resumes."""
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        protocol = factory.built[0]

        def fickle(payload: bytes, isBinary: bool) -> None:
            protocol.calls.append(payload)
            protocol.transport.pauseProducing()
            if payload != b"a":
                protocol.transport.resumeProducing()

        protocol.messageReceived = fickle  # type: ignore[method-assign]
        peer.send(b"a\nb\nc\nd\n")
        peer.finish()
        assert protocol.calls == ["made", b"a"]
        protocol.transport.resumeProducing()
        server.check()
        assert protocol.calls == ["made", b"a", b"b", b"c", b"d", "lost"]

    def test_pausing_and_closing(self) -> None:
        """A conversation that is closed while it is paused, or the other way round, ends as any other."""
        for first, second in (("pauseProducing", "loseConnection"), ("loseConnection", "pauseProducing")):
            factory = RecorderFactory()
            peer = MemoryServer(factory).tcp()
            transport = factory.built[0].transport
            getattr(transport, first)()
            getattr(transport, second)()
            peer.finish()
            assert peer.closed

    def test_no_more_than_a_burst_at_once(self) -> None:
        """Of one read no more than 100 messages are handled before others have their turn; none is lost."""
        handled: list[int] = []
        factory = RecorderFactory()
        server = MemoryServer(factory)
        peer = server.tcp()
        protocol = factory.built[0]
        server.clock.callLater(0, lambda: handled.append(len(protocol.calls) - 1))
        peer.send(b"\n" * 1000)
        assert handled == [100]
        assert protocol.calls == ["made", *[b""] * 1000]

    def test_producer_that_fails(self) -> None:
        """A producer that raises as it is stopped harms nothing else."""

        class Failing:
            def stopProducing(self) -> None:
                raise ZeroDivisionError

        factory = RecorderFactory()
        server = MemoryServer(factory)
        peers = [server.tcp() for _ in range(3)]
        for each in factory.built:
            each.transport.registerProducer(Failing(), True)
        peers[0].reset()
        gone = server.shutDown()
        for each in peers[1:]:
            each.finish()
        assert gone.called
        assert [each.calls for each in factory.built] == [["made", "lost"]] * 3


class TestLimits:
    """What is too long."""

    def test_long_line(self) -> None:
        """A line over the limit ends the stream with a log line; the lines before it were delivered."""
        factory = RecorderFactory()
        server = MemoryServer(factory, limits=Limits(line=10))
        peer = server.tcp()
        peer.send(b"good\n" + b"x" * 11)
        assert factory.built[0].calls[:2] == ["made", b"good"]
        assert peer.finished
        assert [each.reason for each in server.events if isinstance(each, Cut)] == ["a line of more than 10 bytes"]

    def test_flood_after_the_end_is_cut(self) -> None:
        """Who was cut for a long line and goes on sending is heard for 256 KiB more, then reset."""
        server = MemoryServer(RecorderFactory(), limits=Limits(line=10))
        peer = server.tcp()
        peer.send(b"x" * 65536)
        for _ in range(4):
            assert not peer.closed
            peer.send(b"x" * 65536)
        peer.send(b"x")
        assert peer.closed

    def test_framings(self) -> None:
        """A listener's framing cuts and frames; a fault in it ends the stream."""
        server = MemoryServer(EchoFactory(), framing=Netstring)
        peer = server.tcp()
        peer.send(b"5:hel")
        peer.send(b"lo,3:abc,")
        assert peer.receive() == b"5:hello,3:abc,"
        peer.send(b"nonsense")
        assert peer.finished
        binary = MemoryServer(EchoFactory(), framing=Int16).tcp()
        binary.send(b"\x00\x03abc\x00\x00")
        assert binary.receive() == b"\x00\x03abc\x00\x00"


class TestFanOut:
    """One message for many."""

    def test_framing_that_cannot_carry_it(self) -> None:
        """A chat line that a member's framing cannot carry misses that member only, and harms not the speaker."""
        server = MemoryServer(ChatFactory(announce=False), framing=Int8)
        narrow = server.tcp()
        page, speaker = server.websocket(), server.websocket()
        speaker.say("x" * 300)
        speaker.say("short")
        assert page.hear() == ["user3: " + "x" * 300, "user3: short"]
        assert narrow.receive() == b"\x0cuser3: short"


class TestFailures:
    """Protocols that raise."""

    @pytest.mark.parametrize("hook", ["connectionMade", "messageReceived", "readConnectionLost", "connectionLost"])
    def test_only_its_own_conversation_ends(self, hook: str) -> None:
        """A protocol that raises loses its peer, is logged, and harms no other."""
        server = MemoryServer(raising(hook), raising=False)
        peer = server.tcp()
        peer.send(b"x\n")
        peer.finish()
        assert peer.closed
        assert kinds(server, Failed) == [Failed]
        assert kinds(server, Opened, Closed) == [Opened, Closed]

    def test_factory_that_raises(self) -> None:
        """A Factory that raises in buildProtocol loses that peer only."""

        class Broken(Factory):
            protocol = MessageProtocol

            def buildProtocol(self, addr: Any) -> None:
                raise ZeroDivisionError

        server = MemoryServer(Broken(), raising=False)
        assert server.tcp().closed
        assert kinds(server, Failed) == [Failed]

    def test_factory_that_refuses(self) -> None:
        """A Factory that builds nothing refuses the peer, with a log line."""

        class Refusing(Factory):
            protocol = MessageProtocol

            def buildProtocol(self, addr: Any) -> None:
                return None

        server = MemoryServer(Refusing())
        peer = server.tcp()
        peer.receive()
        assert peer.closed
        assert kinds(server) == [Cut]

    def test_peer_error(self) -> None:
        """PeerError is the peer's fault: a log line, no traceback, and an orderly end."""
        server = MemoryServer(raising("messageReceived", error=PeerError("that is no move")))
        peer = server.tcp()
        peer.send(b"x\n")
        assert peer.finished
        assert [each.reason for each in server.events if isinstance(each, Cut)] == ["that is no move"]

    def test_fakes_raise_what_the_protocol_raises(self) -> None:
        """In a test the protocol's exception comes out of what the test called."""
        peer = MemoryServer(raising("messageReceived")).tcp()
        with pytest.raises(ZeroDivisionError, match="the author's"):
            peer.send(b"x\n")

    def test_fakes_refuse_wrong_types(self) -> None:
        """A kind that is no bool, which a real transport would take, is an error in a test."""

        class Sloppy(MessageProtocol):
            def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                self.transport.sendMessage(payload, 1)  # type: ignore[arg-type]

        factory = Factory()
        factory.protocol = Sloppy
        with pytest.raises(TypeError, match="got bytes and int"):
            MemoryServer(factory).tcp().send(b"x")


def test_plain_factory_needs_no_wrapper() -> None:
    """A plain Twisted Factory is served as it is."""
    factory = PlainFactory.forProtocol(QOTD)
    peer = MemoryServer(factory).tcp()
    assert peer.received == b"An apple a day keeps the doctor away.\r\n"
    assert peer.finished
