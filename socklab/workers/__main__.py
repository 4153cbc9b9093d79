"""A worker: `python -P -m socklab.workers NUMBER REACTOR`, which only a parent can start; it speaks to it on 3."""

from __future__ import annotations

import faulthandler
import gc
import sys

from twisted.application.reactors import installReactor

from ..reactor import install


def main() -> None:
    """Serve what the parent says, until it says otherwise or is gone."""
    # Who is killed because it hangs (SIGABRT) says where.
    faulthandler.enable()
    number, reactor = sys.argv[1:]
    # As in `socklab.starting`.
    gc.disable()
    if reactor == "uvloop":
        install()
    else:
        installReactor(reactor)
    # Not sooner: it brings the reactor along.
    from .worker import Worker

    Worker(int(number)).run()


if __name__ == "__main__":
    main()
