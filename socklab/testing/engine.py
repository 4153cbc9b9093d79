"""An engine for rooms in memory, which the servers of a test share; and what may become of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from ..rooms.engine import EngineClient, EngineError, Log
from ..rooms.node import Node
from ..rooms.waiting import Queue

_STEP: Final = 0.25
"""Seconds that pass at once: a node that hears of a minute in one step has slept itself, and blames nobody."""


_LATENCY: Final = 0.01
"""Seconds until what is stored has come: some of it is on its way at any time."""
_MEMORY: Final = 1.0
"""Seconds for which the log knows a key; what is stored once more after that is in it twice."""


class _Stored(NamedTuple):
    sequence: int
    time: float
    data: bytes


class MemoryEngine:
    """What the servers of a test share, each of them a node::

        engine = MemoryEngine()
        first = MemoryServer(ChatFactory(), engine=engine)
        second = MemoryServer(ChatFactory(), engine=engine)
        engine.advance(1)

    It works while its clock moves, and does what a real one does at its worst.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        """That of all its nodes."""
        self.isUp = True
        """Whether it runs."""
        self.limit = 1024 * 1024
        """Bytes of the largest entry that it takes."""
        self._nodes: dict[str, MemoryConnection] = {}
        self._log: list[_Stored] = []
        self._aged = 0
        self._keys: dict[str, tuple[int, float]] = {}
        self._generation = 1

    def node(self, queue: Queue | None = None, say: Callable[[str], None] = lambda line: None) -> Node:
        """Give a node that is yet to be started; a `MemoryServer` makes its own."""
        name = f"{len(self._nodes) + 1:04}"
        self._nodes[name] = connection = MemoryConnection(self, name)
        return Node(connection, self.clock, name, queue, say)

    def advance(self, seconds: float) -> None:
        """Let time pass for all nodes."""
        for _ in range(max(1, round(seconds / _STEP))):
            self.clock.advance(_STEP)

    def cut(self, node: Node, stored: bool = False) -> None:
        """Have a node reach the engine no longer.

        @param stored: whether what it has just sent has come; it does not learn of it.
        """
        self._nodes[node.identity].cut(stored)

    def heal(self, node: Node) -> None:
        """Have it reach the engine again."""
        self._nodes[node.identity].heal()

    def kill(self, node: Node) -> None:
        """End a node without a word."""
        self._nodes[node.identity].isDead = True

    def falter(self, node: Node, stored: bool) -> None:
        """Have the next thing that a node stores fail, and the one after it not, as while a leader is elected.

        @param stored: whether it is stored nevertheless.
        """
        self._nodes[node.identity].faults.append(stored)

    def mumble(self, node: Node) -> None:
        """Have the next thing that a node tells of itself get lost."""
        self._nodes[node.identity].isMumbling = True

    def stop(self, stored: bool = False) -> None:
        """End the engine; what it has stored stays.

        @param stored: whether what was just sent is stored; nobody learns of it.
        """
        self.isUp = False
        for each in self._nodes.values():
            each.lost("the engine has ended", stored)

    def start(self) -> None:
        """Begin again."""
        self.isUp = True
        for each in self._nodes.values():
            each.connect()

    def wipe(self) -> None:
        """End the engine, with all that it has stored."""
        self.stop()
        self._log.clear()
        self._aged = 0
        self._keys.clear()
        self._generation += 1

    def age(self) -> None:
        """Have it keep nothing any longer of what it has stored so far."""
        self._aged = len(self._log)

    def store(self, key: str, data: bytes) -> int:
        """Add an entry, unless one of this key has just come; give its number."""
        now = self.clock.seconds()
        number, since = self._keys.get(key, (0, 0.0))
        if number and now - since < _MEMORY:
            return number
        number = len(self._log) + 1
        self._keys[key] = number, now
        self._log.append(_Stored(number, now, data))
        for each in self._nodes.values():
            each.pull()
        return number

    def entries(self, after: int) -> list[_Stored]:
        """Give what has come after a number."""
        return self._log[max(after, self._aged) :]

    def tell(self, data: bytes, node: str) -> None:
        """Pass on what a node says."""
        for each in self._nodes.values() if node == "" else [self._nodes[node]]:
            each.hear(data)

    @property
    def log(self) -> Log:
        """What the log is like."""
        return Log(str(self._generation), self._aged + 1, len(self._log), self.limit)


