"""The chat of several servers that share an engine: what a person at one of them sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from socklab.protocols.chat import ChatFactory
from socklab.rooms.node import Node
from socklab.rooms.spread import SpreadRooms
from socklab.rooms.waiting import Line, Queue
from socklab.rooms.wire import decodeEntry, encodeEntry
from socklab.testing import MemoryEngine, MemoryServer, StreamPeer

Serve = Callable[..., MemoryServer]


@pytest.fixture
def engine() -> MemoryEngine:
    """An engine that runs."""
    return MemoryEngine()


@pytest.fixture
def serve(engine: MemoryEngine) -> Serve:
    """Start another server of the engine, with options of the chat."""

    def start(**options: object) -> MemoryServer:
        server = MemoryServer(ChatFactory(**options), engine=engine)  # type: ignore[arg-type]
        engine.advance(1)
        return server

    return start


def two(engine: MemoryEngine, serve: Serve, **options: object) -> tuple[MemoryServer, MemoryServer]:
    """Give two servers, which know each other."""
    return serve(**options), serve(**options)


def join(engine: MemoryEngine, *servers: MemoryServer) -> list[StreamPeer]:
    """Have a peer come to each; what they are told of that is heard."""
    peers = []
    for server in servers:
        peers.append(server.tcp())
        engine.advance(1)
    for peer in peers:
        peer.hear()
    return peers


def test_lines(engine: MemoryEngine, serve: Serve) -> None:
    """A line reaches members of all servers, those of the same at once."""
    first, second = two(engine, serve)
    here, beside, there = join(engine, first, first, second)
    here.say("안녕")
    assert beside.hear() == ["user1-0001: 안녕"]
    assert there.hear() == []
    engine.advance(1)
    assert there.hear() == ["user1-0001: 안녕"]
    assert here.hear() == []


def test_who(engine: MemoryEngine, serve: Serve) -> None:
    """Members of other servers are in /who, and counted in /rooms; who comes, goes and has a new name is told."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    there.say("/nick kim")
    there.say("/join den")
    engine.advance(1)
    assert here.hear() == ["* user1-0002 is kim now", "* kim has left"]
    here.say("/rooms")
    here.say("/join den")
    here.say("/who")
    assert here.hear() == [
        "* rooms: den (1), lobby (1)",
        "* you are in den now",
        "* in den: user1-0001 (you), kim",
    ]


def test_rooms_are_counted(engine: MemoryEngine, serve: Serve) -> None:
    """`max_rooms` holds for the rooms of all servers; one is gone when the last member of any has left."""
    first, second = two(engine, serve, max_rooms=2, announce=False)
    here, there = join(engine, first, second)
    there.say("/join den")
    engine.advance(1)
    here.say("/join cave")
    assert here.hear() == ["! there are 2 rooms already"]
    there.finish()
    engine.advance(1)
    here.say("/join cave")
    assert here.hear() == ["* you are in cave now"]


def test_history(engine: MemoryEngine, serve: Serve) -> None:
    """A newcomer is shown what was said at any server, at one that has just started too."""
    first, second = two(engine, serve, history=2, announce=False)
    here, there = join(engine, first, second)
    here.say("/join den")
    for text in ("one", "two"):
        here.say(text)
        there.say(text)
        engine.advance(1)
    third = serve(history=2, announce=False)
    assert third.tcp().hear() == ["user1-0002: one", "user1-0002: two"]
    late = third.tcp()
    late.hear()
    late.say("/join den")
    assert late.hear() == ["user1-0001: one", "user1-0001: two", "* you are in den now"]
    assert there.hear() == []


def test_who_comes_first_hears_the_past(engine: MemoryEngine, serve: Serve) -> None:
    """Who comes before a server has read what was said is shown it then, and what is said meanwhile behind it."""
    first, second = two(engine, serve, history=2, announce=False)
    here, _ = join(engine, first, second)
    for text in ("one", "two", "three"):
        here.say(text)
        engine.advance(1)
    engine.stop()
    third = serve(history=2, announce=False)
    early = third.tcp()
    engine.cut(third.node)
    engine.start()
    here.say("four")
    engine.advance(1)
    assert early.hear() == []
    engine.heal(third.node)
    engine.advance(1)
    assert early.hear() == ["user1-0001: two", "user1-0001: three", "user1-0001: four"]
    assert third.tcp().hear() == ["user1-0001: three", "user1-0001: four"]


