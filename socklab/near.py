"""What somebody may have meant who has mistyped a word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean ...?` for a near miss, else nothing."""
    close = get_close_matches(word, [*known], 1)
    return f"; did you mean `{close[0]}`?" if close else ""
