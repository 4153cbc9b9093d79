"""Rooms of several nodes against a model: whatever happens, nobody misses or doubles a line."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from socklab import MemoryRooms, Outnamed, RoomEvent
from socklab.message import Encoded
from socklab.rooms.node import Node
from socklab.rooms.spread import SpreadRooms
from socklab.rooms.waiting import Queue
from socklab.rooms.wire import decodeEntry
from socklab.testing import MemoryEngine

ROOMS = ("lobby", "den")
NAMES = ("kim", "Kim", "lee")
QUEUE = 20


class Ear:
    """A member's transport: keeps what it is told."""

    wireFormat = encoding = "utf-8"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def encode(self, payload: bytes, isBinary: bool) -> Encoded:
        """Give it as it is."""
        return Encoded(payload, payload, isBinary)

    def sendEncoded(self, message: Encoded) -> None:
        """Keep it."""
        self.heard.append(message.payload.decode())


class Person:
    """A member, and what it has to hear."""

    def __init__(self, number: int, at: Place) -> None:
        self.number = number
        self.at = at
        self.nick = ""
        self.transport: Any = Ear()
        self.room = ""
        self.spoken = 0
        self.due: set[str] = set()
        """Lines that were said since it came, by others, and taken for all."""

    def newName(self) -> None:
        """Take a name that nobody has."""
        count = 0
        while not self.at.rooms.rename(self, f"p{self.number}-{count}"):
            count += 1