def test_begun(engine: MemoryEngine) -> None:
    """A node has begun when it has read what was said before, when the engine is away, or after 5 s."""

    def started() -> tuple[Node, list[None]]:
        node = engine.node()
        begun: list[None] = []
        node.start()
        node.begun().addCallback(begun.append)
        return node, begun

    other, begun = started()
    engine.advance(1)
    assert begun == [None]
    for number in range(3):
        assert other.publish("chat", "lobby", f"line {number}", True)
    engine.advance(1)
    late, begun = started()
    assert not late.inbox.isCurrent
    assert begun == []
    engine.advance(1)
    assert late.inbox.isCurrent
    assert begun == [None]
    engine.stop()
    _, begun = started()
    engine.advance(4)
    assert begun == []
    engine.advance(2)
    assert begun == [None]


def test_names(engine: MemoryEngine, serve: Serve) -> None:
    """A name of another server's member is taken; who had one longer keeps it when two take it at once."""
    first, second = two(engine, serve, announce=False)
    here, there = join(engine, first, second)
    here.say("/nick kim")
    engine.advance(1)
    there.say("/nick KIM")
    assert there.hear() == ["! somebody is called KIM already"]
    engine.cut(second.node)
    engine.advance(10)
    there.say("/nick Kim")
    engine.heal(second.node)
    engine.advance(2)
    assert here.hear() == ["* you are kim now"]
    assert there.hear() == [
        "* you are Kim now",
        "! somebody at another server was called Kim before you: you are user2-0002 now",
    ]
    there.say("/who")
    assert there.hear() == ["* in lobby: user2-0002 (you), kim"]


def test_outage(engine: MemoryEngine, serve: Serve) -> None:
    """While the engine is away members of one server go on; what the others missed comes in its order, once."""
    first, second = two(engine, serve)
    here, beside, there = join(engine, first, first, second)
    engine.stop()
    for text in ("one", "two"):
        here.say(text)
    engine.advance(3)
    assert beside.hear() == ["user1-0001: one", "user1-0001: two"]
    assert there.hear() == []
    engine.start()
    engine.advance(3)
    # It was too short to be noticed.
    assert there.hear() == ["user1-0001: one", "user1-0001: two"]


def test_full(engine: MemoryEngine, serve: Serve) -> None:
    """When too much waits, who speaks is told that only those at its server hear it; the rest goes out."""
    first, second = two(engine, serve)
    assert first.node is not None
    first.node.outbox.waiting.bounds = Queue(lines=3)
    here, beside, there = join(engine, first, first, second)
    engine.stop()
    for text in ("1", "2", "3", "4"):
        here.say(text)
    told = "! only those at this server hear you: the others cannot be reached, and too much waits for them"
    assert here.hear() == [told]
    assert len(beside.hear()) == 4
    engine.start()
    engine.advance(3)
    assert there.hear() == ["user1-0001: 1", "user1-0001: 2", "user1-0001: 3"]
    assert first.node.outbox.counts.dropped == 1
    here.say("5")
    engine.advance(1)
    assert there.hear() == ["user1-0001: 5"]


def test_bytes(engine: MemoryEngine) -> None:
    """What may wait is bounded in bytes too, and in all rooms together; each line counts 100 more."""
    node = engine.node(Queue(lines=10**6, bytes=1000))
    assert [node.publish("chat", "lobby", "x" * 300, True) for _ in range(4)] == [True, True, False, False]
    taken = sum(node.publish("chat", f"room{number}", "x" * 800, True) for number in range(200))
    assert taken == (64 * 1000 - 800) // 900


def test_death(engine: MemoryEngine, serve: Serve) -> None:
    """Members of a server that dies leave within 10 s, and the others are told; many of them in one line."""
    first, second = two(engine, serve)
    third = serve()
    here, there, *_ = join(engine, first, second, *[third] * 6)
    engine.kill(second.node)
    engine.advance(10)
    here.say("/who")
    said = here.hear()
    assert said[-2] == "* user1-0002 has left: their server cannot be reached"
    assert "user1-0002" not in said[-1]
    engine.kill(third.node)
    engine.advance(10)
    here.say("/who")
    assert here.hear() == [
        "* 6 members have left: their server cannot be reached",
        "* in lobby: user1-0001 (you)",
    ]
    there.hear()


