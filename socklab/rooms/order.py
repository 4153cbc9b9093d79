"""What other nodes say, brought into their order, each once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_SENDERS: Final = 1000
"""Nodes whose last numbers are remembered: a node that comes back has not to be heard twice."""
_HELD: Final = 1000
"""Entries of one node that wait for one before them."""


class Sender(Generic[T]):
    """The entries of one node, which has numbered them from 1.

    The log may have them in another order: while its leader changes, one may fail and the next succeed. It may
    have one twice: when it was stored, and the node was not told so.
    """

    def __init__(self) -> None:
        self._next = 0
        self._held: dict[int, T] = {}
        self._late: set[int] = set()
        self._isCut = False

    def take(self, number: int, settled: int, entry: T, isCut: bool = False) -> list[T]:
        """Give the entries whose turn it is now that another one has come.

        @param settled: all with lower numbers were in the log before this one was sent.
        @param isCut: whether some that are before it in the log were not read, should it be the node's first.
        """
        if not self._next:
            self._next = settled
            self._isCut = isCut
        if number in self._late:
            self._late.remove(number)
            return [entry]
        if number < self._next or number in self._held:
            return []
        ready = self._upTo(settled)
        self._held[number] = entry
        while self._next in self._held:
            ready.append(self._held.pop(self._next))
            self._next += 1
        if self._isCut or len(self._held) > _HELD:
            # When some were not read, nobody knows whether those that are missing are yet to come.
            self._isCut = False
            ready += self.release()
        return ready

    def cut(self) -> list[T]:
        """Some entries of the log were not read: wait for none that may have been among them."""
        self._isCut = True
        return self.release()

    def _upTo(self, settled: int) -> list[T]:
        """Give what is held of numbers that are settled: what is missing there is gone from the log."""
        if settled <= self._next:
            return []
        ready = [self._held.pop(number) for number in sorted(self._held) if number < settled]
        self._next = settled
        return ready

    def release(self) -> list[T]:
        """Wait no longer for those that are missing: give those behind them."""
        if not self._held:
            return []
        last = max(self._held)
        self._late.update(number for number in range(self._next, last) if number not in self._held)
        ready = [self._held[number] for number in sorted(self._held)]
        self._held.clear()
        self._next = last + 1
        return ready

    @property
    def isWaiting(self) -> bool:
        """Whether one is missing."""
        return bool(self._held)


class Senders(Generic[T]):
    """All nodes that were heard."""

    def __init__(self) -> None:
        self._senders: OrderedDict[str, Sender[T]] = OrderedDict()

    def take(self, node: str, number: int, settled: int, entry: T, isCut: bool = False) -> list[T]:
        """Give the entries of a node whose turn it is now that another one has come."""
        sender = self._senders.get(node)
        if sender is None:
            sender = self._senders[node] = Sender()
            if len(self._senders) > _SENDERS:
                self._senders.popitem(last=False)
        else:
            self._senders.move_to_end(node)
        return sender.take(number, settled, entry, isCut)

    def waiting(self) -> list[str]:
        """Give the nodes of which an entry is missing."""
        return [node for node, sender in self._senders.items() if sender.isWaiting]

    def cut(self) -> list[T]:
        """Some entries of the log were not read; give what was behind such as may have been among them."""
        return [entry for sender in self._senders.values() for entry in sender.cut()]

    def release(self, node: str) -> list[T]:
        """Wait no longer for what is missing of a node; give what was behind it."""
        sender = self._senders.get(node)
        return [] if sender is None else sender.release()