class MemoryConnection:
    """A node's connection to a `MemoryEngine`."""

    def __init__(self, engine: MemoryEngine, node: str) -> None:
        self._engine = engine
        self._node = node
        self._clock: Any = engine.clock
        self._client: EngineClient | None = None
        self._after = -1
        self._era = 0
        self._isOpen = False
        self._isCut = False
        self._flying: list[tuple[str, bytes, Deferred[int]]] = []
        self.isDead = False
        """Whether its node was killed."""
        self.isMumbling = False
        """Whether what it tells next is lost."""
        self.faults: deque[bool] = deque()
        """What becomes of what is stored next: it fails, and is stored nevertheless or not."""

    def start(self, client: EngineClient) -> None:
        """Connect, and stay connected."""
        self._client = client
        self.connect()

    def connect(self) -> None:
        """Reach the engine, if it can be reached."""
        if not (self._client is None or self._isOpen or self._isCut or self.isDead) and self._engine.isUp:
            self._isOpen = True
            self._soon(lambda client: client.engineUp(self._engine.log))

    def cut(self, stored: bool) -> None:
        """Reach it no longer."""
        self._isCut = True
        self.lost("the network is down", stored)

    def heal(self) -> None:
        """Reach it again."""
        self._isCut = False
        self.connect()

    def lost(self, why: str, stored: bool) -> None:
        """The connection has ended."""
        if not self._isOpen:
            return
        self._isOpen = False
        self._after = -1
        self._era += 1
        flying, self._flying = self._flying, []
        for key, data, _ in flying if stored else ():
            self._engine.store(key, data)
        if self._client is not None and not self.isDead:
            self._client.engineDown(why)
            for _, _, deferred in flying:
                deferred.errback(EngineError(why))

    def _soon(self, call: Callable[[EngineClient], object], seconds: float = 0) -> None:
        era = self._era

        def now() -> None:
            if era == self._era and self._client is not None and not self.isDead:
                call(self._client)

        self._clock.callLater(seconds, now)

    def read(self, after: int) -> None:
        """Have all entries after a number read."""
        self._after = after
        self.pull()

    def pull(self) -> None:
        """Read what there is."""
        if self._after >= 0 and self._isOpen:
            for entry in self._engine.entries(self._after):
                self._after = entry.sequence
                self._soon(lambda client, entry=entry: client.entryRead(*entry))  # type: ignore[misc]

    def store(self, topic: tuple[str, str], key: str, data: bytes) -> Deferred[int]:
        """Add an entry."""
        if not self._isOpen:
            return fail(EngineError("not connected"))
        deferred: Deferred[int] = Deferred()
        self._flying.append((key, data, deferred))
        self._soon(lambda client: self._arrive(), _LATENCY)
        return deferred

    def _arrive(self) -> None:
        key, data, deferred = self._flying.pop(0)
        fault = self.faults.popleft() if self.faults else None
        number = self._engine.store(key, data) if fault is not False else 0
        if fault is None:
            deferred.callback(number)
        else:
            deferred.errback(EngineError("no answer"))

    def tell(self, data: bytes, node: str = "") -> None:
        """Say something to one node, or to all."""
        if self.isMumbling:
            self.isMumbling = False
        elif self._isOpen and not self.isDead:
            self._engine.tell(data, node)

    def hear(self, data: bytes) -> None:
        """Be told something."""
        if self._isOpen:
            self._soon(lambda client: client.told(data))

    def stop(self) -> Deferred[None]:
        """Let go of the engine."""
        self._isOpen = False
        self._client = None
        return succeed(None)
