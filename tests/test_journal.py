"""The log in systemd's journal: it has the time itself, and is told the level of each line."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from twisted.logger import FileLogObserver, LogEvent, Logger, LogLevel, capturedLogs
from twisted.python.failure import Failure

from socklab.config import loadConfig
from socklab.events import Events
from socklab.lab import Lab
from socklab.listeners import StartError
from socklab.log.form import asJournal, asJsonJournal
from socklab.log.journal import isJournal
from tests.test_reload import FakeReactor


def written(form: Callable[[LogEvent], str | None]) -> list[str]:
    """Give what is written of some events."""
    file = StringIO()
    logger = Logger("test", observer=FileLogObserver(file, form))
    logger.info("one\n<0>two", log_system="a")
    logger.debug("")
    logger.warn("한글")
    try:
        raise ValueError("x\n<0>y")
    except ValueError:
        logger.failure("it broke", Failure())
    return file.getvalue().splitlines()


def test_text() -> None:
    """Each line begins with its level, and no line of an event can give itself another one."""
    first, second, third, fourth, *traceback = written(asJournal)
    assert [first, second, third, fourth] == [
        "<6>[a] one",
        "<6>\t<0>two",
        "<4>[test#warn] 한글",
        "<2>[test#critical] it broke",
    ]
    assert all(each.startswith("<2>\t") for each in traceback)
    assert traceback[-2:] == ["<2>\t<0>y", "<2>\t"]


def test_json() -> None:
    """Of JSON too; the journal takes the mark off."""
    lines = written(asJsonJournal)
    assert [each[:3] for each in lines] == ["<6>", "<4>", "<2>"]
    assert [json.loads(each[3:])["level"] for each in lines] == ["info", "warn", "critical"]


def test_isJournal(tmp_path: Path) -> None:
    """It is where systemd says, by device and inode; a file may stand in its place, or no descriptor at all;
    Python has None for one that is closed.a file may stand in its place, or no descriptor at all."""
    ours, its = socket.socketpair()
    with ours, its, (tmp_path / "log").open("w") as file:
        there = os.fstat(ours.fileno())
        environment = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        assert isJournal(ours, environment)
        assert not isJournal(file, environment)
        assert not isJournal(StringIO(), environment)
        assert not isJournal(ours, {})
        assert not isJournal(None, environment)


@pytest.mark.usefixtures("forgets_modules")
def test_failed_start(tmp_path: Path) -> None:
    """That a server cannot start is an error."""
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "lab.toml").write_text("[[service]]\nprotocol = 'failing:FailingFactory'\nlisten = ['tcp:0']\n")
    lab = Lab(loadConfig(tmp_path / "lab.toml"), FakeReactor(), Events())
    with capturedLogs() as logs, pytest.raises(StartError, match="not today") as raised:
        lab.privilegedStartService()
    told = [(each["log_level"], str(each["entry"])) for each in logs if each.get("log_system") == "socklab"]
    assert told == [(LogLevel.error, str(raised.value))]


FAILING = """
from socklab import Factory, MessageProtocol

class FailingFactory(Factory):
    protocol = MessageProtocol

    def startFactory(self):
        raise ValueError("not today")
"""
