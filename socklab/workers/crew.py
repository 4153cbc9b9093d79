"""The workers' processes: started, replaced when they die, and ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ..log.journal import Level
from .backoff import BackOff
from .channel import Told, connect
from .member import Member, tell
from .watchdog import Watchdog

_TRIES: Final = 3
"""How often in a row a worker may end before it has served, at the start."""
_GRACE: Final = 5.0
"""Seconds beyond `shutdown_timeout`, after which a worker that has not ended is killed."""

_PARENTS: Final = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
)
"""Of the environment, what systemd says to the parent alone."""


class Host(Protocol):
    """Who has the crew: the parent's lab."""

    def order(self, worker: int) -> tuple[Told, list[int]]:
        """Give what a new worker is told to serve, and the descriptors that go with it."""

    def heard(self, worker: int, told: Told) -> None:
        """A worker has told something."""

    def accepts(self, worker: int) -> bool:
        """Tell whether a worker takes newcomers."""

    def served(self, worker: int) -> None:
        """A worker has told that it serves now."""

    def died(self, worker: int) -> None:
        """A worker has ended."""

    def failed(self, why: str) -> None:
        """The start has failed."""


class Crew:
    """Keeps so many workers."""

    def __init__(self, clock: Any, host: Host, reactor: str, modules: Sequence[str]) -> None:
        """@param clock: the reactor.
        @param reactor: the name of that of the workers.
        @param modules: where they look for modules.
        """
        self._modules = os.pathsep.join(filter(None, modules))
        self.clock = clock
        self._host = host
        self._reactor = reactor
        self.count = 0
        """How many there should be."""
        self.members: dict[int, Member] = {}
        """The processes, by the workers' numbers."""
        self.restarts = 0
        self._backOffs: dict[int, BackOff] = {}
        self._timers: dict[int, IDelayedCall] = {}
        self.watchdog = Watchdog(clock, self.members.values(), host.accepts)
        self._started = False
        self._ended: Deferred[None] | None = None

    def resize(self, count: int) -> None:
        """Have so many from now on; those that are too many let their peers leave."""
        self.count = count
        self.watchdog.start()
        for number in range(1, count + 1):
            if number not in self.members and number not in self._timers:
                self._start(number)
        for number, member in self.members.items():
            if number > count and not member.leaving:
                member.leave()
        for number in [each for each in self._timers if each > count]:
            self._timers.pop(number).cancel()

    def serving(self) -> list[Member]:
        """Give those that serve."""
        return [each for each in self.members.values() if each.serving and not each.leaving]

    def missing(self) -> list[int]:
        """Give the numbers of those that should serve, and do not."""
        there = {each.number for each in self.serving()}
        return [number for number in range(1, self.count + 1) if number not in there]

    def _start(self, number: int) -> None:
        self._timers.pop(number, None)
        member = Member(number, self, self.clock)
        ours, its = socket.socketpair()
        with ours, its:
            try:
                member.process = self._spawn(member, its.fileno())
            except OSError as error:
                who = f"the user of this process must be allowed to run {sys.executable}"
                self._gone(member, f"cannot be started: {(error.strerror or str(error)).lower()}: {who}")
                return
            self.members[number] = member
            connect(self.clock, ours.detach(), member.channel)
        member.channel.tell(*self._host.order(number))

    def _spawn(self, member: Member, channel: int) -> Any:
        """Start the process of a worker.

        @raise OSError: it cannot be started.
        """
        command = [sys.executable, "-P", "-m", "socklab.workers", str(member.number), self._reactor]
        environment = {**os.environ, "PYTHONPATH": self._modules}
        for name in _PARENTS:
            environment.pop(name, None)
        with open(os.devnull, "rb") as nothing:
            descriptors = {0: nothing.fileno(), 1: "r", 2: "r", 3: channel}
            return self.clock.spawnProcess(member, sys.executable, command, env=environment, childFDs=descriptors)

    def heard(self, member: Member, told: Told) -> None:
        """A worker has told something."""
        if told.get("is") == "serving":
            member.serving = True
            member.since = self.clock.seconds()
            self._started = self._started or not self.missing()
            self._host.served(member.number)
        elif told.get("is") == "wrong" and not self._started:
            self._fail("; ".join(told["lines"]))
        else:
            self._host.heard(member.number, told)

    def _fail(self, why: str) -> None:
        # Once: the other workers have the same config.
        self._host.failed(why)

    def ended(self, member: Member, reason: Failure) -> None:
        """A worker's process has ended."""
        number = member.number
        del self.members[number]
        self._host.died(number)
        if self._ended is not None:
            if not self.members:
                ended, self._ended = self._ended, None
                ended.callback(None)
            return
        if number > self.count:
            tell(number, f"worker {number} has ended")
            return
        self._gone(member, _how(reason))

    def _gone(self, member: Member, how: str) -> None:
        """Have another one take the place of a worker."""
        number = member.number
        backOff = self._backOffs.setdefault(number, BackOff())
        served = self.clock.seconds() - member.since if member.serving else 0.0
        wait = 0.0 if member.leaving else backOff.died(served)
        if not self._started and backOff.times >= _TRIES:
            self._fail(f"worker {number} {how}, {_TRIES} times, before it served")
            return
        self.restarts += 1
        level: Level = "info" if member.leaving else "warn"
        tell(number, f"worker {number} {how}: another one starts in {wait:.1f} s", level=level)
        self._timers[number] = self.clock.callLater(wait, self._start, number)

    def tell(self, told: Told) -> None:
        """Tell all something."""
        for member in self.members.values():
            member.channel.tell(told)

    def ask(self, told: Told) -> Iterator[tuple[int, Deferred[Any]]]:
        """Ask those that serve; give each one's number, and its answer to come."""
        for member in self.serving():
            yield member.number, member.channel.ask(told)

    def stop(self, timeout: float) -> Deferred[None]:
        """Have all let their peers leave, and end; the Deferred fires when they have.

        @param timeout: seconds that they have for it.
        """
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        ended: Deferred[None] = Deferred()
        if not self.members:
            ended.callback(None)
            return ended
        self._ended = ended
        for member in self.members.values():
            member.leave()
        killing = self.clock.callLater(timeout + _GRACE, self.kill)

        def done(result: None) -> None:
            if killing.active():
                killing.cancel()

        return ended.addCallback(done)

    def kill(self) -> None:
        """End all now."""
        for member in self.members.values():
            tell(member.number, f"worker {member.number} does not end: killed", level="warn")
            member.kill()


def _how(reason: Failure) -> str:
    if reason.check(ProcessDone):
        return "has ended"
    ended: Any = reason.value
    if ended.signal is not None:
        return f"was killed by {signal.Signals(ended.signal).name}"
    return f"has ended with status {ended.exitCode}"
