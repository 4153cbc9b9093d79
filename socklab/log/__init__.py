"""The log: what happens, as lines for a person or as JSON for a program, safe to read and bounded.

It goes through `twisted.logger`: what is said here are log events, which `form` gives a form in the end.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger, LogLevel

from .entry import Entry
from .journal import Level
from .observer import BoundedObserver, logObserver
from .recorder import Recorder

__all__ = ["BoundedObserver", "Recorder", "logObserver", "say"]

_logger: Final = Logger(namespace="socklab")


def say(line: str, event: str = "log", level: Level = "info", **fields: str | int) -> None:
    """Log a line.

    @param event: what it tells of, as JSON has it: `listening`, `ready`, `reload` and so on.
    @param fields: more of it for JSON, which then needs no line.
    """
    _logger.emit(LogLevel.lookupByName(level), "{entry}", entry=Entry(line, event, **fields), log_system="socklab")
