"""Rooms that the nodes of an engine share."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from twisted.logger import Logger

from .memory import Arrived, Departed, Member, MemoryRooms, Named, Outnamed, Room, RoomEvent, folded
from .node import Node
from .places import Place
from .presence import GONE
from .waiting import Line

_log: Final = Logger(namespace="socklab")

Elsewhere = tuple[str, int]
"""A member of another node: the node, and a number."""


class RemoteMember:
    """Somebody at another node."""

    __slots__ = ("claim", "nick", "node", "rooms")

    def __init__(self, node: str, place: Place) -> None:
        self.node = node
        self.nick, self.claim, self.rooms = place


class SpreadRooms(MemoryRooms):
    """Rooms with members of all nodes: those here are told at once, the others through the engine."""

    def __init__(self, before: MemoryRooms, service: str, node: Node, clock: Any) -> None:
        """@param before: the rooms of a Factory that is yet to start: what it has set holds here."""
        super().__init__(before.lobby, before.maxRooms, before.history)
        self.observers = before.observers
        self.tag = f"-{node.identity[:4]}"
        self._service = service
        self._node = node
        self._clock = clock
        self._here: dict[Member, _Here] = {}
        self._elsewhere: dict[Elsewhere, RemoteMember] = {}
        self._inRoom: dict[str, dict[Elsewhere, RemoteMember]] = {}
        self._early: dict[str, deque[str]] = {}
        self._called: dict[str, dict[Elsewhere, RemoteMember]] = {}
        node.add(service, self)

    # Who is here

    def join(self, name: str, member: Member, leaving: str = "") -> list[str]:
        """Let a member in, and give the lines that the room remembers."""
        lines = super().join(name, member, leaving)
        self._hereOf(member).rooms[name] = None
        self._tell(member)
        return lines

    def leave(self, name: str, member: Member) -> None:
        """Let a member out."""
        super().leave(name, member)
        self._hereOf(member).rooms.pop(name, None)
        self._tell(member)

    def rename(self, member: Member, nick: str) -> bool:
        """Have a member called `nick`, unless somebody is, here or at another node: then give False."""
        if self._called.get(folded(nick)):
            return False
        if not super().rename(member, nick):
            return False
        self._hereOf(member).claim = self._clock.seconds()
        self._tell(member)
        return True

    def forget(self, member: Member) -> None:
        """Have a member's name free for others."""
        super().forget(member)
        if member in self._here:
            self._here[member].claim = None
            self._tell(member)

    def _hereOf(self, member: Member) -> _Here:
        if member not in self._here:
            self._here[member] = _Here(self._node.number())
        return self._here[member]

    def _tell(self, member: Member) -> None:
        here = self._here[member]
        key = self._service, here.number
        if here.rooms or here.claim is not None:
            self._node.presence.put(key, Place(member.nick, here.claim, tuple(here.rooms)))
        else:
            del self._here[member]
            self._node.presence.put(key, None)

    def close(self) -> None:
        """Hear and say no more: the service is gone."""
        self._node.remove(self._service, self)

    # What is said

    def publish(self, name: str, line: str, without: Member | None = None, keep: bool = False) -> bool:
        """Send a line to all members; to those of other nodes when the engine can be reached."""
        self.publishHere(name, line, without, keep)
        return self._node.publish(self._service, name, line, keep)

    def hear(self, room: str, lines: Sequence[Line]) -> None:
        """Somebody at another node says this."""
        for line in lines:
            self.publishHere(room, line.text, keep=line.keep)
        if room not in self._rooms:
            self._keepEarly(room, [line.text for line in lines if line.keep])

    def recall(self, room: str, lines: Sequence[str]) -> None:
        """This was said before this node was there."""
        if found := self._rooms.get(room):
            found.history = deque([*lines, *found.history], maxlen=self.history)
            # Who is in it has come before this was known, and was shown nothing.
            for line in lines:
                self.publishHere(room, line)
        else:
            self._keepEarly(room, lines)

    def _keepEarly(self, room: str, lines: Sequence[str]) -> None:
        """Keep what was said in a room until it is told who is there, or nobody is."""
        if not self.history or not lines:
            return
        if not self._early:
            self._clock.callLater(GONE, self._early.clear)
        self._early.setdefault(room, deque(maxlen=self.history)).extend(lines)

    def _open(self, name: str) -> Room:
        room = super()._open(name)
        room.history.extend(self._early.pop(name, ()))
        return room

    def remembers(self) -> int:
        """Give how many lines a room keeps for newcomers."""
        return self.history

    # Who is at other nodes

    def members(self, name: str) -> Sequence[Named]:
        """Give those in a room: those here in the order in which they came, then those of other nodes."""
        return [*super().members(name), *self._inRoom.get(name, {}).values()]

    def _count(self, name: str) -> int:
        return super()._count(name) + len(self._inRoom.get(name, ()))

    def changed(self, node: str, changes: Sequence[tuple[int, Place | None]], why: str) -> None:
        """Members of another node are somewhere else now."""
        arrived: dict[str, list[Named]] = {}
        departed: dict[str, list[Named]] = {}
        for number, place in changes:
            key = node, number
            before = self._elsewhere.pop(key, None)
            now = RemoteMember(node, place) if place is not None else None
            if before is not None:
                self._drop(self._called, folded(before.nick), key)
            if now is not None:
                self._elsewhere[key] = now
                if now.claim is not None:
                    self._called.setdefault(folded(now.nick), {})[key] = now
            was = before.rooms if before is not None else ()
            are = now.rooms if now is not None else ()
            for room in was:
                if room not in are and before is not None:
                    departed.setdefault(room, []).append(before)
                    self._drop(self._inRoom, room, key)
            for room in are:
                if now is not None:
                    self._inRoom.setdefault(room, {})[key] = now
                    if room not in self._rooms:
                        self._open(room)
                    if room not in was:
                        arrived.setdefault(room, []).append(now)
        for room, members in departed.items():
            self._emit(Departed(room, members, why))
            self._sweep(room)
        for room, members in arrived.items():
            self._emit(Arrived(room, members, why == "is back"))
        self._compare([place.nick for _, place in changes if place is not None and place.claim is not None])

    def _compare(self, nicks: Sequence[str]) -> None:
        """Have those here take other names whose names somebody at another node had first."""
        for nick in nicks:
            member = self._names.get(folded(nick))
            if member is None:
                continue
            ours = self._here[member].claim or 0.0, self._node.identity
            theirs = [(each.claim or 0.0, each.node) for each in self._called.get(folded(nick), {}).values()]
            if any(each < ours for each in theirs):
                self._emit(Outnamed(member))

    def _emit(self, event: RoomEvent) -> None:
        for observer in self.observers:
            try:
                observer(event)
            except Exception:
                _log.failure("an observer of rooms failed")

    @staticmethod
    def _drop(where: dict[str, dict[Elsewhere, RemoteMember]], name: str, key: Elsewhere) -> None:
        found = where.get(name, {})
        found.pop(key, None)
        if not found:
            where.pop(name, None)


class _Here:
    """What the other nodes are told of a member."""

    __slots__ = ("claim", "number", "rooms")

    def __init__(self, number: int) -> None:
        self.number = number
        self.claim: float | None = None
        self.rooms: dict[str, None] = {}


def spread(factory: Any, service: str, node: Node, clock: Any) -> None:
    """Have the rooms of a Factory, if it has some, shared with other nodes."""
    rooms = getattr(factory, "rooms", None)
    if isinstance(rooms, MemoryRooms):
        factory.rooms = SpreadRooms(rooms, service, node, clock)


def unspread(factory: Any) -> None:
    """Have them shared no longer."""
    rooms = getattr(factory, "rooms", None)
    if isinstance(rooms, SpreadRooms):
        rooms.close()
