"""What the workers count together: a page of memory that they share, in which each writes to places of its own.

Who reads to decide, and then writes, holds a lock for as long; the system frees it when its holder dies. A worker
that has died leaves what it had counted; the parent clears it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from typing import Final

from ..policy.rates import Bucket

MOST: Final = 256
"""Workers that there may be."""
COLUMNS: Final = 4096
"""Counts of each worker: a few of the process, and one of each service that there was."""
HOUSE: Final = 0
"""The column of all connections."""
NUMBER: Final = 1
"""The column of the last number that a connection was given."""
_TOP: Final = 2
"""Where the first place says which is the highest worker that there was."""
_ALIVE: Final = 3
"""The column of those that serve."""
FIRST: Final = 4
"""The column of the first service."""
_SLOTS: Final = 65536
"""Addresses that one worker counts, at most."""
_PROBES: Final = 32
"""Places where an address may be."""
_COUNTS: Final = MOST * COLUMNS
_BUCKETS: Final = 2 * COLUMNS
_TABLE: Final = 2 * _SLOTS
_SIZE: Final = 8 * (_COUNTS + _BUCKETS + MOST * _TABLE)
"""Bytes; only what is written to takes memory."""


class Page:
    """The page, as one process sees it."""

    def __init__(self, descriptor: int) -> None:
        """@param descriptor: of the memory, that `newPage` gave."""
        self._descriptor = descriptor
        whole = memoryview(mmap.mmap(descriptor, _SIZE))
        self._counts = whole[: 8 * _COUNTS].cast("q")
        self._buckets = whole[8 * _COUNTS : 8 * (_COUNTS + _BUCKETS)].cast("d")
        self._tables = whole[8 * (_COUNTS + _BUCKETS) :].cast("Q")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who decides, meanwhile."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    @property
    def top(self) -> int:
        """The highest number of a worker that there was."""
        return self._counts[_TOP * MOST]

    @top.setter
    def top(self, worker: int) -> None:
        self._counts[_TOP * MOST] = max(worker, self.top)

    def put(self, worker: int, column: int, count: int) -> None:
        """Write how many a worker has."""
        self._counts[column * MOST + worker] = count

    def get(self, worker: int, column: int) -> int:
        """Give how many a worker has."""
        return self._counts[column * MOST + worker]

    def accepts(self, worker: int) -> bool:
        """Tell whether a worker takes newcomers."""
        return bool(self.get(worker, _ALIVE))

    def sum(self, column: int) -> int:
        """Give how many all have; those who leave have some, too."""
        first = column * MOST
        return sum(self._counts[first + 1 : first + self.top + 1])

    def bucket(self, column: int) -> tuple[float, float]:
        """Give what a bucket of tokens holds, and since when."""
        return self._buckets[2 * column], self._buckets[2 * column + 1]

    def fill(self, column: int, left: float, at: float) -> None:
        """Write what a bucket of tokens holds, and since when."""
        self._buckets[2 * column], self._buckets[2 * column + 1] = left, at

    def _find(self, worker: int, key: int) -> tuple[int | None, int | None]:
        """Give where a worker counts an address; or None, and where it could."""
        free = None
        base = worker * _TABLE
        for probe in range(_PROBES):
            place = base + 2 * ((key + probe) % _SLOTS)
            known = self._tables[place]
            if known == key:
                return place, None
            if free is None and (not known or not self._tables[place + 1]):
                free = place
            if not known:
                break
        return None, free

    def ofAddress(self, key: int) -> int:
        """Give how many connections of an address all have."""
        places = (self._find(worker, key)[0] for worker in range(1, self.top + 1))
        return sum(self._tables[place + 1] for place in places if place is not None)

    def addAddress(self, worker: int, key: int, change: int) -> None:
        """Write that a worker has one connection more of an address, or less."""
        known, place = self._find(worker, key)
        place = place if known is None else known
        # Where so many share a few places that there is none, this one is not counted.
        if place is None or (known is None and change < 0):
            return
        self._tables[place + 1] = max(0, (0 if known is None else self._tables[place + 1]) + change)
        self._tables[place] = key

    def clear(self, worker: int) -> None:
        """A worker has died: it has nobody. The number of its last connection stays."""
        for column in (HOUSE, *range(_ALIVE, COLUMNS)):
            if self.get(worker, column):
                self.put(worker, column, 0)
        table = self._tables[worker * _TABLE : (worker + 1) * _TABLE]
        for place in range(0, _TABLE, 2):
            if table[place + 1]:
                table[place + 1] = 0


def newPage() -> int:
    """Make the memory; give its descriptor."""
    descriptor = os.memfd_create("socklab", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    return descriptor


class SharedBucket(Bucket):
    """A bucket of tokens that all workers take from (`Bucket`); whoever asks has the turn."""

    __slots__ = ("_column", "_page")

    def __init__(self, rate: float, now: float, page: Page, column: int) -> None:
        """@param column: whose bucket it is."""
        super().__init__(rate, now)
        self._page = page
        self._column = column

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens, even if there are too few; give how long it is until they are made up for, in seconds."""
        left, at = self._page.bucket(self._column)
        # Nobody has taken from it yet: it is full.
        self._left, self._at = (left, at) if at else (self._burst, now)
        wait = super().take(now, tokens)
        self._page.fill(self._column, self._left, self._at)
        return wait

    def allows(self, now: float) -> bool:
        """Take a token if there is one."""
        allowed = super().allows(now)
        self._page.fill(self._column, self._left, self._at)
        return allowed


