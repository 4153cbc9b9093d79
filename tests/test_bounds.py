"""How fast and how long one peer may be there: held back, never robbed on streams. In memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from socklab import Factory, Lines, MessageProtocol
from socklab.events import Closed, Cut, Dropped
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer


def served(factory: Factory | None = None, **limits: float) -> MemoryServer:
    """Give a server of lines."""
    given_ = Limits(**limits)  # type: ignore[arg-type]
    return MemoryServer(factory or EchoFactory(), framing=Lines, limits=given_)


class TestRates:
    """`message_rate` and `byte_rate`."""

    @pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
    def test_lines_are_held_back(self, transport: str) -> None:
        """A second's worth of messages is taken at once, the others wait; none is lost, and order is kept."""
        server = served(message_rate=10)
        peer = getattr(server, transport)()
        peer.send(b"".join(b"%d\n" % number for number in range(35)))
        heard = [len(peer.hear())]
        assert peer.heldBack
        for _ in range(3):
            server.advance(1)
            heard.append(len(peer.hear()))
        # One too many is taken, and waited for afterwards.
        assert heard == [11, 10, 10, 4]

    def test_rate_is_the_rate(self) -> None:
        """Over time it is as many as the limit says."""
        server = served(message_rate=10)
        peer = server.tcp()
        peer.send(b"x\n" * 100)
        for _ in range(89):
            server.advance(0.1)
        assert len(peer.hear()) in (99, 100)
        server.advance(0.2)
        peer.send(b"last\n")
        server.advance(0.2)
        assert peer.hear()[-1] == "last"

    def test_websocket_is_held_back(self) -> None:
        """So are WebSocket messages; a ping is answered when they go on, and the peer is not cut for silence."""
        server = served(message_rate=1, ping_interval=25, ping_timeout=20)
        peer = server.websocket()
        for number in range(60):
            peer.say(str(number))
        assert peer.heldBack
        for _ in range(600):
            server.advance(0.1)
        assert peer.hear() == [str(number) for number in range(60)]
        assert not [each for each in server.events if isinstance(each, Cut)]

    def test_bytes(self) -> None:
        """`byte_rate` counts what the messages hold."""
        server = MemoryServer(EchoFactory(), limits=Limits(byte_rate=1000))
        peer = server.tcp()
        peer.send(b"x" * 3000)
        assert len(peer.receive()) == 3000
        peer.send(b"y" * 10)
        assert peer.receive() == b""
        server.advance(1.9)
        assert peer.receive() == b""
        server.advance(0.2)
        assert peer.receive() == b"y" * 10

    def test_datagrams_are_dropped(self) -> None:
        """A datagram cannot wait: what is too fast is dropped and counted, and later ones are taken."""
        server = MemoryServer(ChatFactory(echo_self=True, announce=False), limits=Limits(message_rate=5))
        peer = server.udp()
        for number in range(20):
            peer.say(str(number))
        assert len(peer.hear()) == 6
        server.advance(1)
        peer.say("later")
        assert peer.hear() == ["user1: later"]
        assert [each.reason for each in server.events if isinstance(each, Dropped)] == [
            "it sends faster than it may"
        ]

    def test_each_peer_has_its_own(self) -> None:
        """One that is held back holds back nobody else."""
        server = served(message_rate=1)
        fast, slow = server.tcp(), server.tcp()
        fast.send(b"x\n" * 100)
        slow.say("hello")
        assert slow.hear() == ["hello"]
        assert (fast.heldBack, slow.heldBack) == (True, False)

    def test_end_of_a_peer_that_is_held_back(self) -> None:
        """What was sent before FIN is still taken, at the rate, and only then the connection ends."""
        server = served(message_rate=10)
        peer = server.tcp()
        peer.send(b"x\n" * 20)
        peer.finish()
        assert not peer.finished
        for _ in range(20):
            server.advance(0.1)
        assert peer.received == b"x\n" * 20
        assert peer.finished

    @pytest.mark.parametrize("end", ["reset", "lifetime"])
    def test_nothing_is_left_of_one_that_is_gone(self, end: str) -> None:
        """Who is held back for hours and goes leaves no timer behind."""
        server = served(byte_rate=1, lifetime=10)
        peer = server.tcp()
        peer.send(b"x" * 60_000 + b"\n")
        assert peer.heldBack
        if end == "reset":
            peer.reset()
        else:
            server.advance(10)
            peer.finish()
            server.advance(0)
        assert peer.closed
        assert not server.clock.getDelayedCalls()

    def test_a_busy_protocol(self) -> None:
        """Messages that wait for a busy handler count once, when they come."""
        waiting: list[Deferred[None]] = []

        class Slow(MessageProtocol):
            async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
                waiting.append(Deferred())
                await waiting[-1]
                self.transport.sendMessage(payload, isBinary)

        class SlowFactory(Factory):
            protocol = Slow

        server = served(SlowFactory(), message_rate=2)
        peer = server.tcp()
        peer.send(b"1\n2\n3\n4\n")
        while waiting:
            waiting.pop().callback(None)
            server.advance(0)
        assert peer.hear() == ["1", "2", "3"]
        server.advance(0.5)
        while waiting:
            waiting.pop().callback(None)
            server.advance(0)
        assert peer.hear() == ["4"]

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.binary(max_size=200), max_size=20), st.integers(1, 50), st.integers(1, 300))
    def test_streams_lose_nothing(self, pieces: list[bytes], messages: int, size: int) -> None:
        """Whatever comes, in whatever pieces: every byte comes back, in order, if it takes long enough."""
        server = MemoryServer(EchoFactory(), limits=Limits(message_rate=messages, byte_rate=size))
        peer = server.tcp()
        for piece in pieces:
            if piece:
                peer.send(piece)
        for _ in range(200):
            server.advance(1)
        assert peer.received == b"".join(pieces)