def test_partition(engine: MemoryEngine, serve: Serve) -> None:
    """Servers that cannot reach one another tell so, and that they can again; nothing that was said is missing."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    engine.cut(second.node)
    engine.advance(10)
    here.say("where are you?")
    there.say("nobody here")
    engine.heal(second.node)
    engine.advance(3)
    assert here.hear() == [
        "* user1-0002 has left: their server cannot be reached",
        "* user1-0002 has come back",
        "user1-0002: nobody here",
    ]
    assert sorted(there.hear()) == [
        "* user1-0001 has come back",
        "* user1-0001 has left: their server cannot be reached",
        "user1-0001: where are you?",
    ]


def test_stop(engine: MemoryEngine, serve: Serve) -> None:
    """Members of a server that stops leave at once; what they have said reaches the others."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    assert second.node is not None
    there.say("bye")
    stopped = second.node.stop(20)
    assert not stopped.called
    engine.advance(1)
    assert stopped.called
    assert here.hear() == ["* user1-0002 has left: their server has stopped", "user1-0002: bye"]


def test_stop_without_the_engine(engine: MemoryEngine) -> None:
    """A server that stops while the engine is away waits for it, so long as it may, and tells what is lost."""
    said: list[str] = []
    engine.stop()
    node = engine.node(say=said.append)
    node.start()
    node.publish("chat", "lobby", "hello", False)
    stopped = node.stop(5)
    engine.advance(4)
    assert not stopped.called
    engine.advance(2)
    assert stopped.called
    assert said == ["rooms: lines that did not reach the engine, and are lost: 1"]
    assert not engine.clock.getDelayedCalls()


def test_replaced(engine: MemoryEngine, serve: Serve) -> None:
    """A Factory that takes another's place on a reload knows at once who is elsewhere; that one hears no more."""
    first, second = two(engine, serve)
    join(engine, first, second)
    assert second.node is not None
    factory = ChatFactory()
    old = SpreadRooms(factory.rooms, "test", second.node, engine.clock)
    rooms = SpreadRooms(factory.rooms, "test", second.node, engine.clock)
    old.close()
    assert rooms.counts() == [("lobby", 1)]
    assert [each.nick for each in rooms.members("lobby")] == ["user1-0001"]


def test_wiped(engine: MemoryEngine, serve: Serve) -> None:
    """An engine that has forgotten all is as good as a new one: what is said from then on reaches everybody."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    here.say("before")
    engine.advance(1)
    engine.wipe()
    here.say("meanwhile")
    engine.start()
    engine.advance(1)
    assert there.hear() == ["user1-0001: before", "user1-0001: meanwhile"]


def test_log(engine: MemoryEngine) -> None:
    """The log has a line when the engine is lost, what somebody has to mend, and when it is back, once each."""
    said: list[str] = []
    node = engine.node(say=said.append)
    node.start()
    engine.advance(1)
    engine.stop()
    for _ in range(10):
        node.engineDown("connection refused")
    for _ in range(10):
        node.engineDown("the credentials are wrong", isMistake=True)
    node.publish("chat", "lobby", "hello", False)
    engine.start()
    engine.advance(1)
    assert said == [
        "rooms: the engine is there",
        "rooms: the engine cannot be reached: the engine has ended; members here go on, and what they say waits",
        "rooms: the engine cannot be reached: the credentials are wrong",
        "rooms: the engine is there; lines that go out: 1",
    ]


MISSED = (
    "rooms: entries of the engine's log that were gone before they were read here: {}; what they said is missing"
)


@pytest.mark.parametrize("isSpokenLater", [False, True])
def test_aged(engine: MemoryEngine, isSpokenLater: bool) -> None:
    """A node that was away for so long that the engine keeps no more what it has missed, is told of; once."""
    said: list[str] = []
    there, here = engine.node(), engine.node(say=said.append)
    for node in (there, here):
        node.start()
    engine.advance(1)
    engine.cut(here)
    for _ in range(3):
        there.publish("chat", "lobby", "hello", True)
        engine.advance(1)
    engine.age()
    if isSpokenLater:
        there.publish("chat", "lobby", "later", True)
        engine.advance(1)
    engine.heal(here)
    engine.advance(1)
    there.publish("chat", "lobby", "at last", True)
    engine.advance(1)
    assert said[2:] == ["rooms: the engine is there", MISSED.format(3)]
    assert here.inbox.missed == 3


def test_aged_while_reading(engine: MemoryEngine) -> None:
    """So is one that reads too slowly."""
    said: list[str] = []
    node = engine.node(say=said.append)
    node.start()
    engine.advance(1)
    for sequence in (1, 2, 5, 6):
        node.entryRead(
            sequence, 0.0, encodeEntry("node", ("chat", "lobby"), sequence, sequence, [Line("x", True)])
        )
    assert said[1:] == [MISSED.format(2)]


def test_newcomer_misses_nothing(engine: MemoryEngine) -> None:
    """A node that comes is told of no entries that were gone before."""
    said: list[str] = []
    first = engine.node()
    first.start()
    for _ in range(3):
        first.publish("chat", "lobby", "hello", True)
        engine.advance(1)
    engine.age()
    engine.node(say=said.append).start()
    engine.advance(1)
    first.publish("chat", "lobby", "hello", True)
    engine.advance(1)
    assert said == ["rooms: the engine is there"]


def burst(engine: MemoryEngine, serve: Serve) -> tuple[MemoryServer, list[StreamPeer]]:
    """Have somebody speak while one node is away, in several entries of which none waits for another."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    here.say("zero")
    engine.advance(1)
    assert there.hear() == ["user1-0001: zero"]
    engine.cut(second.node)
    for number in range(4):
        here.say(f"line {number}")
        engine.clock.advance(0.001)
    return second, [here, there]


