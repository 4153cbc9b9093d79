"""From what `protocol` names and `[service.options]` to the Factory of a service."""

from __future__ import annotations

import dataclasses
import inspect
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PydanticUserError,
    Strict,
    ValidationError,
    create_model,
)
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import BaseProtocol, DatagramProtocol, Factory

from ..message import Factory as MessageFactory
from ..message import MessageProtocol
from .errors import Mistake, mistakes
from .finding import ownLine

# TOML has none of these.
_FROM_OTHERS: Final = (tuple, set, frozenset, bytes, Enum)


def _named(found: Any) -> str:
    return str(getattr(found, "__qualname__", type(found).__qualname__))


@dataclass(frozen=True)
class Built:
    """A Factory, and what it was made with."""

    factory: Any
    """For a DatagramProtocol, which is its own Factory: what makes one, for each listener."""
    options: Mapping[str, Any]
    """As Python has them, with the defaults of those that were not given."""


def build(found: Any, options: dict[str, Any], folder: Path) -> tuple[Built | None, list[Mistake]]:
    """Give the Factory that options make, or what is wrong with them, placed below `options`."""
    if isinstance(found, type) and issubclass(found, DatagramProtocol):

        def make(values: dict[str, Any]) -> Callable[[], Any]:
            found(**values)  # One for nothing: what it refuses is told before any port is opened.
            return lambda: found(**values)

        return _call(found, options, folder, make)
    if isinstance(found, type) and issubclass(found, BaseProtocol):
        if options:
            return None, [Mistake(("options",), f"{found.__name__} is a Protocol, and takes none")]
        factory: Any = MessageFactory() if issubclass(found, MessageProtocol) else Factory()
        factory.protocol = found
        return Built(factory, {}), []
    built, wrong = _call(found, options, folder, lambda values: found(**values))
    if built is None:
        return None, wrong
    factory = built.factory
    if isinstance(factory, Factory) and factory.protocol is None:
        own = type(factory).buildProtocol
        if own in (Factory.buildProtocol, MessageFactory.buildProtocol):
            return None, [Mistake(("protocol",), f"{_named(found)} has no `protocol`: it would serve nothing")]
    if not (IProtocolFactory.providedBy(factory) or hasattr(factory, "buildProtocol")):
        return None, [Mistake(("protocol",), f"{_named(found)} gave no Factory, but {type(factory).__name__}")]
    return built, []


def _call(
    found: Any, options: dict[str, Any], folder: Path, make: Callable[[dict[str, Any]], Any]
) -> tuple[Built | None, list[Mistake]]:
    try:
        model = optionsModel(found)
    except (PydanticUserError, NameError, TypeError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        return None, [Mistake(("protocol",), f"the options of {_named(found)} cannot be checked: {reason}")]
    try:
        values = model.model_validate(options, context={"folder": folder})
    except ValidationError as error:
        return None, [Mistake(("options", *loc), what) for loc, what in mistakes(error, model, options)]
    try:
        return Built(make(_given(values)), {name: getattr(values, name) for name in model.model_fields}), []
    except ValueError as error:
        option, colon, rest = str(error).partition(": ")
        if colon and option in model.model_fields:
            return None, [Mistake(("options", option), rest)]
        return None, [Mistake(("options",), str(error))]
    except Exception as error:
        return None, [
            Mistake(("protocol",), f"{_named(found)} failed: {ownLine(error, getattr(found, '__module__', ''))}")
        ]


def _given(values: BaseModel) -> dict[str, Any]:
    return {name: getattr(values, name) for name in values.model_fields_set}


def optionsModel(found: Any) -> type[BaseModel]:
    """Give the options of a Factory: its own keyword arguments, with their annotations and defaults."""
    annotated: Any = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
    hints = get_type_hints(annotated, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(found).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (_fromToml(hints.get(name, Any)), default)
    config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())
    with warnings.catch_warnings():
        # An option may be called as a method of pydantic's is: `copy`, `json`, `schema`.
        warnings.simplefilter("ignore", UserWarning)
        return create_model(getattr(found, "__name__", "options"), __config__=config, **fields)


def _path(value: object, info: Any) -> object:
    return info.context["folder"] / value if isinstance(value, str) else value


def _fromToml(annotation: Any) -> Any:
    """Accept for an annotation what TOML has for it: lists, text and tables; a path from the file's folder."""
    if annotation is Path:
        return Annotated[Path, BeforeValidator(_path)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(_fromToml(arguments[0]), *arguments[1:])]
    if origin in (Union, types.UnionType):
        return reduce(or_, [_fromToml(each) for each in arguments])
    if origin in (list, dict, tuple, set, frozenset):
        annotation = origin[tuple(each if each is ... else _fromToml(each) for each in arguments)]
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, _FROM_OTHERS):
        return Annotated[annotation, Strict(False)]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return Annotated[optionsModel(kind), AfterValidator(lambda values: kind(**_given(values)))]
    return annotation
