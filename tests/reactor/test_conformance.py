"""Twisted's own tests of reactors, on ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import CHECKOUT, ENVIRONMENT

pytest.importorskip("uvloop")

MODULES = [f"twisted.internet.test.test_{each}" for each in ("tcp", "udp", "unix", "tls", "core", "time", "fdset")]

SKIPPED = {
    "twisted.internet.test.test_time.GlibTimeTestsBuilder_GIReactorTests.test_timeout_add": "it is GLib's",
}
"""Why we skip what we skip."""


def trial(folder: Path, names: list[str]) -> str:
    """Run some of Twisted's tests; give what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.reactor.conformance", *names],
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": f"{CHECKOUT}:{ENVIRONMENT['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout


def those(result: str, printed: str) -> set[str]:
    """Give the tests that came to a result."""
    return set(re.findall(rf"^(twisted\S+) \.\.\. \[{result}\]$", printed, re.MULTILINE))


def test_passes_twisteds_own_tests(tmp_path: Path) -> None:
    """All of Twisted's tests of streams, datagrams, TLS, time and descriptors pass, and none hangs.

    One that fails is given a second chance: some take a port that was free a moment ago.
    """
    printed = trial(tmp_path, MODULES)
    ran = re.search(r"^Ran (\d+) tests", printed, re.MULTILINE)
    assert ran is not None, printed
    assert int(ran[1]) >= 273, printed
    assert those("SKIPPED", printed) <= set(SKIPPED), printed
    if failed := those("FAIL", printed) | those("ERROR", printed):
        printed = trial(tmp_path, sorted(failed))
    assert re.search(r"^PASSED \(", printed, re.MULTILINE), printed