def test_aged_burst(engine: MemoryEngine, serve: Serve) -> None:
    """What came in one go with what is gone is heard at once: nobody waits for what does not come."""
    second, (_, there) = burst(engine, serve)
    engine.clock.advance(0.0085)
    assert len(engine.entries(0)) > 1
    engine.age()
    engine.advance(1)
    engine.heal(second.node)
    engine.advance(2)
    assert there.hear()[-1:] == ["user1-0001: line 3"]


def test_wiped_burst(engine: MemoryEngine, serve: Serve) -> None:
    """So it is when the engine has forgotten it."""
    second, (_, there) = burst(engine, serve)
    engine.clock.advance(0.0085)
    assert len(engine.entries(0)) > 1
    engine.wipe()
    engine.start()
    engine.heal(second.node)
    engine.advance(2)
    assert there.hear()[-1:] == ["user1-0001: line 3"]


def test_refused(engine: MemoryEngine) -> None:
    """An engine that takes nothing is told of in the log, once; what waits goes out when it takes it."""
    said: list[str] = []
    node = engine.node(say=said.append)
    node.start()
    engine.advance(1)
    for _ in range(10):
        engine.falter(node, stored=False)
    node.publish("chat", "lobby", "hello", False)
    engine.advance(60)
    assert said[1:] == ["rooms: the engine does not take what is said: no answer; it waits"]
    assert (node.outbox.owed, node.outbox.counts.resent) == (0, 10)


def test_too_long(engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that no entry can hold is not taken; one that the engine takes no longer keeps no other from it."""
    node = engine.node(Queue(bytes=10**8))
    node.start()
    assert not node.publish("chat", "lobby", "x" * 2**20, False)
    assert node.publish("chat", "lobby", "x" * 2**19, False)
    assert node.publish("chat", "lobby", "short", False)
    monkeypatch.setattr(engine, "limit", 2**18)
    engine.advance(1)
    assert (node.outbox.owed, node.outbox.counts.dropped) == (0, 2)
    assert [len(decodeEntry(each.data).lines) for each in engine.entries(0)] == [1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1,2,3]",
        b'["a",1e999,1,"s","r",["x"]]',
        b'["a","2","1","s","r",["x"]]',
        b'["a",2.5,1.5,"s","r",["x"]]',
        b'{"node":"a","is":"news","version":1e999}',
        b'{"node":"a","is":"all","version":1,"parts":0}',
        b'{"node":"a","is":"all","version":1,"part":5,"parts":1}',
        b'{"node":"a","is":"news","version":1,"of":[["chat",1,"kim",1e999,["lobby"]]]}',
        b'{"node":"a","is":"news","version":1,"of":[["test",1,"user1-0001",NaN,["lobby"]]]}',
        b'["a",1,2,"s","r",[5]]',
        b"\xff",
        b"[" * 10**5,
    ],
)
def test_strangers(engine: MemoryEngine, serve: Serve, data: bytes) -> None:
    """What something else says through the engine harms nobody."""
    first, second = two(engine, serve)
    here, there = join(engine, first, second)
    engine.store("key", data)
    engine.tell(data, "")
    here.say("hello")
    engine.advance(1)
    assert there.hear() == ["user1-0001: hello"]
