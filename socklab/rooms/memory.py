"""Rooms in the memory of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from unicodedata import normalize

from ..message import IMessageTransport
from .audience import Audience


class Named(Protocol):
    """Somebody in a room, here or at another node."""

    nick: str


class Member(Named, Protocol):
    """Somebody who is here, and can be told something."""

    transport: IMessageTransport


@dataclass(frozen=True, slots=True)
class Arrived:
    """Members of another node are in a room."""

    room: str
    members: Sequence[Named]
    isBack: bool
    """Whether they were lost: nobody else will tell of it. Else they have just come."""


@dataclass(frozen=True, slots=True)
class Departed:
    """Members of another node are no longer in a room."""

    room: str
    members: Sequence[Named]
    why: str
    """What became of their node: nobody else will tell of it. Empty when they left by themselves."""


@dataclass(frozen=True, slots=True)
class Outnamed:
    """A member here has to take another name: somebody at another node had this one first."""

    member: Member


RoomEvent = Arrived | Departed | Outnamed
Observer = Callable[[RoomEvent], None]


class TooManyRooms(Exception):
    """There are as many rooms as there may be."""


def folded(nick: str) -> str:
    """Give what two names that look alike have in common."""
    return normalize("NFC", nick).casefold()


class Room:
    """Who is in it, and what was said there."""

    __slots__ = ("audience", "history", "members")

    def __init__(self, history: int) -> None:
        self.members: dict[Member, None] = {}
        """In the order in which they came."""
        self.history: deque[str] = deque(maxlen=history)
        self.audience = Audience()


class MemoryRooms:
    """The lobby, and rooms that exist while somebody is in them; one that empties takes its history along.

    A Factory that keeps its rooms as its attribute `rooms`, from `__init__` on, has them spread over all nodes
    where the config names an engine: they are replaced before `startFactory` is called. What is said here of
    members, names and rooms then holds for those of all nodes.
    """

    tag = ""
    """What to add to names that are made up here, so that no other node makes up the same."""

    def __init__(self, lobby: str, maxRooms: int = 1000, history: int = 0) -> None:
        """@param lobby: the name of the room that is always there.
        @param maxRooms: how many rooms there may be, the lobby among them.
        @param history: how many lines a room remembers.
        """
        self.lobby = lobby
        self.maxRooms = maxRooms
        self.history = history
        self.observers: list[Observer] = []
        self._rooms = {lobby: Room(history)}
        self._names: dict[str, Member] = {}

    def resize(self, maxRooms: int | None, history: int | None) -> None:
        """Change the bounds that are given; rooms that are there stay, with the last lines that they remember."""
        if maxRooms is not None:
            self.maxRooms = maxRooms
        if history is not None:
            self.history = history
            for room in self._rooms.values():
                room.history = deque(room.history, maxlen=history)

    def observe(self, observer: Observer) -> None:
        """Have `observer` called with what happens at other nodes: `Arrived`, `Departed`, and `Outnamed`."""
        self.observers.append(observer)

    def join(self, name: str, member: Member, leaving: str = "") -> list[str]:
        """Let a member in, and give the lines that the room remembers.

        @param leaving: the room that the member will leave next.
        @raise TooManyRooms: the room would be one more than `maxRooms`.
        """
        room = self._rooms.get(name)
        if room is None:
            empties = leaving not in ("", self.lobby) and self._count(leaving) == 1
            if len(self._rooms) - empties >= self.maxRooms:
                raise TooManyRooms(f"there are {self.maxRooms} rooms already")
            room = self._open(name)
        room.members[member] = None
        room.audience.add(member.transport)
        return [*room.history]

    def leave(self, name: str, member: Member) -> None:
        """Let a member out."""
        room = self._rooms[name]
        del room.members[member]
        room.audience.discard(member.transport)
        self._sweep(name)

    def _open(self, name: str) -> Room:
        room = self._rooms[name] = Room(self.history)
        return room

    def _sweep(self, name: str) -> None:
        """Forget a room that nobody is in."""
        if name != self.lobby and name in self._rooms and not self._count(name):
            del self._rooms[name]

    def _count(self, name: str) -> int:
        return len(self._rooms[name].members)

    def publish(self, name: str, line: str, without: Member | None = None, keep: bool = False) -> bool:
        """Send a line to all members, in the order of calls the same to each.

        @param without: who does not get it.
        @param keep: whether newcomers will be shown it.
        @return: False if only members here get it: other nodes cannot be reached, and too much waits for them.
        """
        room = self._rooms.get(name)
        if room is None:
            return True
        if keep:
            room.history.append(line)
        room.audience.send(line, None if without is None else without.transport)
        return True

    def publishHere(self, name: str, line: str, without: Member | None = None, keep: bool = False) -> None:
        """Send a line to the members of this node only."""
        MemoryRooms.publish(self, name, line, without, keep)

    def members(self, name: str) -> Sequence[Named]:
        """Give those in a room: those here in the order in which they came, then those of other nodes."""
        room = self._rooms.get(name)
        return [*room.members] if room is not None else []

    def counts(self) -> list[tuple[str, int]]:
        """Give each room's name and how many are in it, by name."""
        return sorted((name, self._count(name)) for name in self._rooms)

    def rename(self, member: Member, nick: str) -> bool:
        """Have a member called `nick`, unless somebody else is: then give False.

        Names that look alike, in another case or form of Unicode, are one. Where two nodes give the same name at
        the same time, who had it first keeps it, and the other one is `Outnamed`.
        """
        if self._names.get(folded(nick), member) is not member:
            return False
        self.forget(member)
        self._names[folded(nick)] = member
        member.nick = nick
        return True

    def forget(self, member: Member) -> None:
        """Have a member's name free for others."""
        if self._names.get(folded(member.nick)) is member:
            del self._names[folded(member.nick)]
