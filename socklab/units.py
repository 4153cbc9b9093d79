"""Durations and sizes as annotations: what a config's file says becomes a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from .quantities import seconds, size


@dataclass(frozen=True)
class Expected:
    """Says in an annotation what an operator should have written."""

    what: str


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Expected('a duration such as 5, 0.5 or "250ms"')]
"""A duration in seconds, 0 or more."""
PositiveSeconds = Annotated[
    float,
    BeforeValidator(lambda value: _positive(seconds(value))),
    Expected('a duration above 0, such as 5, 0.5 or "250ms"'),
]
"""A duration in seconds, more than 0."""
Size = Annotated[
    int,
    BeforeValidator(lambda value: int(_positive(size(value)))),
    Expected('a size above 0, such as 65536 or "64KiB"'),
]
"""A size in bytes, more than 0."""
