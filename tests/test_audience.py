"""What is said to many: each line once to each, in order with all else, and as few writes as there are turns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from socklab import Audience, Factory, Int8, Lines, MessageProtocol
from socklab.events import Cut, MessageSent
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.rooms.company import Straight
from socklab.testing import MemoryServer


class Member(MessageProtocol):
    """Says and does what a test has it do."""

    def tell(self, text: str) -> None:
        """Send it something of its own."""
        self.transport.sendMessage(text.encode(self.transport.encoding), False)


class Members(Factory):
    """Keeps its protocols, in the order in which they came."""

    framing = Lines

    def __init__(self) -> None:
        self.built: list[Member] = []

    def buildProtocol(self, addr: Any) -> Member:
        """Build one."""
        self.built.append(Member())
        return self.built[-1]


def writesOf(peer: Any) -> list[bytes]:
    """Give the list of what will be written to a peer, one entry for each write."""
    writes: list[bytes] = []
    write = peer._wire.write

    def recording(data: bytes) -> None:
        writes.append(data)
        write(data)

    peer._wire.write = recording
    return writes


KINDS = ["tcp", "unix", "cp949", "websocket", "udp"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "discard", "say", "say", "say", "tell", "turn", "close", "full"]),
        st.integers(0, len(KINDS) * 2 - 1),
        st.integers(0, 1),
        st.booleans(),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_as_if_each_line_were_sent_to_each_at_once(steps: list[tuple[str, int, int, bool]], watched: bool) -> None:
    """Whoever comes, goes, speaks, is spoken to or closes in whatever turn: each hears what it would if every line
    were sent to every member at once, in that order."""
    factory = Members()
    server = MemoryServer(factory, traffic=watched)
    peers: list[Any] = []
    for kind in KINDS * 2:
        peer: Any = server.tcp(encoding="cp949") if kind == "cp949" else getattr(server, kind)()
        if kind == "udp":
            peer.say("hello")
        peers.append(peer)
    audiences, model = [Audience(), Audience()], [set[int](), set[int]()]
    expected: list[list[str]] = [[] for _ in peers]
    heard: list[list[str]] = [[] for _ in peers]
    open_ = set(range(len(peers)))

    def sayTo(text: str, where: int, without: int | None) -> None:
        transport = None if without is None else factory.built[without].transport
        audiences[where].send(text, transport)
        for each in model[where] & open_ - {without}:
            expected[each].append(text)

    for number, (what, who, where, flag) in enumerate(steps):
        member = factory.built[who]
        text = f"안녕 {number}"
        if what == "add" and who in open_ and who not in model[where]:
            audiences[where].add(member.transport)
            model[where].add(who)
        elif what == "discard" and who in model[where]:
            audiences[where].discard(member.transport)
            model[where].discard(who)
        elif what == "say":
            sayTo(text, where, who if flag else None)
        elif what == "full":
            # More than may wait for the end of a turn.
            sayTo(text + "x" * 40_000, where, None)
        elif what == "tell" and who in open_:
            member.tell(text)
            expected[who].append(text)
        elif what == "close" and who in open_:
            member.transport.loseConnection()
            open_.discard(who)
        elif what == "turn":
            server.check()
            for index, peer in enumerate(peers):
                heard[index] += peer.hear()
            assert heard == expected
    for index, peer in enumerate(peers):
        heard[index] += peer.hear()
    assert heard == expected
    for audience in audiences:
        assert not audience.waiting


class Interrupter:
    """A producer that, when its peer does not read, does something to others who are being told the same."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt

    def pauseProducing(self) -> None:
        """The peer does not read."""
        self._interrupt()

    def resumeProducing(self) -> None:
        """It reads again."""

    stopProducing = resumeProducing


DEEDS = ["say", "say", "full", "full", "tell", "turn", "stop", "start", "close", "abort", "reset", "leave", "come"]
TROUBLE = ["tell", "say", "start", "leave", "come", "close", "abort", "reset"]