class TestLifetime:
    """`lifetime`."""

    @pytest.mark.parametrize("transport", ["tcp", "tls", "unix", "websocket", "udp"])
    def test_ends(self, transport: str) -> None:
        """After that time it is closed, however much it talks, and the log says why."""
        server = MemoryServer(ChatFactory(), limits=Limits(lifetime=60))
        peer = getattr(server, transport)()
        other = server.tcp()
        for _ in range(59):
            peer.say("here")
            server.advance(1)
        assert not [each for each in server.events if isinstance(each, Closed)]
        server.advance(1)
        if hasattr(peer, "finish"):
            if transport == "websocket":
                peer.frames()
                assert peer.closeCode == 1000
                peer.close()
            peer.finish()
        server.advance(0)
        told = [(each.by, each.reason) for each in server.events if isinstance(each, Closed)]
        assert told[0] == ("server", "here for 60 s, its lifetime")
        assert other.finished

    def test_leaves_no_timer(self) -> None:
        """Who leaves before takes its timer along."""
        server = served(lifetime=60)
        server.tcp().reset()
        assert not server.clock.getDelayedCalls()


class TestSoft:
    """`pending_soft` for `pending_seconds`."""

    SOFT, HARD = 1000, 10_000_000

    def filled(self, size: int) -> MemoryServer:
        """Give a server whose peer has not read so many bytes beyond the transport's own buffer."""
        server = MemoryServer(
            ChatFactory(announce=False),
            limits=Limits(pending=self.HARD, pending_soft=self.SOFT, pending_seconds=60, ping_interval=0),
        )
        self.reader, self.talker = server.tcp(), server.tcp()
        self.reader.stopReading()
        # The first 64 KiB and one line more are in the transport's buffer.
        while not self.paused(server):
            self.talker.say("x" * 1000)
        while size > 0:
            self.talker.say("y" * 100)
            size -= 100
        return server

    def paused(self, server: MemoryServer) -> bool:
        """Tell whether the reader's transport takes no more."""
        return self.reader._wire._producerPaused

    def cuts(self, server: MemoryServer) -> list[str]:
        """Give why peers were cut."""
        return [each.reason for each in server.events if isinstance(each, Cut)]

    def test_cut_after_so_long(self) -> None:
        """Who has more than that waiting for so long is cut, though it is less than `pending`."""
        server = self.filled(2000)
        server.advance(59.9)
        assert not self.reader.closed
        server.advance(0.2)
        assert self.reader.closed
        assert self.cuts(server) == ["it did not read: more than 1000 bytes were waiting for it for 60 s"]
        assert not self.talker.closed

    def test_reads_in_between(self) -> None:
        """Who reads in between begins anew."""
        server = self.filled(2000)
        server.advance(59)
        self.reader.startReading()
        self.reader.stopReading()
        server.advance(59)
        assert not self.reader.closed
        assert not self.cuts(server)

    def test_less_is_not_cut(self) -> None:
        """Who has less waiting may leave it there."""
        server = self.filled(500)
        server.advance(3600)
        assert not self.reader.closed

    def test_leaves_no_timer(self) -> None:
        """Who goes meanwhile takes the timer along."""
        server = self.filled(2000)
        self.reader.reset()
        self.talker.reset()
        assert not server.clock.getDelayedCalls()
