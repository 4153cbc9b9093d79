"""Durations and sizes as people write them: `20`, `"250ms"`, `"64KiB"`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

_SECONDS: Final[Mapping[str, Fraction | int]] = {"ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600}
_FOREVER: Final = 1e18
_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}


def _split(text: str, units: Mapping[str, Fraction | int]) -> Fraction:
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([A-Za-z]+)", text)
    if match is None or match[2] not in units:
        raise ValueError
    # As a float, 2.01 kB would not be a whole number of bytes.
    return Fraction(match[1]) * units[match[2]]


def seconds(value: object) -> float:
    """Give a duration in seconds.

    @raise ValueError: it is none.
    """
    if isinstance(value, str):
        return float(_split(value, _SECONDS))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _FOREVER:
        raise ValueError
    return float(value)


def size(value: object) -> int:
    """Give a size in bytes.

    @raise ValueError: it is none.
    """
    if isinstance(value, str):
        exact = _split(value, _BYTES)
        if exact.denominator != 1:
            raise ValueError
        return int(exact)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value
