"""Those of an audience to whom the same bytes go, and the shortest way to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from operator import length_hint
from typing import Any, Final

from twisted.logger import Logger

from ..message import Encoded

_log: Final = Logger(namespace="socklab")


class Company:
    """Members on one listener who share a wire format."""

    __slots__ = ("_listener", "quick", "slow")

    def __init__(self, member: Any) -> None:
        """@param member: one of them; its `listener` is that of all."""
        self._listener = member.listener
        self.quick: dict[Any, Callable[[bytes], object]] = {}
        """What writes to each who can be written to just like that."""
        self.slow: dict[Any, None] = {}
        """The others: each must be asked by its own transport."""

    def __len__(self) -> int:
        return len(self.quick) + len(self.slow)

    def __contains__(self, member: object) -> bool:
        return member in self.quick or member in self.slow

    @property
    def anyone(self) -> Any:
        """One of them; they are not nobody."""
        return next(iter(self.quick or self.slow))

    def add(self, member: Any) -> None:
        """One more, if it is none of them already."""
        if member not in self.quick:
            self.slow[member] = None

    def discard(self, member: Any) -> None:
        """One less."""
        self.quick.pop(member, None)
        self.slow.pop(member, None)

    def quicken(self, member: Any, write: Callable[[bytes], object]) -> None:
        """One can be written to just like that."""
        self.slow.pop(member, None)
        self.quick[member] = write

    def slacken(self, member: Any) -> None:
        """One cannot any more."""
        if self.quick.pop(member, None) is not None:
            self.slow[member] = None

    @property
    def isWatched(self) -> bool:
        """Whether somebody wants to be told of each message to each."""
        return bool(self._listener.events.traffic)

    def went(self, messages: Sequence[Encoded], times: int) -> None:
        """Count messages that so many were sent."""
        if self._listener.counting:
            self._listener.counts.wentTogether(messages, times)


class Straight:
    """The same bytes written to one after the other, until somebody must know who has had them."""

    __slots__ = ("_members", "_writes", "count", "isStopped")

    def __init__(self, company: Company, without: Collection[Any]) -> None:
        """@param without: whom to leave out."""
        self._members = {**company.quick}
        for each in without:
            self._members.pop(each, None)
        self._writes = iter(self._members.values())
        self.count = len(self._members)
        """How many have had them, or will have when nothing stops it."""
        self.isStopped = False

    def say(self, data: bytes) -> None:
        """Write to all, or to nobody more after `stop`."""
        while True:
            try:
                for write in self._writes:
                    write(data)
                return
            except Exception:
                # The others are told nevertheless: it goes on with the next.
                _log.failure("what was said to all did not reach one of them")

    def stop(self) -> Iterable[Any]:
        """Write to nobody more; give who was written to."""
        self.isStopped = True
        self.count -= length_hint(self._writes)
        # Whoever goes through it comes to its end.
        deque(self._writes, maxlen=0)
        return islice(self._members, self.count)
