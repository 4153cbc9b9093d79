"""What a process shares: descriptors, and memory."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet.task import Clock

from socklab.policy.house import MemoryBudget, MemoryUsed

MIB = 1 << 20


def test_budget() -> None:
    """Newcomers are refused while more is in use than the budget, and let in when it is less again."""
    clock, used = Clock(), [99 * MIB]
    budget = MemoryBudget(100 * MIB, clock.seconds, lambda: used[0])
    assert budget() is None
    used[0] = 120 * MIB
    assert budget() is None, "it was looked at a moment ago"
    clock.advance(0.1)
    refusal = budget()
    assert refusal is not None
    assert (refusal.name, refusal.reason, refusal.status) == ("server.memory_budget", "120 MiB are in use", 503)
    used[0] = 100 * MIB
    clock.advance(0.1)
    assert budget() is None


def test_budget_looks_ten_times_a_second() -> None:
    """A flood of newcomers does not make a flood of looks."""
    clock, looks = Clock(), [0]

    def used() -> int:
        looks[0] += 1
        return 0

    budget = MemoryBudget(1, clock.seconds, used)
    for _ in range(1000):
        budget()
        clock.advance(0.001)
    assert looks[0] in (9, 10)


def test_budget_and_a_clock_set_back() -> None:
    """A clock that is set back makes it look anew, and not hours later."""
    now, used = [1000.0], [0]
    budget = MemoryBudget(10, lambda: now[0], lambda: used[0])
    assert budget() is None
    now[0], used[0] = 0.0, 11
    assert budget() is not None


def test_memory_used() -> None:
    """It is the resident memory of this process, and grows with it."""
    used = MemoryUsed()
    before = used()
    assert MIB < before < 4 << 30
    held = bytearray(os.urandom(1)) * (64 * MIB)
    assert used() - before > 48 * MIB
    assert len(held) == 64 * MIB


def test_memory_used_without_a_free_descriptor() -> None:
    """A process that is out of descriptors can still look."""
    script = """
import os, resource
from socklab.policy.house import MemoryUsed
used = MemoryUsed()
used()
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    print(used() > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "True\n"


def test_descriptors() -> None:
    """The soft limit of open files is raised to the hard one, less 128 for what is no connection."""
    script = """
import resource
from socklab.policy.house import descriptors
for soft, hard in ((100, 1000), (100, 130)):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(descriptors(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "872 1000 1000\n2 130 130\n"
