"""What is wrong with a config, in words for who wrote it."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..text import printable, quoted
from ..units import Expected

Loc = tuple[int | str, ...]

LISTS: Final = (list, tuple, set, frozenset)
# A type in words, and what the length of its values is counted in.
_WORDS: Final[Mapping[Any, tuple[str, str]]] = {
    bool: ("true or false", ""),
    int: ("an integer", ""),
    float: ("a number", ""),
    str: ("text", "characters"),
    dict: ("a table", "keys"),
    Any: ("a value", ""),
    None: ("a value", ""),
    **dict.fromkeys(LISTS, ("a list", "values")),
}
# Keys that TOML takes without quotes.
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class Mistake(NamedTuple):
    """One thing that is wrong, and where: the keys and indexes (from 0) that lead there."""

    loc: Loc
    what: str


class ConfigError(Exception):
    """A config cannot be served; one line for each mistake in it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = [*lines]


def shown(value: object) -> str:
    """Give a value as it would stand in the file, cut short when it is long."""
    if isinstance(value, str):
        text = quoted(value)
    elif isinstance(value, bool | int | list | dict):
        try:
            text = printable(json.dumps(value, ensure_ascii=False, default=str))
        except ValueError:  # Of Python itself: an integer of more than 4300 digits, which hexadecimal may be.
            text = "what is too long to be shown"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def place(loc: Loc, raw: object) -> str:
    """Give a place as a person writes it: `service[2] "chat": limits.message`."""
    prefix = ""
    if len(loc) >= 2 and loc[0] == "service" and isinstance(loc[1], int):
        prefix = f"service[{loc[1] + 1}]"
        table = at(raw, loc[:2])
        if isinstance(table, dict):
            name = table.get("name", table.get("protocol"))
            if isinstance(name, str):
                prefix += f" {quoted(name)}"
        loc = loc[2:]
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step + 1}]"
        else:
            key = step if _BARE.fullmatch(step) else quoted(step)
            path += f".{key}" if path else key
    return ": ".join(part for part in (prefix, path) if part)


def at(raw: object, loc: Loc) -> object:
    for step in loc:
        try:
            raw = raw[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def expectation(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Say what a value of an annotation is, for a person."""
    return either(parts(annotation, metadata))


def parts(annotation: Any, metadata: Sequence[Any] = ()) -> list[str]:
    """Give what a value may be, each in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    for each in reversed(metadata):
        if isinstance(each, Expected):
            bounds = _bounds(metadata, "")
            return [f"{each.what},{bounds}" if bounds else each.what]
    if kind is Annotated:
        return parts(arguments[0], [*arguments[1:], *metadata])
    if kind is Literal:
        return [shown(getattr(each, "value", each)) for each in arguments]
    if kind in (Union, types.UnionType):
        return [part for each in arguments if each is not type(None) for part in parts(each, metadata)]
    if fieldsOf(annotation) is not None:
        return ["a table"]
    if kind is tuple and arguments and ... not in arguments:
        return [f"a list of {len(arguments)} values"]
    what, unit = _WORDS.get(kind, (getattr(annotation, "__name__", str(annotation)), ""))
    return [what + _bounds(metadata, unit)]


def either(parts: Iterable[str]) -> str:
    """Give `a, b or c`."""
    *first, last = dict.fromkeys(parts)
    return f"{', '.join(first)} or {last}" if first else last


def _bounds(metadata: Iterable[Any], unit: str) -> str:
    """Give what bounds a value: ` of at least 1 and at most 9`.

    @param unit: of its length; without one its length has its own words.
    """
    bounds: list[str] = []
    counted = more = ""
    for each in _constraints(metadata):
        match each:
            case Ge(ge=bound):
                bounds.append(f"at least {bound}")
            case Gt(gt=bound):
                bounds.append(f"above {bound}")
            case Le(le=bound):
                bounds.append(f"at most {bound}")
            case Lt(lt=bound):
                bounds.append(f"below {bound}")
            case MinLen(min_length=bound) if unit:
                bounds.append(f"at least {bound}")
                counted = f" {unit if bound != 1 else unit[:-1]}"
            case MaxLen(max_length=bound) if unit:
                bounds.append(f"at most {bound}")
                counted = f" {unit if bound != 1 else unit[:-1]}"
            case MultipleOf(multiple_of=factor):
                more += f" that is a multiple of {factor}"
            case _ if pattern := getattr(each, "pattern", None):
                more += f" that matches {getattr(pattern, 'pattern', pattern)}"
    if bounds:
        more = f"{' of' if bounds[0].startswith('at ') else ''} {' and '.join(bounds)}{counted}{more}"
    return more


def _constraints(metadata: Iterable[Any]) -> Iterator[Any]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from _constraints(each.metadata)
        elif isinstance(each, GroupedMetadata):
            yield from _constraints(each)
        else:
            yield each


def fieldsOf(annotation: Any) -> Mapping[str, FieldInfo] | None:
    """Give the keys of a table; None for what is none."""
    return annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def textOf(error: BaseException) -> str:
    """Give what an error says, on one line."""
    try:
        return printable(" ".join(str(error).split()))
    except Exception:
        return type(error).__name__
