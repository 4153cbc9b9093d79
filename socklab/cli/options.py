"""The options of a protocol, as an operator reads and writes them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import attr
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from twisted.internet.protocol import BaseProtocol, DatagramProtocol

from ..config.errors import expectation
from ..config.factories import optionsModel
from .docstrings import docsOf
from .values import tomlOf

_LISTS: Final = (list, tuple, set, frozenset)


@dataclass(frozen=True)
class Option:
    """One key of `[service.options]`."""

    name: str
    """With the tables it stands in: `upstream.host`; `users[].name` in a list of tables."""
    type: str
    """What a value is, in the words of the messages about bad ones."""
    required: bool
    default: str | None
    """As TOML; None when there is none, or none that TOML has a form for."""
    doc: str


def optionsOf(found: Any) -> Iterator[Option]:
    """Give the options of what `protocol` names."""
    if isinstance(found, type) and issubclass(found, BaseProtocol) and not issubclass(found, DatagramProtocol):
        return iter(())
    return _options(found, "", ())


def _options(found: Any, prefix: str, outer: tuple[Any, ...]) -> Iterator[Option]:
    keys, hints = _keys(found)
    docs = docsOf(found, keys)
    for name, field in keys.items():
        default = tomlOf(_default(found, name, field), field.annotation, field.metadata)
        kind = expectation(field.annotation, field.metadata)
        doc = docs.get(name) or field.description or ""
        yield Option(prefix + name, kind, field.is_required(), default, doc)
        for table, suffix in _tables(hints.get(name), ""):
            if table not in outer:
                yield from _options(table, f"{prefix}{name}{suffix}.", (*outer, table))


def _keys(found: Any) -> tuple[Mapping[str, FieldInfo], Mapping[str, Any]]:
    """Give the keys of a table, and their annotations as its author wrote them."""
    if _isModel(found):
        return found.model_fields, {name: each.annotation for name, each in found.model_fields.items()}
    annotated: Any = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
    return optionsModel(found).model_fields, get_type_hints(annotated, include_extras=True)


def _default(found: Any, name: str, field: FieldInfo) -> object:
    """Give a default; None when there is none.

    A signature hides defaults that are made anew each time: attrs and dataclasses keep how.
    """
    make: Any = None
    if is_dataclass(found):
        make = next((each.default_factory for each in fields(found) if each.name == name), None)
    for each in getattr(found, "__attrs_attrs__", ()):
        # None for a plain default, and for one made from the object itself.
        if each.alias == name and not getattr(each.default, "takes_self", True):
            make = each.default.factory
    if callable(make):
        return make()
    default = field.get_default(call_default_factory=True)
    return None if default in (PydanticUndefined, attr.NOTHING) else default


def _tables(annotation: Any, suffix: str) -> Iterator[tuple[Any, str]]:
    """Find the tables in an annotation, each with `[]` for each list around it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _tables(arguments[0], suffix)
    elif origin in (Union, types.UnionType):
        for each in arguments:
            yield from _tables(each, suffix)
    elif origin in _LISTS:
        yield from _tables(arguments[0], suffix + "[]")
    elif _isModel(annotation) or (isinstance(annotation, type) and is_dataclass(annotation)):
        yield annotation, suffix


def _isModel(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, BaseModel)
