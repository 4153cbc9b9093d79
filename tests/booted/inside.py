"""What runs inside: installs socklab, and plays all scenes, each a row of the table."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from . import cluster, life, places
from .unit import CONFIGS, UNITS, done, sh

SCENES: list[Callable[[], str]] = [*life.SCENES, *places.SCENES, *cluster.SCENES]


def install(interpreter: str) -> None:
    """Do what the head of the unit says."""
    done(interpreter, "-m", "venv", "/opt/socklab")
    offline = ["--no-index", "--find-links", "/wheels"]
    done("/opt/socklab/bin/pip", "install", "-q", *offline, "socklab[cluster,fast,lab]")
    done("/opt/socklab/bin/twistd", "--help")
    done("cp", str(CONFIGS / "socklab.service"), str(UNITS))
    done("systemctl", "daemon-reload")


def main() -> int:
    """Play those that are named, or all."""
    interpreter, *chosen = sys.argv[1:]
    install(interpreter)
    version = " ".join(done("systemctl", "--version").split()[:2])
    nats = sh("nats-server", "--version").stdout.split()[-1:]
    engine = f", nats-server {nats[0].lstrip('v')}" if nats else ""
    versions = f"{version}, Python {platform.python_version()}{engine}, Linux {platform.release()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, `make systemd`, {versions}\n")
    print("| what happens | seconds | what was seen |\n| --- | --- | --- |", flush=True)
    failed = 0
    for scene in SCENES:
        if chosen and scene.__name__ not in chosen:
            continue
        start = time.monotonic()
        try:
            seen = scene()
        except Exception as error:
            failed += 1
            seen = f"FAILED: {type(error).__name__}: {error}"
        print(f"| {scene.__doc__} | {time.monotonic() - start:.0f} | {seen} |", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
