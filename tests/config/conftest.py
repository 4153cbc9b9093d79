"""What the tests of the config share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _forget(forgets_modules: None) -> None:
    """Each of them may bring modules."""
