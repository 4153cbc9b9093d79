"""What one process has to share among all its peers: descriptors, and memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .gate import Refusal

_RESERVED: Final = 128
"""Descriptors that are not for connections: listeners, logs, files, upstreams."""


def descriptors() -> int:
    """Raise the soft limit of open files to the hard one; give how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 0 if hard == resource.RLIM_INFINITY else max(1, hard - _RESERVED)


def memoryUsed() -> int:
    """Give the resident memory of the process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


class MemoryBudget:
    """Refuses newcomers while the process has more memory than it should."""

    def __init__(self, budget: int, clock: Callable[[], float], used: Callable[[], int] = memoryUsed) -> None:
        """@param budget: bytes.
        @param clock: gives the time, in seconds; the memory is looked at no more than ten times a second.
        """
        self._budget = budget
        self._clock = clock
        self._used = used
        self._looked = float("-inf")
        self._refusal: Refusal | None = None

    def __call__(self) -> Refusal | None:
        now = self._clock()
        if not self._looked <= now < self._looked + 0.1:
            self._looked = now
            used = self._used()
            why = f"{used >> 20} MiB are in use"
            self._refusal = Refusal("server.memory_budget", why, 503) if used > self._budget else None
        return self._refusal
