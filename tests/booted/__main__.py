"""`make systemd`: boots a systemd, installs socklab there, and drives the units; prints a table. Three minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .machine import CHECKOUT, Machine, lacking, python


def main() -> int:
    """Do those scenes that are named, or all."""
    if why := lacking():
        print(f"skipped: {why}")
        return 0
    with TemporaryDirectory() as name:
        folder, wheels = Path(name), Path(name) / "wheels"
        collect = [sys.executable, "-m", "pip", "wheel", "-qq", "-w", str(wheels), ".[cluster,fast,lab]"]
        subprocess.run(collect, cwd=CHECKOUT, check=True)
        bound, interpreter = python()
        try:
            # What drives the units needs more than they: the environment of the tests.
            tests = {Path(sys.prefix): sys.prefix, CHECKOUT: "/checkout"}
            with Machine(folder, {**bound, **tests, wheels: "/wheels"}) as machine:
                command = [sys.executable, "-m", "tests.booted.inside", interpreter, *sys.argv[1:]]
                return machine.run("env", "-C", "/checkout", "PYTHONDONTWRITEBYTECODE=1", *command).returncode
        except RuntimeError as error:
            print(f"skipped: {error}")
            return 0


if __name__ == "__main__":
    sys.exit(main())
