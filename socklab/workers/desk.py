"""What the operator sees of all workers: each page looks at each worker, and is told what those tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred, DeferredList

from ..console.desk import Desk
from ..console.figures import figuresOf, shapeOf
from ..console.talks import ROW, Talks
from .hands import SharedHands
from .merging import mergedFigures, mergedRooms

if TYPE_CHECKING:
    from ..console.stream import Stream
    from ..metrics.lag import ReactorLag
    from ..policy.access import Access
    from .parent import WorkersLab

_PATIENCE: Final = 2.0
"""Seconds that a new page waits for workers that do not answer."""


class _Row:
    """A row of the page's table, as a worker has told it."""

    def __init__(self, row: list[Any]) -> None:
        self._row = row

    def row(self) -> list[Any]:
        """Give it."""
        return self._row


class _Rows:
    """The rows of all workers (`Talks`, as far as a page asks)."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, list[Any]]] = {}

    def get(self, key: str) -> _Row | None:
        """Give a row."""
        found = self.rows.get(key)
        return None if found is None else _Row(found[1])


class WorkersDesk(Desk):
    """Shows the workers."""

    def __init__(self, lab: WorkersLab, lag: ReactorLag, outbound: Access) -> None:
        super().__init__(lab, lag, outbound)
        self._workers = lab
        self._rows = _Rows()
        self.talks = cast(Talks, self._rows)
        self.hands: SharedHands = SharedHands(lab, self.did, self.rulesChanged)
        self._figures: dict[int, dict[str, Any]] = {}
        self._shapes: dict[int, dict[str, Any]] = {}
        self._begins: dict[tuple[str, int], Deferred[dict[str, Any]]] = {}

    def attach(self, stream: Stream) -> None:
        """Show a page all that there is, when the workers have told it."""
        self._count += 1
        stream.key = str(self._count)
        self._streams[stream.key] = stream
        if self._timer is None:
            self._timer = self._clock.callLater(1.0, self._tick)
        begins = [self._open(stream.key, each.number) for each in self._workers.crew.serving()]
        DeferredList(begins, consumeErrors=True).addCallback(lambda _: self._begin(stream))

    def _open(self, page: str, worker: int) -> Deferred[dict[str, Any]]:
        begun: Deferred[dict[str, Any]] = Deferred()
        self._begins[page, worker] = begun
        begun.addTimeout(_PATIENCE, self._clock)
        self._workers.crew.members[worker].channel.tell({"do": "page", "page": page})
        return begun

    def _begin(self, stream: Stream) -> None:
        if stream.isOpen:
            stream.begin(
                {
                    "stream": stream.key,
                    "columns": ROW,
                    "rows": [row for _, row in self._rows.rows.values()],
                    "events": [*self._events],
                    "rules": self.hands.rules(),
                    "lab": self._shapeNow(),
                    "figures": self._merged(),
                }
            )

    def detach(self, stream: Stream) -> None:
        """A page has gone."""
        self.clients.gone(stream)
        if self._streams.pop(stream.key, None) is not None:
            self._workers.crew.tell({"do": "left", "page": stream.key})
            if not self._streams:
                self._stopTimer()
                self._rows.rows.clear()

    def follow(self, key: str, talk: str | None) -> dict[str, Any]:
        """Have a page told each message of one conversation, those that are kept first."""
        stream = self.stream(key)
        stream.followed = talk
        owner = self._rows.rows.get(talk or "")
        for number, member in self._workers.crew.members.items():
            its = owner is not None and owner[0] == number
            member.channel.tell({"do": "follow", "page": key, "talk": _local(talk) if its else None})
        return {}

    # What workers tell

    def served(self, worker: int) -> None:
        """A worker serves now: the pages look at it, too."""
        for key in self._streams:
            self._open(key, worker)
        self.hands.tellRules(worker)

    def died(self, worker: int) -> None:
        """A worker has ended, and all its conversations with it."""
        self._figures.pop(worker, None)
        self._shapes.pop(worker, None)
        for key in [key for key, (owner, _) in self._rows.rows.items() if owner == worker]:
            del self._rows.rows[key]
            self._changed(key)

    def told(self, worker: int, page: str, lines: str) -> None:
        """A worker has told a page something."""
        stream = self._streams.get(page)
        for line in lines.splitlines():
            self._hear(worker, stream, page, json.loads(line))

    def _hear(self, worker: int, stream: Stream | None, page: str, told: dict[str, Any]) -> None:
        for row in told.get("rows", ()):
            row[0] = _shared(row[0], worker)
            self._rows.rows[row[0]] = worker, row
        if "columns" in told:
            self._figures[worker], self._shapes[worker] = told["figures"], told["lab"]
            for row in told["rows"]:
                self._dirty(stream, row[0])
            begun = self._begins.pop((page, worker), None)
            if begun is not None and not begun.called:
                begun.callback(told)
        elif "rows" in told:
            gone = [_shared(key, worker) for key in told["gone"]]
            for key in gone:
                self._rows.rows.pop(key, None)
            for key in (*(row[0] for row in told["rows"]), *gone):
                self._dirty(stream, key)
        elif "figures" in told:
            self._figures[worker] = told["figures"]
        elif "lab" in told:
            self._shapes[worker] = told["lab"]
        elif stream is not None:
            stream.tell(_renamed(told, worker))

    def _dirty(self, stream: Stream | None, key: str) -> None:
        if stream is not None:
            stream.dirty[key] = None

    def _merged(self) -> dict[str, Any]:
        return mergedFigures(figuresOf(self._lab, self._lag), [*self._figures.values()])

    def _shapeNow(self) -> dict[str, Any]:
        return mergedRooms(shapeOf(self._lab), [*self._shapes.values()])

    def _tick(self) -> None:
        self._timer = self._clock.callLater(1.0, self._tick)
        shape = self._shapeNow()
        if shape != self._shape:
            self._shape = shape
            self._tell({"lab": shape})
        self._tell({"figures": self._merged()})


def _shared(key: str, worker: int) -> str:
    """Give the key that no other worker has: a connection's number is such a key, that of all datagrams is not."""
    return key if key.isdigit() else f"{key}/{worker}"


def _local(key: str | None) -> str | None:
    return key if key is None or key.isdigit() else key.rpartition("/")[0]


def _renamed(told: dict[str, Any], worker: int) -> dict[str, Any]:
    """Give what is told of one conversation, with the key that this has here."""
    if "talk" in told:
        return {**told, "talk": _shared(told["talk"], worker)}
    if "message" in told:
        return {"message": {**told["message"], "talk": _shared(told["message"]["talk"], worker)}}
    return told
