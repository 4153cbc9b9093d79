"""Run Twisted's own tests of reactors on ours only: `python -m tests.reactor.conformance NAME...`."""

from __future__ import annotations

import sys

from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.scripts import trial

if __name__ == "__main__":
    # The modules make a class of tests for each of these as they are imported.
    ReactorBuilder._reactors = ["socklab.reactor.UvloopReactor"]
    sys.argv.insert(1, "--reporter=bwverbose")
    trial.run()
