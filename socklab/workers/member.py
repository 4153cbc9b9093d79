"""A worker, as the parent has it."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any, Final, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ..log import say
from ..log.journal import Level
from ..text import printable
from .channel import Channel, Told

_LINE: Final = 8192
"""Bytes of a line that a worker prints."""


class Keeper(Protocol):
    """Who keeps workers: the crew."""

    def heard(self, member: Member, told: Told) -> None:
        """A worker has told something."""

    def ended(self, member: Member, reason: Failure) -> None:
        """A worker's process has ended."""


class Member(ProcessProtocol):
    """One worker's process, and the channel to it."""

    def __init__(self, number: int, keeper: Keeper, clock: Any) -> None:
        self._keeper = keeper
        self.number = number
        self.serving = False
        self.since = clock.seconds()
        self.silent = 0
        """How often in a row it was asked whether it is there, without a word from it."""
        self.leaving = False
        """Whether it was told to end."""
        self._printed = b""
        self.channel = Channel(clock, self._heard)
        self.process: Any = None

    def _heard(self, told: Told, descriptors: list[int]) -> None:
        self.silent = 0
        self._keeper.heard(self, told)

    def outReceived(self, data: bytes) -> None:
        """It has printed something that is no log event: before it had a log, or below Python."""
        *lines, self._printed = (self._printed + data).split(b"\n")
        if len(self._printed) > _LINE:
            lines, self._printed = [*lines, self._printed], b""
        for each in lines:
            tell(self.number, f"worker {self.number}: {printable(each.decode(errors='replace'))}", "printed")

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """It has ended."""
        if self._printed:
            self.outReceived(b"\n")
        self._keeper.ended(self, reason)

    def leave(self) -> None:
        """Have it let its peers leave, and end."""
        self.leaving = True
        self.channel.tell({"do": "drain"})

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End it now."""
        with suppress(ProcessExitedAlready):
            self.process.signalProcess(by)


def tell(worker: int, line: str, event: str = "worker", level: Level = "info") -> None:
    """Log a line about a worker."""
    say(line, event, level, worker=worker, message=line)
