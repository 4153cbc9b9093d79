"""Commands and packages for the tests."""

from __future__ import annotations

from typing import Protocol

from click.testing import Result

SHOUT = '''
from socklab import Factory, MessageProtocol


class ShoutProtocol(MessageProtocol):
    """Send each message back in capitals."""


class ShoutFactory(Factory):
    protocol = ShoutProtocol

    def __init__(self, marks: int = 0) -> None:
        """@param marks: how many exclamation marks to add."""
'''


class Run(Protocol):
    """Runs `socklab`."""

    def __call__(self, *arguments: str) -> Result: ...


class Install(Protocol):
    """Makes a package known."""

    def __call__(self, name: str, version: str, entries: dict[str, str], **modules: str) -> None: ...
