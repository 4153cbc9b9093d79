"""Python's values as they stand in a config file."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Annotated, Any, Final, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from ..config.arguments import argumentsOf, isTable
from ..units import Expected, PositiveSeconds, Seconds, Size

# Keys that TOML takes without quotes.
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HOUR: Final = 3600
_MINUTE: Final = 60
_SIZE_UNITS: Final = (
    ("GiB", 1024**3),
    ("MiB", 1024**2),
    ("KiB", 1024),
    ("GB", 1000**3),
    ("MB", 1000**2),
    ("kB", 1000),
)


def tomlOf(value: object, annotation: Any = None, metadata: Sequence[Any] = ()) -> str | None:
    """Give an option's value as TOML, a duration or a size with its unit; None for what TOML has no form for.

    >>> tomlOf(65536, Size)
    '"64KiB"'

    @param annotation: of the option; with its `metadata` it tells durations and sizes from numbers.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        kinds = {*_kinds(annotation, metadata)}
        if kinds & _DURATIONS:
            return _duration(value)
        if kinds & _SIZES and isinstance(value, int):
            return _size(value)
    return _toml(value)


def _kinds(annotation: Any, metadata: Sequence[Any] = ()) -> Iterator[Expected]:
    """Find what an annotation, or a member of its union, says of values."""
    yield from (each for each in metadata if isinstance(each, Expected))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _kinds(arguments[0], arguments[1:])
    elif origin in (Union, types.UnionType):
        for each in arguments:
            yield from _kinds(each)


_DURATIONS: Final = {*_kinds(Seconds), *_kinds(PositiveSeconds)}
_SIZES: Final = {*_kinds(Size)}


def _duration(value: float) -> str:
    if value and value % _HOUR == 0:
        return f'"{value / _HOUR:.0f}h"'
    if value and value % _MINUTE == 0:
        return f'"{value / _MINUTE:.0f}m"'
    if value >= 1:
        return f'"{value:.15g}s"'
    milliseconds = round(value * 1000)
    return f'"{milliseconds}ms"' if milliseconds and milliseconds / 1000 == value else str(_toml(value))


def _size(value: int) -> str:
    for unit, factor in _SIZE_UNITS:
        if value and value % factor == 0:
            return f'"{value // factor}{unit}"'
    return str(value)


def _toml(value: object) -> str | None:
    match value:
        case Enum():
            # As the config takes it: by its value if that is text, else by its name.
            return _toml(value.value if isinstance(value.value, str) else value.name)
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case bytes():
            try:
                return _toml(value.decode())
            except UnicodeDecodeError:
                return f"[{', '.join(f'0x{byte:02x}' for byte in value)}]"
        case re.Pattern():
            return _toml(value.pattern)
        case timedelta():
            return _duration(value.total_seconds())
        case date() | time():
            return value.isoformat()
        case IPv4Address() | IPv4Network() | IPv6Address() | IPv6Network() | Decimal() | PurePath() | UUID():
            return _toml(str(value))
        case str():
            # JSON escapes as TOML does, but for DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | set() | frozenset():
            return _list(value)
    if (keys := _keys(value)) is not None:
        return _table(keys)
    return _list(value) if isinstance(value, tuple) else None


def _list(values: Iterable[object]) -> str | None:
    items = [_toml(each) for each in values]
    return None if None in items else f"[{', '.join(filter(None, items))}]"


def _keys(value: Any) -> Mapping[Any, Any] | None:
    """Give what stands in a table; None for what is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, type) or not isTable(type(value)):
        return None
    names = [each.name for each in argumentsOf(type(value)).named]
    # attrs has the argument `marks` for the attribute `_marks`.
    return {name: getattr(value, name, getattr(value, f"_{name}", None)) for name in names}


def _table(values: Mapping[Any, Any]) -> str | None:
    """Give an inline table; a key whose value is None is left out, as it would be in the file."""
    items = []
    for name, value in values.items():
        if value is not None:
            key, text = str(name), _toml(value)
            if text is None:
                return None
            items.append(f"{key if _BARE.fullmatch(key) else _toml(key)} = {text}")
    return f"{{ {', '.join(items)} }}" if items else "{}"
