"""What an attack is: a name, what it needs, what it does, and how much memory it may cost meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from .target import Target

MIB: Final = 1024 * 1024

Run = Callable[[Target, str, int], None]
"""Does it: against what, over which transport, how many times as much as in its short form. It checks what the
attacker meets; what others meet meanwhile, and what it costs, is watched for all attacks alike."""


@dataclass(frozen=True)
class Attack:
    """One attack over one transport."""

    name: str
    promise: str
    """Of docs/promises.md, e.g. `P4`."""
    service: str
    transport: str
    memory: int
    """By how many bytes the resident memory of the process may grow meanwhile."""
    long: int
    """How many times as much it is in a soak."""
    run: Run

    def fits(self, target: Target) -> bool:
        """Tell whether a process has what is attacked."""
        return self.transport == "all" or target.has(self.service, self.transport)

    def __str__(self) -> str:
        return f"{self.name} ({self.transport})"


class Catalogue(list[Attack]):
    """The attacks of a module."""

    def add(
        self,
        name: str,
        promise: str,
        service: str,
        transports: Iterable[str],
        memory: float,
        long: int = 1,
    ) -> Callable[[Run], Run]:
        """Have a function be an attack over each of these transports.

        @param memory: MiB.
        """

        def decorate(run: Run) -> Run:
            bound = int(memory * MIB)
            self.extend(Attack(name, promise, service, each, bound, long, run) for each in transports)
            return run

        return decorate