class Place:
    """A node, and its rooms."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.node: Node = engine.node(Queue(QUEUE, 10**6))
        self.node.start()
        self.rooms = SpreadRooms(MemoryRooms("lobby", history=5), "chat", self.node, engine.clock)
        self.rooms.observe(self.happened)
        self.people: list[Person] = []
        self.isCut = self.hasFaltered = self.wasAway = False

    def happened(self, event: RoomEvent) -> None:
        """Give way to who has had a name longer."""
        if isinstance(event, Outnamed) and isinstance(event.member, Person):
            event.member.newName()


class RoomsMachine(RuleBasedStateMachine):
    """People come, go and speak at nodes that die, and that lose the engine, which comes and goes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = MemoryEngine()
        self.places = [Place(self.engine), Place(self.engine)]
        self.count = 0
        self.lines: dict[str, Person] = {}
        self.dead: list[Place] = []
        self.aged: set[str] = set()
        for place in (0, 1, 1):
            self.come(place, "lobby")
        self.engine.advance(1)

    def people(self) -> list[Person]:
        """Give all who live."""
        return [each for place in self.places for each in place.people]

    # What people do

    @rule(place=st.integers(0, 9), room=st.sampled_from(ROOMS))
    def arrive(self, place: int, room: str) -> None:
        """Somebody comes to a node."""
        self.come(place, room)

    def come(self, place: int, room: str) -> None:
        """Have somebody come to a node."""
        at = self.places[place % len(self.places)]
        self.count += 1
        person = Person(self.count, at)
        person.newName()
        at.people.append(person)
        self.enter(person, room)

    def enter(self, person: Person, room: str) -> None:
        """Go into a room; the history has no line twice."""
        history = person.at.rooms.join(room, person)
        assert len({*history}) == len(history) <= 5
        person.room = room
        person.due = set()
        person.transport.heard = []

    @precondition(lambda self: self.people())
    @rule(number=st.integers(0, 99), times=st.sampled_from((1, 1, 3, QUEUE + 5)))
    def speak(self, number: int, times: int) -> None:
        """Somebody speaks."""
        self.say(self.people()[number % len(self.people())], times)

    @precondition(lambda self: self.people())
    @rule(number=st.integers(0, 99), what=st.sampled_from(("falter", "cut", "stop")), stored=st.booleans())
    def speakInTrouble(self, number: int, what: str, stored: bool) -> None:
        """Somebody speaks, and what was said is on its way when something happens."""
        speaker = self.people()[number % len(self.people())]
        place = self.places.index(speaker.at)
        if what == "falter":
            self.falter(place, stored)
        self.say(speaker, 3)
        if what == "cut":
            self.cut(place, stored)
        elif what == "stop":
            self.stop(stored)
        self.wait(3)
        self.say(speaker, 1)

    def say(self, speaker: Person, times: int) -> None:
        """Have somebody speak: those at the same node hear it at once."""
        for _ in range(times):
            speaker.spoken += 1
            line = f"{speaker.number}:{speaker.spoken}"
            self.lines[line] = speaker
            taken = speaker.at.rooms.publish(speaker.room, line, without=speaker, keep=True)
            for each in self.people():
                if each is not speaker and each.room == speaker.room and (taken or each.at is speaker.at):
                    each.due.add(line)
                    assert each.at is not speaker.at or line in each.transport.heard
            # Each in an entry of its own.
            self.engine.clock.advance(0)

    @precondition(lambda self: self.people())
    @rule(number=st.integers(0, 99), room=st.sampled_from((*ROOMS, "")))
    def move(self, number: int, room: str) -> None:
        """Somebody goes to another room, or away."""
        person = self.people()[number % len(self.people())]
        if room == person.room:
            return
        person.at.rooms.leave(person.room, person)
        if room:
            self.enter(person, room)
        else:
            person.at.rooms.forget(person)
            person.at.people.remove(person)

    @precondition(lambda self: self.people())
    @rule(number=st.integers(0, 99), name=st.sampled_from(NAMES))
    def rename(self, number: int, name: str) -> None:
        """Somebody wants another name."""
        person = self.people()[number % len(self.people())]
        person.at.rooms.rename(person, name)

    @precondition(lambda self: len(self.people()) > 1)
    @rule(one=st.integers(0, 99), other=st.integers(0, 99))
    def renameBoth(self, one: int, other: int) -> None:
        """Two want the same name, before either can know of the other."""
        self.rename(one, "yun")
        self.rename(other, "Yun")

    # What happens to them

    @rule(seconds=st.sampled_from((0.25, 1, 3, 9, 30)))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.engine.advance(seconds)
        for place in self.places:
            place.wasAway |= seconds > 3 and (place.isCut or not self.engine.isUp)

    @rule(place=st.integers(0, 9), stored=st.booleans())
    def cut(self, place: int, stored: bool) -> None:
        """A node loses the engine."""
        at = self.places[place % len(self.places)]
        at.isCut = True
        self.engine.cut(at.node, stored)

    @rule(place=st.integers(0, 9))
    def heal(self, place: int) -> None:
        """A node finds the engine again."""
        at = self.places[place % len(self.places)]
        at.isCut = False
        self.engine.heal(at.node)

    @rule(place=st.integers(0, 9), stored=st.booleans())
    def falter(self, place: int, stored: bool) -> None:
        """The engine fails at one thing, and not at the next."""
        at = self.places[place % len(self.places)]
        at.hasFaltered = True
        self.engine.falter(at.node, stored)

    @rule(place=st.integers(0, 9))
    def mumble(self, place: int) -> None:
        """The next that a node tells of its members gets lost."""
        self.engine.mumble(self.places[place % len(self.places)].node)

    @rule(stored=st.booleans())
    def stop(self, stored: bool) -> None:
        """The engine ends."""
        self.engine.stop(stored)

    @rule()
    def age(self) -> None:
        """The engine keeps no longer what it has stored: who was away has missed it."""
        self.aged |= self.stored()
        self.engine.age()
        for place in self.places:
            place.wasAway = True

    def stored(self) -> set[str]:
        """Give the lines that the engine has."""
        return {line.text for each in self.engine.entries(0) for line in decodeEntry(each.data).lines}

    @rule()
    def start(self) -> None:
        """The engine begins again."""
        self.engine.start()

    @precondition(lambda self: len(self.places) < 4)
    @rule()
    def begin(self) -> None:
        """Another node comes."""
        self.places.append(Place(self.engine))

    @precondition(lambda self: len(self.places) > 1)
    @rule(place=st.integers(0, 9))
    def die(self, place: int) -> None:
        """A node dies: what it had in hand may be lost."""
        at = self.places.pop(place % len(self.places))
        self.engine.kill(at.node)
        self.dead.append(at)

    # What holds

    @rule()
    def settle(self) -> None:
        """When all can reach one another again, everybody has heard all, once, in the order of each speaker."""
        self.engine.start()
        for place in self.places:
            place.isCut = False
            self.engine.heal(place.node)
        self.engine.advance(30)
        lost = {line for line, speaker in self.lines.items() if speaker.at in self.dead} - self.stored()
        for person in self.people():
            heard = person.transport.heard
            assert len({*heard}) == len(heard), (heard, "doubled")
            assert person.due - {*heard} <= lost | self.aged, (person.due - {*heard}, "missed")
            said: dict[str, list[int]] = defaultdict(list)
            for line in heard:
                if not (self.lines[line].at.hasFaltered and self.lines[line].at.wasAway):
                    speaker, number = line.split(":")
                    said[speaker].append(int(number))
            assert all(numbers == sorted(numbers) for numbers in said.values()), (said, "out of order")
        for place in self.places:
            assert place.node.outbox.owed == 0
            for room in ROOMS:
                found = sorted(each.nick for each in place.rooms.members(room))
                assert found == sorted(each.nick for each in self.people() if each.room == room), "/who"
        names = [each.nick.casefold() for each in self.people()]
        assert len({*names}) == len(names), names

    def teardown(self) -> None:
        """In the end, too."""
        self.settle()


def test_model() -> None:
    """Nobody misses or doubles a line that was taken, and all agree on who is there."""
    run_state_machine_as_test(
        RoomsMachine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[*HealthCheck]
        ),
    )