def whatReaches(steps: list[tuple[str, int]], trouble: str, whom: int, watched: bool) -> list[Any]:
    """Give all that reaches each member's peer, how it ends, and what is counted.

    @param trouble: what happens to `whom` whenever all are told something that the third one's peer does not read.
    @param watched: whether each message is an event, so that each member is told by itself.
    """
    factory = Members()
    server = MemoryServer(factory, traffic=watched, limits=Limits(pending=200_000), closeTimeout=5)
    peers: list[Any] = [getattr(server, kind)() for kind in ["tcp"] * 6 + ["websocket"] * 4 + ["tls"] * 2]
    audience = Audience()
    listeners: list[Any] = []
    for each in factory.built:
        audience.add(each.transport)
        listeners.append(each.transport.listener)  # type: ignore[attr-defined]
        listeners[-1].counting = True

    def do(what: str, who: int, number: int) -> None:
        member, transport = factory.built[who], factory.built[who].transport
        if what == "say":
            audience.send(f"{number} of {who}", transport if number % 2 else None)
        elif what == "full":
            audience.send(f"{number} {'x' * 50_000}")
        elif what == "tell":
            member.tell(f"{number} to you")
        elif what == "turn":
            server.check()
        elif what == "stop":
            peers[who].stopReading()
        elif what == "start":
            peers[who].startReading()
        elif what == "close":
            transport.loseConnection()
        elif what == "abort":
            transport.abortConnection()
        elif what == "reset":
            peers[who].reset()
        elif what == "leave":
            audience.discard(transport)
        elif not peers[who].closed:
            audience.discard(transport)
            audience.add(transport)

    factory.built[2].transport.registerProducer(Interrupter(lambda: do(trouble, whom, -1)), True)
    # It is about to read too little: what a transport keeps is nearly full.
    peers[2].stopReading()
    factory.built[2].tell("x" * 60_000)
    for number, (what, who) in enumerate([*steps, ("turn", 0), ("say", 0), ("turn", 0), ("full", 0)]):
        do(what, who, number)
    server.advance(10)
    for each in peers:
        each.startReading()
    server.advance(10)
    cuts = sorted((each.peer.port, each.reason) for each in server.events if isinstance(each, Cut))
    sent = [(each.counts.sent, each.counts.sentBytes) for each in listeners]
    return [cuts, sent, *((bytes(each._wire.received), each.finished, each.closed) for each in peers)]


@given(
    st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 11)), min_size=3, max_size=30),
    st.sampled_from(TROUBLE),
    st.integers(0, 11),
)
@example([("say", 0), ("tell", 0), ("full", 0)], "abort", 0)
def test_the_short_way_is_as_the_long_one(steps: list[tuple[str, int]], trouble: str, whom: int) -> None:
    """To be written to together, or one by one since somebody watches, makes no difference to any peer: the same
    bytes in the same order, the same cuts, the same counts; whoever does not read, leaves or closes meanwhile."""
    assert whatReaches(steps, trouble, whom, watched=False) == whatReaches(steps, trouble, whom, watched=True)


class Way:
    """Takes as much of what is sent at once as it is told; the rest is put."""

    def __init__(self, takes: int | None, then: Callable[[], object]) -> None:
        """@param takes: bytes; None: all, and does not say so; -1: none, for the system has an error."""
        self.data = b""
        self.send = self._none if takes is None else self._some
        self._takes, self._then = takes or 0, then

    def _none(self, data: bytes) -> None:
        self.data += data

    def _some(self, data: bytes) -> int:
        if self._takes < 0:
            raise BlockingIOError
        self.data += data[: self._takes]
        return min(self._takes, len(data))

    def put(self, data: bytes | memoryview) -> None:
        """Take the rest."""
        self.data += data
        self._then()


