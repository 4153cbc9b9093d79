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


def check(folder: Path, source: str) -> str:
    """Give what mypy says of a module."""
    (folder / "slow.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "slow.py"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


def test_strict_without_a_plugin(tmp_path: Path) -> None:
    """A protocol passes `mypy --strict` as it stands, without the plugin that zope's interfaces need."""
    assert check(tmp_path, SOURCE).startswith("Success")


def test_wrong_kind_is_told(tmp_path: Path) -> None:
    """Text instead of bytes, or no kind, is an error to the type checker already."""
    said = check(tmp_path, SOURCE.replace("sendMessage(payload, isBinary)", 'sendMessage("text")'))
    assert 'expected "bytes"' in said
    assert 'Missing positional argument "isBinary"' in said
