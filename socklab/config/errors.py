"""What is wrong with a config, in words for who wrote it."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ..text import quoted
from ..units import Expected

Loc = tuple[int | str, ...]

_LISTS: Final = (list, tuple, set, frozenset)
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
        text = json.dumps(value, ensure_ascii=False, default=str)
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
    for each in metadata:
        if isinstance(each, Expected):
            return each.what
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return expectation(arguments[0], [*arguments[1:], *metadata])
    if origin is Literal:
        return _either([shown(each) for each in arguments])
    if origin in (Union, types.UnionType):
        parts = []
        for each in arguments:
            if get_origin(each) is Literal:
                parts += [shown(value) for value in get_args(each)]
            elif each is not type(None):
                parts.append(expectation(each, metadata))
        return _either(parts)
    bounds = _bounds(metadata)
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return "an integer" + bounds
    if annotation is float:
        return "a number" + bounds
    if annotation in (str, bytes):
        return "text"
    if annotation is Any or annotation is None:
        return "a value"
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return "the path of a file"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _either([shown(each.value) for each in annotation])
    if (origin or annotation) in _LISTS:
        return "a list"
    if _fields(annotation) is not None or (origin or annotation) is dict:
        return "a table"
    return getattr(annotation, "__name__", str(annotation))


def _either(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _bounds(metadata: Sequence[Any]) -> str:
    words: list[str] = []
    for each in metadata:
        for one in getattr(each, "metadata", (each,)):
            match one:
                case Ge(ge=bound):
                    words.append(f" of at least {bound}")
                case Gt(gt=bound):
                    words.append(f" above {bound}")
                case Le(le=bound):
                    words.append(f" of at most {bound}")
                case Lt(lt=bound):
                    words.append(f" below {bound}")
    return "".join(words)


def _fields(annotation: Any) -> Mapping[str, tuple[Any, Sequence[Any]]] | None:
    """Give the keys of a table, each with its annotation and metadata; None for what is no table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields: Mapping[str, FieldInfo] = annotation.model_fields
        return {name: (each.annotation, each.metadata) for name, each in fields.items()}
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return {each.name: (hints[each.name], ()) for each in dataclasses.fields(annotation)}
    return None


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
            fields = _fields(candidate)
            if fields is not None and isinstance(value, dict):
                if step in fields:
                    annotation, metadata = fields[str(step)]
                    break
                if step in value:
                    annotation, metadata = None, ()
                    break
            if get_origin(candidate) in _LISTS and isinstance(step, int) and isinstance(value, list):
                annotation, metadata = get_args(candidate)[0], ()
                if get_origin(annotation) is Annotated:
                    annotation, *metadata = get_args(annotation)
                break
        else:
            continue
        done = (*done, step)
        value = _at(raw, done)
    return done, annotation, metadata


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | dict | str) else 0


def mistakes(error: ValidationError, model: type[BaseModel], raw: object) -> list[Mistake]:
    """Give pydantic's findings, one for each mistake, in our words."""
    found: dict[Loc, str] = {}
    missing: dict[Loc, str] = {}
    unknown: list[tuple[Loc, Any]] = []
    for each in error.errors(include_url=False):
        loc, annotation, metadata = _follow(model, (), each["loc"], raw)
        if each["type"] == "extra_forbidden":
            unknown.append((loc, each["input"]))
        elif each["type"] == "missing":
            missing[loc] = f"is missing: expected {expectation(annotation, metadata)}"
        elif each["type"] == "too_short" and _length(_at(raw, loc)) >= each["ctx"]["min_length"]:
            # Since 2.14 pydantic counts only the items that are right; what is wrong with the others is told.
            continue
        elif loc not in found:
            found[loc] = f"expected {expectation(annotation, metadata)}, got {shown(_at(raw, loc))}"
    for loc, _ in unknown:
        key = str(loc[-1])
        _, parent, _ = _follow(model, (), loc[:-1], raw)
        tables = [fields for each in _unions(parent) if (fields := _fields(each)) is not None]
        known = tables[0] if tables else {}
        found[loc] = f"unknown key{near(key, known)}"
        for close in get_close_matches(key, [*known], 1):
            missing.pop((*loc[:-1], close), None)
    return [Mistake(loc, what) for loc, what in {**found, **missing}.items()]
