"""docs/rooms.md is true: what it shows runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process import CHECKOUT
from tests.test_docs import blocks, load


def test_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's protocol passes the page's test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    protocol, test = blocks(CHECKOUT / "docs" / "rooms.md", "python")
    (tmp_path / "board.py").write_text(protocol.text)
    (tmp_path / "test_board.py").write_text(test.text)
    load("test_board", tmp_path).test_two_servers()
