"""docs/write-a-protocol.md is true: its files are written, its commands run, and what it shows is what comes.

Each `## ` section runs in a folder that holds the files of the sections before it; `tests.reader` says how.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process import CHECKOUT
from tests.reader import Fence, Reader, environment, fences, shell, write

PAGE = CHECKOUT / "docs" / "write-a-protocol.md"


def sections() -> dict[str, list[Fence]]:
    """Give the fences below each heading."""
    text = PAGE.read_text(encoding="utf-8")
    starts = [match.start() for match in re.finditer(r"^## ", text, re.MULTILINE)]
    ends = [*starts[1:], len(text)]
    return {
        text[start + 3 : text.index("\n", start)]: [*fences(text[start:end], text.count("\n", 0, start))]
        for start, end in zip(starts, ends, strict=True)
    }


SECTIONS = sections()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reader's folder."""
    folder = tmp_path / "tutorial"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("heading", SECTIONS)
def test_section(heading: str, folder: Path) -> None:
    """What the section shows is what happens."""
    for each in SECTIONS:
        if each == heading:
            break
        for fence in SECTIONS[each]:
            if fence.language in ("python", "toml"):
                write(fence, folder)
    with ExitStack() as running:
        reader = Reader(folder, running)
        for fence in SECTIONS[heading]:
            try:
                reader.follow(fence)
            except AssertionError as error:
                error.add_note(f"{PAGE.name}, line {fence.line}")
                raise
        reader.finish()


def test_tests(folder: Path) -> None:
    """The tests that the page shows pass, those too that it does not run."""
    files = [fence for found in SECTIONS.values() for fence in found if fence.language in ("python", "toml")]
    names = [fence.file for fence in files]
    assert len({*names}) == len(names), "a file stands twice: the first one is not tested"
    for fence in files:
        write(fence, folder)
    tests = [
        name for name in names if name.startswith("test_") and name not in ("test_network.py", "test_trial.py")
    ]
    printed = shell(f"pytest -q {' '.join(tests)}", folder, environment(folder))
    count = sum(fence.text.count("\ndef test_") for fence in files if fence.file in tests)
    assert re.search(rf"^{count} passed in", printed, re.MULTILINE), printed


def test_files_are_used() -> None:
    """Each file is one that a command, a config or another file of the page names."""
    text = PAGE.read_text(encoding="utf-8")
    for found in SECTIONS.values():
        for fence in found:
            if fence.file and not fence.file.startswith("test_"):
                name = fence.file.removesuffix(".py")
                code = text.replace(f"`{fence.file}`", "")
                assert re.search(rf"(--config|check) {name}|\b{name}:\w+Factory|from {name} import", code), name
