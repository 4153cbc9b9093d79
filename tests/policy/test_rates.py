"""So many a second, on a clock that the tests set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.limits import Limits
from socklab.policy import rates
from socklab.policy.rates import AddressBuckets, Bucket, Rates, SharedBuckets


def allowed(bucket: Bucket, now: float, tries: int) -> int:
    """Give how many of so many tries at once are allowed."""
    return sum(bucket.allows(now) for _ in range(tries))


class TestBucket:
    """One bucket."""

    def test_a_second_at_once_then_the_rate(self) -> None:
        """It allows a second's worth at once, then as many as its rate gives."""
        bucket = Bucket(5, now=100)
        assert allowed(bucket, 100, 20) == 5
        assert allowed(bucket, 100.1, 20) == 0
        assert allowed(bucket, 100.2, 20) == 1
        assert allowed(bucket, 101.2, 20) == 5
        assert allowed(bucket, 1000, 20) == 5

    def test_less_than_one_a_second(self) -> None:
        """One in ten seconds is one in ten seconds, and the first at once."""
        bucket = Bucket(0.1, now=0)
        assert [allowed(bucket, now, 3) for now in (0, 5, 9.9, 10, 15, 20)] == [1, 0, 0, 1, 0, 1]

    def test_clock_set_back(self) -> None:
        """A clock that is set back neither gives tokens nor takes them; from then on time counts again."""
        bucket = Bucket(2, now=1000)
        assert allowed(bucket, 1000, 5) == 2
        assert allowed(bucket, 0, 5) == 0
        assert allowed(bucket, 0.5, 5) == 1
        assert allowed(bucket, 10, 5) == 2

    @given(
        st.floats(0.1, 100),
        st.lists(st.floats(0, 3), min_size=1, max_size=60),
    )
    def test_never_more_than_the_rate(self, rate: float, gaps: list[float]) -> None:
        """Over any time it allows at most a second's worth, and as many as the rate gives in it."""
        bucket = Bucket(rate, now=0)
        now, taken = 0.0, 0
        for gap in gaps:
            now += gap
            taken += allowed(bucket, now, 7)
            assert taken <= max(1, rate) + rate * now + 1e-6

    def test_refused_tries_cost_nothing(self) -> None:
        """Who tries too often is not refused for longer than who waits."""
        bucket = Bucket(1, now=0)
        assert bucket.allows(0)
        assert [bucket.allows(now / 100) for now in range(101)] == [False] * 100 + [True]

    def test_debt(self) -> None:
        """What is taken beyond what is there has to be waited for."""
        bucket = Bucket(100, now=0)
        assert bucket.take(0, 50) == 0
        assert bucket.take(0, 150) == pytest.approx(1.0)
        assert bucket.take(1, 0) == pytest.approx(0)


class TestAddresses:
    """A bucket for each address."""

    def test_strangers_share_nothing(self) -> None:
        """However many hammer, one that has not is allowed."""
        buckets = AddressBuckets(1)
        for number in range(5000):
            assert buckets.allows(number, now=0)
            assert not buckets.allows(number, now=0)
        assert buckets.allows("another", now=0)

    def test_forgets_who_is_full_again(self) -> None:
        """An address that has waited long enough costs no memory."""
        buckets = AddressBuckets(0.5)
        for number in range(100):
            buckets.allows(number, now=number / 100)
        assert len(buckets) == 100
        assert buckets.allows("late", now=2.5)
        assert len(buckets) == 50
        assert not buckets.allows(60, now=2.5)
        assert buckets.allows("much later", now=100)
        assert len(buckets) == 1

    def test_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There are never more than so many; the one that was silent for longest is forgotten."""
        monkeypatch.setattr(rates, "_ADDRESSES", 10)
        buckets = AddressBuckets(0.001)
        for number in range(100):
            assert buckets.allows(number, now=0)
        assert len(buckets) == 10
        assert not buckets.allows(99, now=0)
        assert buckets.allows(3, now=0)

    def test_clock_set_back(self) -> None:
        """A clock that is set back leaves nobody refused for ever."""
        buckets = AddressBuckets(1)
        assert buckets.allows("one", now=10_000)
        buckets.allows("other", now=0)
        assert buckets.allows("one", now=1)

    def test_shared_slots_are_bounded(self) -> None:
        """For addresses that anybody can invent there is a fixed number of slots."""
        buckets = SharedBuckets(1)
        for number in range(20_000):
            buckets.allows(number, now=0)
        assert len(buckets._slots) <= 1024


class TestPeer:
    """Messages and bytes of one peer."""

    def test_none(self) -> None:
        """Without a limit there is nothing to count."""
        from twisted.internet.task import Clock

        assert Rates.of(Limits(), Clock()) is None

    def test_the_slower_one_decides(self) -> None:
        """With both, the one that asks for longer waiting does."""
        both = Rates(2, 100, now=0)
        assert both.take(10, 0) == 0
        assert both.take(10, 0) == 0
        assert both.take(10, 0) == pytest.approx(0.5)
        assert both.take(270, 0) == pytest.approx(2.0)
