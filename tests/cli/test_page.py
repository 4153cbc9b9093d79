"""docs/commands.md shows what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from socklab.cli import main
from tests.cli.support import Install
from tests.process import CHECKOUT
from tests.test_docs import blocks, read

PAGE = CHECKOUT / "docs" / "commands.md"
HOME = "/home/alice/socklab"


class Step(NamedTuple):
    """A command and what it prints."""

    command: str
    output: str


def steps(page: Path) -> Iterator[Step]:
    """Give the commands of a page, in order."""
    for block in blocks(page, "console"):
        for match in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            yield Step(match[1], match[2])


def shows(shown: str, printed: str) -> bool:
    """Tell whether a transcript shows what was printed; a line `...` stands for any lines."""
    pattern = "(?:.*\n)*".join(re.escape(each) for each in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE))
    return re.fullmatch(pattern, printed) is not None


def test_transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install) -> None:
    """Each command of the page, run one after the other, prints what is shown below it."""
    shutil.copytree(CHECKOUT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    install("broken", "1.0", {"broken": "broken:Factory"}, broken="import requets\n")
    status = 0
    told = set()
    for command, output in steps(PAGE):
        words = shlex.split(command)
        if words[0] == "cat":
            Path(words[1]).write_text(output)
        elif command == "echo $?":
            assert output == f"{status}\n"
        else:
            assert words[0] == "socklab"
            result = CliRunner().invoke(main, words[1:], prog_name="socklab")
            # Somebody may have the ports meanwhile.
            printed = re.sub("^note: .*\n", "", result.output, flags=re.MULTILINE).replace(str(tmp_path), HOME)
            printed = re.sub(
                r"\(\S+/broken\.py,", f"({HOME}/.venv/lib/python3.11/site-packages/broken.py,", printed
            )
            printed = re.sub(r"ends on \d{4}-\d\d-\d\d", "ends on 2027-11-21", printed)
            assert shows(output, printed), f"{command}\n{printed}"
            status = result.exit_code
            told.add(words[1])
    assert told == {*main.commands}


def test_commands() -> None:
    """Its table names each command, with the section that is about it."""
    told = re.findall(r"^\| \[`socklab (\w+)[^`]*`\]\(#socklab-(\w+)\)", read(PAGE), re.MULTILINE)
    assert sorted(told) == [(each, each) for each in sorted(main.commands)]
