"""When a worker is killed because it is silent, without processes."""

from __future__ import annotations

import signal

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from socklab.workers.channel import Told
from socklab.workers.member import Member
from socklab.workers.watchdog import Watchdog


class Process:
    """Notes the signals that it is sent."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    def signalProcess(self, number: signal.Signals) -> None:
        """Note it."""
        self.signals.append(number.name)


class Keeper:
    """Keeps one worker, and looks on."""

    def heard(self, member: Member, told: Told) -> None:
        """Nothing of it is for the parent."""

    def ended(self, member: Member, reason: Failure) -> None:
        """It does not."""


@pytest.fixture
def clock() -> Clock:
    """The parent's time."""
    return Clock()


@pytest.fixture
def taking() -> set[int]:
    """The numbers of those that take newcomers."""
    return set()


@pytest.fixture
def member(clock: Clock, taking: set[int]) -> Member:
    """A worker that serves, and is looked after."""
    made = Member(2, Keeper(), clock)
    made.process = Process()
    made.serving = True
    made.channel.makeConnection(StringTransport())
    watchdog = Watchdog(clock, [made], taking.__contains__)
    watchdog.patience = 30
    watchdog.start()
    return made


def asked(member: Member) -> int:
    """Give how often a worker was asked by now."""
    transport = member.channel.transport
    assert isinstance(transport, StringTransport)
    return transport.value().count(b'{"do": "answer"')


def test_answers(clock: Clock, member: Member) -> None:
    """One that answers is asked again and again; one that does nothing for less than its time is let be."""
    for _ in range(100):
        clock.advance(3)
        member.channel.stringReceived(b'{"is": "there", "descriptors": 0}')
    assert asked(member) >= 100
    clock.pump([3] * 9)
    assert member.process.signals == []


def test_silent(clock: Clock, member: Member) -> None:
    """One that says nothing for its time is killed: first in a way that shows where it is, then for good."""
    clock.pump([3] * 10)
    assert member.process.signals == ["SIGABRT"]
    clock.advance(3)
    assert member.process.signals == ["SIGABRT", "SIGKILL"]


def test_asleep(clock: Clock, member: Member) -> None:
    """When the parent has slept for a day nobody is to blame for it."""
    clock.advance(86400)
    assert member.process.signals == []


def test_starts(clock: Clock, member: Member, taking: set[int]) -> None:
    """One that does not serve yet may take its time; one that hangs at its first newcomer may not."""
    member.serving = False
    clock.pump([3] * 100)
    assert member.process.signals == []
    taking.add(member.number)
    clock.pump([3] * 11)
    assert member.process.signals[0] == "SIGABRT"


def test_ended(clock: Clock, member: Member, taking: set[int]) -> None:
    """One that has ended but for its threads says nothing any more, and is not killed for that."""
    taking.add(member.number)
    member.channel.connectionLost()
    clock.pump([3] * 100)
    assert member.process.signals == []
