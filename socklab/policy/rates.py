"""So many a second: token buckets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from ..limits import Limits

_SLOTS: Final = 1024
_ADDRESSES: Final = 65_536
"""How many addresses are told apart; 16 MiB."""


class Bucket:
    """Holds so many tokens; refills at its rate."""

    __slots__ = ("_at", "_burst", "_left", "rate")

    def __init__(self, rate: float, now: float, burst: float | None = None) -> None:
        """@param rate: tokens a second.
        @param now: of the clock, in seconds.
        @param burst: how many it holds; by default a second's worth, at least one.
        """
        self.rate = rate
        self._burst = max(1.0, rate) if burst is None else burst
        self._left = self._burst
        self._at = now

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens, even if there are too few; give how long it is until they are made up for, in seconds."""
        left = self._left
        # The clock may be set back.
        if now > self._at:
            left += (now - self._at) * self.rate
            if left > self._burst:
                left = self._burst
        self._at = now
        self._left = left = left - tokens
        return 0.0 if left >= 0.0 else -left / self.rate

    def allows(self, now: float) -> bool:
        """Take a token if there is one."""
        if self.take(now) == 0.0:
            return True
        self._left += 1.0
        return False


class SharedBuckets:
    """A bucket for each of any number of addresses, which share slots: invented ones cost no memory."""

    def __init__(self, rate: float) -> None:
        """@param rate: tokens a second for each."""
        self._rate = rate
        self._slots: dict[int, Bucket] = {}

    def allows(self, address: Hashable, now: float) -> bool:
        """Take a token of an address if it has one."""
        # Python's hash of text is keyed at random: nobody can choose whom to share a slot with.
        slot = hash(address) % _SLOTS
        bucket = self._slots.get(slot)
        if bucket is None:
            bucket = self._slots[slot] = Bucket(self._rate, now)
        return bucket.allows(now)


class AddressBuckets:
    """A bucket for each address, which nobody shares: for addresses that cannot be invented.

    One that is full again is as good as a new one, and is forgotten.
    """

    def __init__(self, rate: float) -> None:
        """@param rate: tokens a second for each."""
        self._rate = rate
        self._refills = max(1.0, 1 / rate)
        self._buckets: OrderedDict[Hashable, tuple[Bucket, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allows(self, address: Hashable, now: float) -> bool:
        """Take a token of an address if it has one."""
        buckets = self._buckets
        bucket, _ = buckets.pop(address, (None, 0.0))
        # They stand in the order in which they were last asked. The clock may be set back.
        while buckets and not 0 <= now - next(iter(buckets.values()))[1] < self._refills:
            buckets.popitem(last=False)
        if len(buckets) >= _ADDRESSES:
            buckets.popitem(last=False)
        bucket = bucket or Bucket(self._rate, now)
        buckets[address] = bucket, now
        return bucket.allows(now)


class Rates:
    """How fast one peer may send: messages, and bytes."""

    def __init__(self, messages: float | None, size: float | None, now: float) -> None:
        """@param messages: a second; None is no bound.
        @param size: bytes a second; None is no bound.
        """
        self._messages = Bucket(messages, now) if messages else None
        self._size = Bucket(size, now) if size else None

    @classmethod
    def of(cls, limits: Limits, clock: IReactorTime) -> Rates | None:
        """Give those that limits ask for, if they do."""
        messages, size = limits.message_rate, limits.byte_rate
        return cls(messages, size, clock.seconds()) if messages or size else None

    def take(self, size: int, now: float) -> float:
        """Count a message; give for how long there should be no other, in seconds."""
        wait = 0.0 if self._messages is None else self._messages.take(now)
        if self._size is None:
            return wait
        more = self._size.take(now, size)
        return wait if wait > more else more
