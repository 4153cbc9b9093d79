"""Rooms in the memory of one process."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ..message import IMessageTransport
from .audience import Audience


class Member(Protocol):
    """Somebody in a room."""

    nick: str
    transport: IMessageTransport


class TooManyRooms(Exception):
    """There are as many rooms as there may be."""


class _Room:
    def __init__(self, history: int) -> None:
        # In the order in which they came.
        self.members: dict[Member, None] = {}
        self.history: deque[str] = deque(maxlen=history)
        self.audience = Audience()


class MemoryRooms:
    """The lobby, and rooms that exist while somebody is in them; one that empties takes its history along."""

    def __init__(self, lobby: str, maxRooms: int = 1000, history: int = 0) -> None:
        """@param lobby: the name of the room that is always there.
        @param maxRooms: how many rooms there may be, the lobby among them.
        @param history: how many lines a room remembers.
        """
        self._lobby = lobby
        self._maxRooms = maxRooms
        self._history = history
        self._rooms = {lobby: _Room(history)}

    def resize(self, maxRooms: int | None, history: int | None) -> None:
        """Change the bounds that are given; rooms that are there stay, with the last lines that they remember."""
        if maxRooms is not None:
            self._maxRooms = maxRooms
        if history is not None:
            self._history = history
            for room in self._rooms.values():
                room.history = deque(room.history, maxlen=history)

    def join(self, name: str, member: Member, leaving: str = "") -> list[str]:
        """Let a member in, and give the lines that the room remembers.

        @param leaving: the room that the member will leave next.
        @raise TooManyRooms: the room would be one more than `maxRooms`.
        """
        room = self._rooms.get(name)
        if room is None:
            empties = leaving not in ("", self._lobby) and len(self._rooms[leaving].members) == 1
            if len(self._rooms) - empties >= self._maxRooms:
                raise TooManyRooms(f"there are {self._maxRooms} rooms already")
            room = self._rooms[name] = _Room(self._history)
        room.members[member] = None
        room.audience.add(member.transport)
        return [*room.history]

    def leave(self, name: str, member: Member) -> None:
        """Let a member out."""
        room = self._rooms[name]
        del room.members[member]
        room.audience.discard(member.transport)
        if not room.members and name != self._lobby:
            del self._rooms[name]

    def publish(self, name: str, line: str, without: Member | None = None, keep: bool = False) -> None:
        """Send a line to all members, in the order of calls the same to each.

        @param without: who does not get it.
        @param keep: whether newcomers will be shown it.
        """
        room = self._rooms.get(name)
        if room is None:
            return
        if keep:
            room.history.append(line)
        room.audience.send(line, None if without is None else without.transport)

    def members(self, name: str) -> list[Member]:
        """Give those in a room, in the order in which they came."""
        return [*self._rooms[name].members]

    def counts(self) -> list[tuple[str, int]]:
        """Give each room's name and how many are in it, by name."""
        return sorted((name, len(room.members)) for name, room in self._rooms.items())
