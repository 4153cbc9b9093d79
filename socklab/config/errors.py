"""What is wrong with a config, in words for who wrote it."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ..text import printable, quoted
from ..units import Expected

Loc = tuple[int | str, ...]

TOLD: Final = "told"
"""The type of those findings of pydantic's that are in our words already."""

_LISTS: Final = (list, tuple, set, frozenset)
# A type in words, and what the length of its values is counted in.
_WORDS: Final[Mapping[Any, tuple[str, str]]] = {
    bool: ("true or false", ""),
    int: ("an integer", ""),
    float: ("a number", ""),
    str: ("text", "characters"),
    dict: ("a table", "keys"),
    Any: ("a value", ""),
    None: ("a value", ""),
    **dict.fromkeys(_LISTS, ("a list", "values")),
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
        table = _at(raw, loc[:2])
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


def near(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean ...?` for a near miss, else nothing."""
    close = get_close_matches(word, [*known], 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _at(raw: object, loc: Loc) -> object:
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
    if _fields(annotation) is not None:
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


def _fields(annotation: Any) -> Mapping[str, FieldInfo] | None:
    """Give the keys of a table; None for what is none."""
    return annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _unions(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _unions(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _unions(each)
    else:
        yield annotation


def _follow(annotation: Any, metadata: Sequence[Any], loc: Loc, raw: object) -> tuple[Loc, Any, Sequence[Any]]:
    """Follow pydantic's loc through the annotations as far as it names keys and indexes of the file.

    It also names members of unions and such; they are left out, so that one mistake has one place.
    """
    done: Loc = ()
    value = raw
    for step in loc:
        for candidate in _unions(annotation):
            below = _below(candidate, step, value)
            if below is not None:
                annotation, metadata = below
                break
        else:
            if not isinstance(value, dict) or step not in value:
                continue
            annotation, metadata = None, ()  # An unknown key.
        done = (*done, step)
        value = _at(raw, done)
    return done, annotation, metadata


def _below(annotation: Any, step: int | str, value: object) -> tuple[Any, Sequence[Any]] | None:
    """Give the annotation and metadata of what is at a step in a value; None if the step is not one into it."""
    fields, origin, arguments = _fields(annotation), get_origin(annotation), get_args(annotation)
    if isinstance(value, dict) and fields is not None and step in fields:
        return fields[str(step)].annotation, fields[str(step)].metadata
    if isinstance(value, dict) and origin is dict and step in value:
        return arguments[1], ()
    if origin in _LISTS and isinstance(step, int) and isinstance(value, list):
        isOfOne = origin is not tuple or ... in arguments
        return arguments[0] if isOfOne else arguments[step], ()
    return None


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | dict | str) else 0


def _keyOf(annotation: Any) -> Any:
    return next((get_args(each)[0] for each in _unions(annotation) if get_origin(each) is dict), str)


def _reason(finding: Mapping[str, Any]) -> str:
    """Give what a validator of the author's says; nothing where the annotation says enough."""
    if finding["type"] in ("value_error", "assertion_error"):
        return textOf(finding["ctx"]["error"])
    if finding["type"] == "set_item_not_hashable":
        return "cannot be in a set"
    if finding["type"] == "finite_number":
        return f"expected a finite number, got {shown(finding['input'])}"
    return ""


def mistakes(error: ValidationError, model: type[BaseModel], raw: object) -> list[Mistake]:
    """Give pydantic's findings, one for each mistake, in our words."""
    found: dict[Loc, str] = {}
    missing: dict[Loc, str] = {}
    unknown: list[Loc] = []
    for each in error.errors(include_url=False):
        kind, whole = each["type"], each["loc"]
        loc, annotation, metadata = _follow(model, (), whole, raw)
        got, key = _at(raw, loc), ""
        if whole[-1:] == ("[key]",) and _at(raw, whole) is None:
            whole, got, key = whole[:-1], whole[-2], "the key: "
            annotation, metadata = _keyOf(_follow(model, (), whole[:-1], raw)[1]), ()
        if kind == TOLD:
            # What is told already has its own place.
            found.setdefault(whole, key + each["msg"])
        elif kind == "extra_forbidden":
            unknown.append(loc)
        elif kind == "missing":
            missing[loc] = f"is missing: expected {expectation(annotation, metadata)}"
        elif kind == "too_short" and _length(got) >= each["ctx"]["min_length"]:
            # Since 2.14 pydantic counts only the items that are right; what is wrong with the others is told.
            continue
        elif loc not in found:
            wanted = _reason(each) or f"expected {expectation(annotation, metadata)}, got {shown(got)}"
            found[loc] = key + wanted
    for loc in unknown:
        key = str(loc[-1])
        _, parent, _ = _follow(model, (), loc[:-1], raw)
        tables = [fields for each in _unions(parent) if (fields := _fields(each)) is not None]
        known = tables[0] if tables else {}
        found[loc] = f"unknown key{near(key, known)}"
        for close in get_close_matches(key, [*known], 1):
            missing.pop((*loc[:-1], close), None)
    return [Mistake(loc, what) for loc, what in {**found, **missing}.items()]


def textOf(error: BaseException) -> str:
    """Give what an error says, on one line."""
    try:
        return printable(" ".join(str(error).split()))
    except Exception:
        return type(error).__name__
