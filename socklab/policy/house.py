"""What one process has to share among all its peers: descriptors, and memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .gate import Refusal

_RESERVED: Final = 128
"""Descriptors that are not for connections: listeners, logs, files, upstreams."""


def descriptors() -> int:
    """Raise the soft limit of open files to the hard one; give how many connections that leaves room for."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS has a hard limit without bound, and refuses to take it as the soft one.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = hard
    return 0 if limit == resource.RLIM_INFINITY else max(1, limit - _RESERVED)


class MemoryUsed:
    """Gives the resident memory of the process, in bytes (proc(5), /proc/pid/statm)."""

    def __init__(self) -> None:
        self._statm: int | None = None

    def __call__(self) -> int:
        if self._statm is None:
            # Not before it is asked: twistd has become a daemon by then. It stays open, since a process without
            # a free descriptor must still be able to look.
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        return int(os.pread(self._statm, 128, 0).split()[1]) * os.sysconf("SC_PAGESIZE")


class MemoryBudget:
    """Refuses newcomers while the process has more memory than it should."""

    def __init__(self, budget: int, clock: Callable[[], float], used: Callable[[], int] | None = None) -> None:
        """@param budget: bytes.
        @param clock: gives the time, in seconds; the memory is looked at no more than ten times a second.
        @param used: gives the memory in use; by default the process's.
        """
        self._budget = budget
        self._clock = clock
        self._used = used or MemoryUsed()
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