class Shared:
    """What one worker counts in the page, for all to see (`socklab.policy.gate.Sharing`)."""

    def __init__(self, page: Page, worker: int, key: bytes) -> None:
        """@param key: by which addresses become numbers; the same for all workers."""
        self._page = page
        self._worker = worker
        self._key = key
        self._number = page.get(worker, NUMBER)
        self.processes = 1
        """How many share."""
        self.columns: dict[str, int] = {}
        """Of the services, by their names."""

    def newConnection(self) -> int:
        """Give a connection its number: the last three digits are the worker's."""
        self._number += 1
        self._page.put(self._worker, NUMBER, self._number)
        return self._number * 1000 + self._worker

    def turn(self) -> AbstractContextManager[None]:
        """Be the only one who decides, meanwhile."""
        return self._page.turn()

    def serve(self, serves: bool) -> None:
        """Say whether this one takes newcomers."""
        self._page.put(self._worker, _ALIVE, serves)

    def here(self) -> int:
        """Give how many connections this one has."""
        return self._page.get(self._worker, HOUSE)

    def elsewhere(self) -> list[int]:
        """Give how many connections each of the others has that serve."""
        page, mine = self._page, self._worker
        return [page.get(each, HOUSE) for each in range(1, page.top + 1) if each != mine and page.accepts(each)]

    def total(self, service: str) -> int:
        """Give how many connections of a service all have; without its name those of all services."""
        return self._page.sum(self.columns.get(service, HOUSE))

    def add(self, service: str, host: str, change: int) -> None:
        """This one has a connection more, or less.

        @param host: what counts as its address; empty for none.
        """
        for column in (HOUSE, self.columns[service]):
            self._page.put(self._worker, column, self._page.get(self._worker, column) + change)
        if host:
            self._page.addAddress(self._worker, self._numberOf(service, host), change)

    def ofAddress(self, service: str, host: str) -> int:
        """Give how many connections of an address all have."""
        return self._page.ofAddress(self._numberOf(service, host))

    def bucket(self, service: str, rate: float, now: float) -> Bucket:
        """Give the bucket of tokens that all take from."""
        return SharedBucket(rate, now, self._page, self.columns[service])

    def _numberOf(self, service: str, host: str) -> int:
        # Keyed: nobody can choose whom to share a place with. 0 is no address.
        digest = blake2b(f"{service} {host}".encode(), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) | 1
