"""Tables: drawn at a terminal, plain in a pipe."""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stdout

import pytest

from socklab.cli import main
from socklab.cli.table import echoTable, isDrawn
from tests.process import CHECKOUT


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True

    @property
    def lines(self) -> list[str]:
        """What it shows, each line with single spaces."""
        return [" ".join(line.split()) for line in re.sub("\x1b\\[[0-9;]*m", "", self.getvalue()).splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What is printed on a terminal of 200 columns."""
    pytest.importorskip("rich")
    for name, value in (("COLUMNS", "200"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    return Terminal()


def test_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe: columns as wide as they must be, numbers at the right, and nothing that moves a cursor."""
    echoTable(("name", "open"), [("echo\x1b[2J", 7), ("채팅", 1234)])
    assert capsys.readouterr().out.splitlines() == ["NAME      OPEN", "echo�[2J     7", "채팅        1234"]
    assert not isDrawn()


def test_drawn(terminal: Terminal) -> None:
    """At a terminal it is drawn; what looks like markup is text."""
    with redirect_stdout(terminal):
        assert isDrawn()
        echoTable(("name", "open"), [("[red]echo[/red]\x1b", 7)])
    assert "name open" in terminal.lines
    assert "[red]echo[/red]� 7" in terminal.lines


def test_without_rich(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a terminal has the plain lines."""
    monkeypatch.setitem(sys.modules, "rich.table", None)
    with redirect_stdout(terminal):
        echoTable(("name",), [("echo",)])
    assert terminal.getvalue() == "NAME\necho\n"


@pytest.mark.parametrize(
    ("command", "head", "row"),
    [
        (("protocols", "echo"), "option type what it is", "prefix text default"),
        (
            ("show", f"{CHECKOUT}/docs/observe/echo.jsonl", "--connection", "4"),
            "time (UTC) # service transport peer",
            "2026-11-21 18:33:04.893 4 echo tcp 127.0.0.1:54038 received 7 B",
        ),
    ],
)
def test_commands(command: tuple[str, ...], head: str, row: str, terminal: Terminal) -> None:
    """The commands that list draw tables; those of `status` and `console list` come from the same place."""
    with redirect_stdout(terminal):
        main([*command], standalone_mode=False)
    assert head in terminal.lines
    assert any(line.startswith(row) for line in terminal.lines)
