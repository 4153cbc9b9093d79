"""The log in systemd's journal, which has a time and a level for each line, and is told the level."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from twisted.logger import LogEvent

Level = Literal["debug", "info", "warn", "error", "critical"]

_PRIORITIES: Final[Mapping[Level, int]] = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
_BEGINNING: Final = re.compile("^(?=.)", re.MULTILINE)


def isJournal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Tell whether what is written to a stream goes to the journal.

    @param environment: has the stream's device and inode then as `JOURNAL_STREAM` (systemd.exec(5)).
    """
    try:
        there = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def marked(text: str, level: Level) -> str:
    """Give lines with the mark that tells the journal their level, which it takes off (sd-daemon(3))."""
    return _BEGINNING.sub(f"<{_PRIORITIES[level]}>", text)


def levelOf(event: LogEvent) -> Level:
    """Give the level of a log event; what says none is information."""
    level = event.get("log_level")
    return level.name if level is not None else "info"
