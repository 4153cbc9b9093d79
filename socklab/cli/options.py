"""The options of a protocol, as an operator reads and writes them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import attr
from twisted.internet.protocol import BaseProtocol, DatagramProtocol

from ..config.arguments import Argument, argumentsOf, isTable
from ..config.errors import expectation
from ..config.factories import optionsModel
from .docstrings import docsOf
from .values import tomlOf


@dataclass(frozen=True)
class Option:
    """One key of `[service.options]`."""

    name: str
    """With its tables: `upstream.host`; in a list of tables `users[].name`, in a table of them `users.*.name`."""
    type: str
    """What a value is, in the words of the messages about bad ones."""
    required: bool
    default: str | None
    """As TOML; None when there is none, or none that TOML has a form for."""
    doc: str


def optionsOf(found: Any) -> Iterator[Option]:
    """Give the options of what `protocol` names.

    @raise Unmade: nobody can tell them, or a config cannot give them.
    """
    if isinstance(found, type) and issubclass(found, BaseProtocol) and not issubclass(found, DatagramProtocol):
        return iter(())
    return _options(found, "", ())


def _options(found: Any, prefix: str, outer: tuple[Any, ...]) -> Iterator[Option]:
    arguments = {each.name: each for each in argumentsOf(found).named}
    fields = optionsModel(found).model_fields
    docs = docsOf(found, fields)
    for name, field in fields.items():
        argument = arguments[name]
        kind = expectation(field.annotation, field.metadata)
        default = tomlOf(_default(argument), field.annotation, field.metadata)
        doc = docs.get(name) or field.description or ""
        yield Option(prefix + name, kind, argument.isRequired, default, doc)
        for table, suffix in _tables(argument.annotation, ""):
            if table not in outer:
                yield from _options(table, f"{prefix}{name}{suffix}.", (*outer, table))


def _default(argument: Argument) -> object:
    """Give a default; None when there is none, or none without the rest of what it is made for."""
    if argument.makeDefault is not None:
        try:
            return argument.makeDefault()
        except Exception:
            return None
    return None if argument.default is attr.NOTHING else argument.default


def _tables(annotation: Any, suffix: str) -> Iterator[tuple[Any, str]]:
    """Find the tables in an annotation, each with how its keys are reached: `[]` in a list, `.*` in a table."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _tables(arguments[0], suffix)
    elif origin in (Union, types.UnionType):
        for each in arguments:
            yield from _tables(each, suffix)
    elif isTable(annotation):
        yield annotation, suffix
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _tables(arguments[1], f"{suffix}.*")
    elif isinstance(origin, type) and issubclass(origin, Iterable):
        yield from _tables(arguments[0], f"{suffix}[]")
