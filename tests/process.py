"""Running `twistd socklab` for tests: to its end here, and as `Server` while it serves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from socklab.testing.process import ENVIRONMENT, Printed, twistd
from socklab.testing.process import ServerProcess as Server

__all__ = ["CHECKOUT", "ENVIRONMENT", "Printed", "Server", "onFreePorts", "run", "twistd"]

CHECKOUT = Path(__file__).resolve().parent.parent


def run(*arguments: str, folder: Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run twistd to its end, in a folder.

    @param before: a command that runs it, as `setpriv`.
    """
    return subprocess.run(
        [*before, *twistd(*arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def onFreePorts(config: str) -> str:
    """Give a config's text with every port of its `listen` entries 0.

    >>> onFreePorts("'tcp:3000:interface=127.0.0.1', 'ws:tcp:8000'")
    "'tcp:0:interface=127.0.0.1', 'ws:tcp:0'"
    """
    return re.sub(r"\b(tcp|udp|ssl):\d+", r"\1:0", config)