@given(st.lists(st.sampled_from([None, 0, 1, 3, 9, 9, 9, 9, -1]), max_size=12), st.integers(-1, 12))
def test_who_takes_less(takes: list[int | None], stopsAt: int) -> None:
    """Whoever takes some, none or all at once gets all, once, until somebody has it stopped: then it is known who
    has had it."""
    told: list[int] = []

    def stop(who: int) -> None:
        if who == stopsAt:
            told.extend(straight.stop())

    ways = [Way(each, partial(stop, who)) for who, each in enumerate(takes)]
    company: Any = SimpleNamespace(quick=dict(enumerate(ways)))
    straight = Straight(company, [3])
    straight.say(b"one line\n")
    hears = [who for who in range(len(ways)) if who != 3 and (who <= stopsAt or not straight.isStopped)]
    assert [each.data for each in ways] == [b"one line\n" if who in hears else b"" for who in range(len(ways))]
    assert straight.count == len(hears)
    assert told == (hears if straight.isStopped else [])


class TestOneTurn:
    """What is said in one turn."""

    def test_one_write_for_each_member(self) -> None:
        """The lines of one turn reach a member in one write; who has spoken does not get its own."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False))
        speaker, listener, page = server.tcp(), server.tcp(), server.websocket()
        writes = [writesOf(each) for each in (speaker, listener, page)]
        speaker.send(b"1\n2\n3\n")
        assert writes == [[], [b"1\n2\n3\n"], [b"\x81\x011\x81\x012\x81\x013"]]
        assert page.hear() == ["1", "2", "3"]

    def test_encoded_once(self) -> None:
        """A line is framed once for all who share a wire format, however many they are."""
        framed: list[bytes] = []

        class Counting(Lines):
            def frame(self, payload: bytes) -> bytes:
                framed.append(payload)
                return super().frame(payload)

        factory = Members()
        factory.framing = Counting
        server = MemoryServer(factory)
        peers = [server.tcp() for _ in range(10)]
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)
        audience.send("one")
        audience.send("two", factory.built[3].transport)
        assert [each.hear() for each in peers] == [["one", "two"]] * 3 + [["one"]] + [["one", "two"]] * 6
        assert framed == [b"one", b"two"]

    def test_answer_follows_the_line(self) -> None:
        """What a member is sent itself comes after what was said before, and before what is said later."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False, echo_self=True))
        member = server.tcp()
        member.send(b"one\n/rooms\ntwo\n")
        assert member.hear() == ["one", "* rooms: lobby (1)", "two"]

    def test_newcomer_hears_nothing_of_before(self) -> None:
        """Who comes in the turn in which something was said does not hear it; who leaves in it does."""
        factory = Members()
        server = MemoryServer(factory)
        first, second = server.tcp(), server.tcp()
        audience = Audience()
        audience.add(factory.built[0].transport)
        audience.send("one")
        audience.add(factory.built[1].transport)
        audience.send("two")
        audience.discard(factory.built[0].transport)
        audience.send("three")
        assert (first.hear(), second.hear()) == (["one", "two"], ["two", "three"])

    def test_closing_sends_what_was_said(self) -> None:
        """A member that is closed in that turn gets what was said before; on WebSocket before the close frame."""
        factory = Members()
        server = MemoryServer(factory)
        line, page = server.tcp(), server.websocket()
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)
        audience.send("last words")
        for each in factory.built:
            each.transport.loseConnection()
        audience.send("to nobody")
        assert line.hear() == ["last words"]
        assert [each.opcode for each in page.frames()] == [1, 8]

    def test_events_of_each_message(self) -> None:
        """Whoever watches sees each message to each member, joined or not."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False))
        speaker = server.tcp()
        server.tcp()
        server.websocket()
        speaker.send(b"1\n2\n")
        sent = [each for each in server.events if isinstance(each, MessageSent)]
        assert sorted((each.peer.kind, each.payload) for each in sent) == [
            ("tcp", b"1"),
            ("tcp", b"2"),
            ("websocket", b"1"),
            ("websocket", b"2"),
        ]


class TestMembers:
    """Members that make trouble."""

    def test_slow_member_is_cut_alone(self) -> None:
        """Who does not read is cut by what waits for it; the others get all."""
        factory = Members()
        server = MemoryServer(factory, limits=Limits(pending=100_000))
        slow, reader = server.tcp(), server.tcp()
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)
        slow.stopReading()
        for number in range(300):
            audience.send(f"{number} {'x' * 1000}")
            if number % 10 == 9:
                server.check()
        assert slow.closed
        assert [each.split()[0] for each in reader.hear()] == [str(number) for number in range(300)]
        (cut,) = (each for each in server.events if isinstance(each, Cut))
        assert cut.reason == "it did not read: more than 100000 bytes were waiting for it"

    def test_talk_while_all_are_told(self) -> None:
        """What somebody says, hears and does because it is told something keeps its place too."""
        factory = Members()
        server = MemoryServer(factory)
        peers = [server.tcp() for _ in range(4)]
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)

        class Talker:
            def pauseProducing(self) -> None:
                """The first one's peer does not read."""
                factory.built[1].tell("to you alone")
                audience.send("he does not read")
                audience.discard(factory.built[2].transport)

            def resumeProducing(self) -> None:
                """It reads again."""

            stopProducing = resumeProducing

        peers[0].stopReading()
        factory.built[0].transport.registerProducer(Talker(), True)
        audience.send("x" * 70_000)
        server.check()
        peers[0].startReading()
        long = "x" * 70_000
        assert [each.hear() for each in peers] == [
            [long, "he does not read"],
            [long, "to you alone", "he does not read"],
            [long, "he does not read"],
            [long, "he does not read"],
        ]

    def test_framing_that_cannot_carry_it(self) -> None:
        """Who listens in lines does without a message of two; the others get it."""
        factory = Members()
        server = MemoryServer(factory)
        line, page = server.tcp(), server.websocket()
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)
        for text in ("one", "two\nlines", "three"):
            audience.send(text)
        assert line.hear() == ["one", "three"]
        assert page.hear() == ["one", "two\nlines", "three"]

    def test_framing_that_fails(self) -> None:
        """What a framing of somebody's own raises costs its listeners that one line, and nobody else anything."""

        class Fussy(Lines):
            def frame(self, payload: bytes) -> bytes:
                """Frame one message."""
                return super().frame(payload.decode("ascii").encode())

        factory = Members()
        factory.framing = Fussy
        server = MemoryServer(factory)
        line, page = server.tcp(), server.websocket()
        audience = Audience()
        for each in factory.built:
            audience.add(each.transport)
        for text in ("one", "\N{SNOWMAN}", "two"):
            audience.send(text)
        assert line.hear() == ["one", "two"]
        assert page.hear() == ["one", "\N{SNOWMAN}", "two"]

    def test_nothing_to_write(self) -> None:
        """What a framing cannot carry is no write to its listeners, not even of nothing."""
        factory = Members()
        factory.framing = Int8
        server = MemoryServer(factory, traffic=False)
        peer = server.tcp()
        audience = Audience()
        audience.add(factory.built[0].transport)
        writes = writesOf(peer)
        for text in ("x" * 300, "short"):
            audience.send(text)
            server.check()
        assert writes == [b"\x05short"]

    def test_no_text(self) -> None:
        """Who says what is no text is told so at once, and the others go on."""
        factory = Members()
        peer = MemoryServer(factory).tcp()
        audience = Audience()
        audience.add(factory.built[0].transport)
        with pytest.raises(TypeError, match="expected a str to tell all, got b'bytes'"):
            audience.send(b"bytes")  # type: ignore[arg-type]
        audience.send("text")
        assert peer.hear() == ["text"]

    def test_changing_rooms_joins_again(self) -> None:
        """Who goes to another room has its lines joined there as well."""
        server = MemoryServer(ChatFactory(format="{text}", announce=False))
        speaker, mover = server.tcp(), server.tcp()
        for each in (speaker, mover):
            each.say("/join den")
        speaker.send(b"0\n")
        mover.hear()
        writes = writesOf(mover)
        speaker.send(b"1\n2\n")
        assert writes == [b"1\n2\n"]
