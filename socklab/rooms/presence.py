"""Who is at which node: each tells the others of its members, and that it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from .places import Change, Key, Place, portions, readChanges, written
from .wire import Unreadable, dump, load

BEAT: Final = 2.5
"""Seconds between two signs of life of a node."""
GONE: Final = 8.0
"""Seconds of silence after which a node is taken for dead."""
_NODES: Final = 1000
"""Nodes that are gone of which that is remembered."""


class Other:
    """Another node, as far as it is known."""

    def __init__(self, where: str, now: float) -> None:
        self.where = where
        self.heard = now
        self.version = 0
        """Of its members; each change makes it one more."""
        self.members: dict[Key, Place] = {}
        self.asked = float("-inf")
        self.parts: dict[int, list[Change]] = {}
        """Of all its members, as they are told in several messages."""
        self.partsVersion = 0


class Presence:
    """The members of this node, told to the others; and theirs.

    A node's members have a version. It says it with each sign of life, so that who has missed a change asks for
    all of them again.
    """

    def __init__(
        self,
        node: str,
        clock: Any,
        tell: Callable[[bytes, str], None],
        changed: Callable[[str, list[Change], str], None],
    ) -> None:
        """@param node: this one's name.
        @param tell: says something to one node, or (`""`) to all; it may be lost.
        @param changed: is told of the members of another node; and why nobody else will tell of it, if so.
        """
        self._node = node
        self._where = ""
        self._clock = clock
        self._tell = tell
        self._changed = changed
        self._members: dict[Key, Place] = {}
        self._version = 0
        self._news: dict[Key, Place | None] = {}
        self._isDue = False
        self._timer: Any = None
        self._beaten = 0.0
        self._others: dict[str, Other] = {}
        self._lost: dict[str, None] = {}
        self._stopped: dict[str, None] = {}
        self.isLeaving = False

    @property
    def others(self) -> list[str]:
        """The nodes that are there beside this one, for a person."""
        return [each.where for each in self._others.values()]

    def isThere(self, node: str) -> bool:
        """Tell whether a node is known to live."""
        return node == self._node or node in self._others

    def placesOf(self, service: str) -> Iterator[tuple[str, list[tuple[int, Place | None]]]]:
        """Give the members of each other node in a service."""
        for node, other in self._others.items():
            found: list[tuple[int, Place | None]] = [
                (number, place) for (of, number), place in other.members.items() if of == service
            ]
            if found:
                yield node, found

    # This node

    def start(self, where: str) -> None:
        """Begin to give signs of life.

        @param where: what a person knows this node by: host and process.
        """
        self._where = where
        self._beaten = self._clock.seconds()
        self._timer = self._clock.callLater(BEAT, self._beat)

    def stop(self) -> None:
        """Be silent."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def leave(self) -> None:
        """Tell all that the members of this node are gone; they are told no more of it."""
        if not self.isLeaving:
            self.isLeaving = True
            self._say({"is": "bye"})

    def up(self) -> None:
        """The engine can be reached: let the others see whether they know all of this node, and answer."""
        self._say({"is": "hello"})

    def put(self, key: Key, place: Place | None) -> None:
        """A member of this node is somewhere else now, or has another name."""
        if place is None:
            self._members.pop(key, None)
        else:
            self._members[key] = place
        self._news[key] = place
        if not self._isDue:
            self._isDue = True
            self._clock.callLater(0, self._sayNews)

    def _sayNews(self) -> None:
        self._isDue = False
        news, self._news = [*self._news.items()], {}
        for part in portions(news):
            self._version += 1
            self._say({"is": "news", "of": written(part)})

    def _sayAll(self, node: str) -> None:
        # What is yet to be told is among them.
        if self._news:
            self._sayNews()
        parts = [*portions(self._members.items())] or [[]]
        for number, part in enumerate(parts):
            self._say({"is": "all", "part": number, "parts": len(parts), "of": written(part)}, node)

    def _say(self, message: dict[str, Any], node: str = "") -> None:
        if not self.isLeaving or message["is"] == "bye":
            told = {"node": self._node, "where": self._where, "version": self._version, **message}
            self._tell(dump(told), node)

    def _beat(self) -> None:
        now = self._clock.seconds()
        late = now - self._beaten - BEAT
        self._beaten = now
        self._timer = self._clock.callLater(BEAT, self._beat)
        self._say({"is": "here"})
        for node, other in [*self._others.items()]:
            # Who was asleep itself has heard nobody.
            other.heard += max(0.0, late)
            if now - other.heard >= GONE - BEAT:
                self._forget(node, "cannot be reached")

    # The others

    def hear(self, data: bytes) -> None:
        """Take what a node says.

        @raise Unreadable: it is not what nodes say.
        """
        try:
            message = load(data)
            node, what, version = str(message["node"]), message["is"], int(message["version"])
            if node == self._node or node in self._stopped:
                return
            changes = readChanges(message.get("of", ()))
            part, parts = int(message.get("part", 0)), int(message.get("parts", 1))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            raise Unreadable(str(error)) from None
        if what == "bye":
            _remember(self._stopped, node)
            self._forget(node, "has stopped")
            return
        if what == "ask":
            self._sayAll(node)
        elif what == "hello":
            self._say({"is": "here"}, node)
        other = self._others.get(node)
        if other is None:
            other = self._others[node] = Other(str(message.get("where", node)), self._clock.seconds())
        other.heard = self._clock.seconds()
        if what == "news" and version == other.version + 1:
            other.version = version
            self._take(node, other, changes)
        elif what == "all":
            self._takeAll(node, other, version, changes, part, parts)
        elif version != other.version:
            self._ask(node, other)

    def _ask(self, node: str, other: Other) -> None:
        now = self._clock.seconds()
        if now - other.asked >= 1:
            other.asked = now
            self._say({"is": "ask"}, node)

    def _takeAll(
        self, node: str, other: Other, version: int, changes: list[Change], part: int, parts: int
    ) -> None:
        if version < other.version:
            # It was overtaken.
            return
        if version != other.partsVersion:
            other.partsVersion = version
            other.parts = {}
        other.parts[part] = changes
        if len(other.parts) < parts:
            return
        found = {key: place for each in other.parts.values() for key, place in each if place is not None}
        other.parts = {}
        other.version = version
        gone: list[Change] = [(key, None) for key in other.members if key not in found]
        new: list[Change] = [(key, place) for key, place in found.items() if other.members.get(key) != place]
        self._take(node, other, gone + new)

    def _take(self, node: str, other: Other, changes: list[Change]) -> None:
        for key, place in changes:
            if place is None:
                other.members.pop(key, None)
            else:
                other.members[key] = place
        isBack = node in self._lost
        self._lost.pop(node, None)
        if changes:
            self._changed(node, changes, "is back" if isBack else "")

    def _forget(self, node: str, why: str) -> None:
        other = self._others.pop(node, None)
        if other is None:
            return
        if node not in self._stopped:
            _remember(self._lost, node)
        self._changed(node, [(key, None) for key in other.members], why)


def _remember(nodes: dict[str, None], node: str) -> None:
    nodes[node] = None
    if len(nodes) > _NODES:
        del nodes[next(iter(nodes))]
