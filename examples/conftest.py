"""Each example stands for itself: what its tests import is not there for the tests of another."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Forget an example's modules when its tests have them, and the folders that pytest has put on the path."""
    report = yield
    for name, module in [*sys.modules.items()]:
        file = Path(getattr(module, "__file__", None) or "")
        if HERE in file.parents and not name.startswith(("conftest", "test_")):
            del sys.modules[name]
    sys.path[:] = [each for each in sys.path if HERE not in (Path(each), *Path(each).parents)]
    return report
