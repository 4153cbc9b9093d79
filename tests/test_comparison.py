"""docs/comparison.md is true: its code is what stands in docs/comparison, that runs, and its lines are counted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import ENVIRONMENT
from tests.test_docs import CHECKOUT, read, rows

PAGE = CHECKOUT / "docs" / "comparison.md"
FOLDER = CHECKOUT / "docs" / "comparison"

# What the page calls it, its folder, and its files: the program, the config, the test.
SHOUTS = {
    "socklab": ("socklab", "shout.py", "shout.toml", "test_shout.py"),
    "plain Twisted": ("twisted", "shout.py", None, "test_shout.py"),
    "asyncio": ("asyncio", "shout.py", None, "test_shout.py"),
    "Thousand Island": ("thousand_island", "shout.ex", None, "shout_test.exs"),
    "ranch": ("ranch", "shout.erl", None, "shout_tests.erl"),
}


def count(path: Path) -> int:
    """Count the lines that are neither blank nor a comment; a docstring is a line as any other."""
    return sum(bool(re.match(r"\s*[^\s#%]", line)) for line in read(path).splitlines())


def test_lines() -> None:
    """Each number in the table of lines is what a count gives."""
    said = {
        row[0]: row[2:] for row in rows(read(PAGE), "written with", "serves", "program", "config", "test", "all")
    }
    assert said.keys() == SHOUTS.keys()
    for name, (folder, *files) in SHOUTS.items():
        counts = [count(FOLDER / folder / each) if each else 0 for each in files]
        assert said[name] == [str(each or "") for each in (*counts, sum(counts))], name


def test_nothing_is_left_out() -> None:
    """The folder has no other files than those that are counted, and the probe."""
    counted = {FOLDER / folder / each for folder, *files in SHOUTS.values() for each in files if each}
    present = {
        each
        for each in FOLDER.rglob("*")
        if each.is_file() and not {"__pycache__", ".ruff_cache", ".mypy_cache"}.intersection(each.parts)
    }
    assert present == counted | {FOLDER / "probe.py"}


def test_code() -> None:
    """The code on the page is that of the files, and each program and config is there."""
    shown = dict(re.findall(r"\((comparison/\S+)\):\n\n```\w+\n(.*?)^```$", read(PAGE), re.MULTILINE | re.DOTALL))
    assert len(shown) >= len(SHOUTS)
    for folder, program, config, _ in SHOUTS.values():
        for each in filter(None, (program, config)):
            assert shown.pop(f"comparison/{folder}/{each}") == read(FOLDER / folder / each)
    for path, text in shown.items():
        assert text == read(PAGE.parent / path)


@pytest.mark.parametrize("folder", ["socklab", "twisted", "asyncio"])
def test_tests(folder: str) -> None:
    """What is written in Python passes its test. (Erlang and Elixir are not here; the page says when they ran.)"""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."]
    # Of the run that this test belongs to, xdist and pytest tell the processes that they start.
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("PYTEST_")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        command, cwd=FOLDER / folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
