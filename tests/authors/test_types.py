"""What a type checker says of an author's code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.process import CHECKOUT

SOURCE = """
from __future__ import annotations

from twisted.internet.task import deferLater

from socklab import Factory, MessageProtocol


class Slow(MessageProtocol):
    factory: SlowFactory

    async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        await deferLater(self.transport.clock, self.factory.seconds)
        self.transport.sendMessage(payload, isBinary)

    def readConnectionLost(self) -> None:
        self.transport.clock.callLater(1, self.transport.loseConnection)


class SlowFactory(Factory):
    protocol = Slow

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
"""


def test_strict_without_a_plugin(tmp_path: Path) -> None:
    """A protocol passes `mypy --strict` as it stands, without the plugin that zope's interfaces need.

    Text instead of bytes, or no kind, is an error to the type checker already.
    """
    (tmp_path / "good.py").write_text(SOURCE)
    (tmp_path / "wrong.py").write_text(SOURCE.replace("sendMessage(payload, isBinary)", 'sendMessage("text")'))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "good.py", "wrong.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    *errors, end = done.stdout.splitlines()
    assert end == "Found 2 errors in 1 file (checked 2 source files)", done.stdout + done.stderr
    assert all(line.startswith("wrong.py:") for line in errors)
    assert 'expected "bytes"' in done.stdout
    assert 'Missing positional argument "isBinary"' in done.stdout
