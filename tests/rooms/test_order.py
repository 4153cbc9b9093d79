"""The order of what other nodes say, whatever order the log has it in."""

from __future__ import annotations

import itertools

import pytest

from socklab.rooms.order import _HELD, _SENDERS, Sender, Senders


def take(*numbers: int, settled: int = 1) -> list[int]:
    """Give what a sender's entries come to, when they are read in this order."""
    sender: Sender[int] = Sender()
    return [each for number in numbers for each in sender.take(number, settled, number)]


@pytest.mark.parametrize("order", [*itertools.permutations(range(1, 5))])
def test_any_order(order: tuple[int, ...]) -> None:
    """Whatever order the log has, each comes once and in the order of who said it; twice in the log is once."""
    assert take(*order) == [1, 2, 3, 4]
    assert take(*order, *order) == [1, 2, 3, 4]


def test_settled() -> None:
    """What is settled and was not read is gone from the log: nothing waits for it."""
    sender: Sender[int] = Sender()
    assert sender.take(1, 1, 1) == [1]
    assert sender.take(4, 2, 4) == []
    assert sender.take(7, 6, 7) == [4]
    assert sender.take(6, 6, 6) == [6, 7]
    assert sender.take(5, 2, 5) == []


def test_release() -> None:
    """Of a node that is gone nothing is waited for; if it comes back after all, that comes late, and once."""
    sender: Sender[int] = Sender()
    assert sender.take(1, 1, 1) == [1]
    assert sender.take(3, 2, 3) == []
    assert sender.isWaiting
    assert sender.release() == [3]
    assert [sender.take(2, 2, 2), sender.take(2, 2, 2), sender.take(4, 4, 4)] == [[2], [], [4]]


def test_in_the_middle() -> None:
    """Where reading begins in the middle nothing is waited for that may have been before."""
    sender: Sender[int] = Sender()
    assert sender.take(8, 6, 8, isCut=True) == [8]
    assert sender.take(6, 6, 6) == [6]
    assert sender.take(9, 6, 9) == [9]


def test_bounds() -> None:
    """No more than so many wait for one that never comes, and no more than so many nodes are remembered."""
    assert len(take(1, *range(3, _HELD + 4))) == _HELD + 2
    senders: Senders[int] = Senders()
    for number in range(_SENDERS + 1):
        senders.take(f"node{number}", 1, 1, 0)
    assert senders.take("node1", 1, 1, 0) == []
    assert senders.take("node0", 1, 1, 0) == [0]
