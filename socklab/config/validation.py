"""What pydantic has found in a config, as mistakes: one for each, at its place in the file, in words of ours."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..near import near
from .errors import LISTS, Loc, Mistake, at, expectation, fieldsOf, shown, textOf

TOLD: Final = "told"
"""The type of those findings of pydantic's that are in our words already."""


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
        value = at(raw, done)
    return done, annotation, metadata


def _below(annotation: Any, step: int | str, value: object) -> tuple[Any, Sequence[Any]] | None:
    """Give the annotation and metadata of what is at a step in a value; None if the step is not one into it."""
    fields, origin, arguments = fieldsOf(annotation), get_origin(annotation), get_args(annotation)
    if isinstance(value, dict) and fields is not None and step in fields:
        return fields[str(step)].annotation, fields[str(step)].metadata
    if isinstance(value, dict) and origin is dict and step in value:
        return arguments[1], ()
    if origin in LISTS and isinstance(step, int) and isinstance(value, list):
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
        got, key = at(raw, loc), ""
        if whole[-1:] == ("[key]",) and at(raw, whole) is None:
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
        tables = [fields for each in _unions(parent) if (fields := fieldsOf(each)) is not None]
        known = tables[0] if tables else {}
        found[loc] = f"unknown key{near(key, known)}"
        for close in get_close_matches(key, [*known], 1):
            missing.pop((*loc[:-1], close), None)
    return [Mistake(loc, what) for loc, what in {**found, **missing}.items()]
