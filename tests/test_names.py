"""What an author imports from `socklab`, which is imported only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

import socklab
from tests.process import ENVIRONMENT


@pytest.mark.parametrize("name", socklab.__all__)
def test_name(name: str) -> None:
    """Each name leads to something, the same each time."""
    assert getattr(socklab, name) is getattr(socklab, name)


def test_no_such_name() -> None:
    """Any other name is the usual error."""
    with pytest.raises(AttributeError, match="module 'socklab' has no attribute 'Nothing'"):
        socklab.Nothing  # noqa: B018


def test_nothing_is_imported() -> None:
    """`import socklab` by itself imports neither Twisted nor pydantic."""
    script = "import sys, socklab; print([each for each in ('twisted', 'pydantic') if each in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, check=True, timeout=60
    )
    assert done.stdout == b"[]\n"
