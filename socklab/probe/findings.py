"""What a probe finds, one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found out."""

    verdict: Verdict
    """`bad` is what hinders; `note` is good to know."""
    topic: str
    """One word, always the same for the same question."""
    text: str

    def __str__(self) -> str:
        return f"{self.verdict:<5}{self.topic:<12}{self.text}"


Report = Callable[[Finding], None]
