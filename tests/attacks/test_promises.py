"""docs/promises.md names tests and attacks that there are, and all attacks."""

from __future__ import annotations

import re

import pytest

from tests.process import CHECKOUT

from . import ATTACKS

ROWS = {
    row.split("|")[1].strip(): row
    for row in (CHECKOUT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    if row.startswith("| P")
}


@pytest.mark.parametrize("promise", ROWS)
def test_names(promise: str) -> None:
    """Each promise has a test or an attack that is there, and names the attacks on it."""
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ROWS[promise])
    for path, name in tests:
        assert re.search(rf"^(class|def) {name}\b", (CHECKOUT / path).read_text(), re.MULTILINE), name
    attacks = set(re.findall(r"attack: ([\w ]*\w)", ROWS[promise]))
    assert attacks <= {each.name for each in ATTACKS}
    assert attacks >= {each.name for each in ATTACKS if each.promise == promise}
    assert tests or attacks


def test_attacks() -> None:
    """Each attack is on a promise."""
    assert {each.promise for each in ATTACKS} <= set(ROWS)
