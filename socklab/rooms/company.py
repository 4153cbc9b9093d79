"""Those of an audience to whom the same bytes go, and the shortest way to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import filterfalse, islice
from operator import length_hint, methodcaller
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from ..message import Encoded

if TYPE_CHECKING:
    from ..transports.output import Through

_log: Final = Logger(namespace="socklab")


class Company:
    """Members on one listener who share a wire format."""

    __slots__ = ("_listener", "quick", "slow")

    def __init__(self, member: Any) -> None:
        """@param member: one of them; its `listener` is that of all."""
        self._listener = member.listener
        self.quick: dict[Any, Through] = {}
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

    def quicken(self, member: Any, through: Through) -> None:
        """One can be written to just like that."""
        self.slow.pop(member, None)
        self.quick[member] = through

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

    __slots__ = ("_left", "_members", "_ways", "count", "isStopped")

    def __init__(self, company: Company, without: Collection[Any]) -> None:
        """@param without: whom to leave out."""
        quick = {**company.quick}
        for each in without:
            quick.pop(each, None)
        self._members = [*quick]
        self._ways = [*quick.values()]
        self._left = iter(self._ways)
        self.count = len(quick)
        """How many have had them, or will have when nothing stops it."""
        self.isStopped = False

    def say(self, data: bytes) -> None:
        """Write to all, or to nobody more after `stop`."""
        # Who takes all of it, as nearly all do, is written to from C: the interpreter's own loop is slow after a
        # system call, and costs 3 % of all.
        whole = {len(data), None}
        unlike = filterfalse(whole.__contains__, map(methodcaller("send", data), self._left))
        while True:
            try:
                sent = next(unlike, None)
                if sent is None:
                    return
            except OSError:
                sent = 0
            except Exception:
                _failed()
                continue
            try:
                self._ways[-1 - length_hint(self._left)].put(memoryview(data)[sent:] if sent else data)
            except Exception:
                _failed()

    def stop(self) -> Iterable[Any]:
        """Write to nobody more; give who was written to."""
        self.isStopped = True
        self.count -= length_hint(self._left)
        # Whoever goes through it comes to its end.
        deque(self._left, maxlen=0)
        return islice(self._members, self.count)


def _failed() -> None:
    """The others are told nevertheless."""
    _log.failure("what was said to all did not reach one of them")
