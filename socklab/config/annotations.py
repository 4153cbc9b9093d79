"""From the annotation of an option to what pydantic checks: it takes what TOML has for the type.

One mistake is told once, at its place: what pydantic would tell several times, as for each member of a union, is
checked here.
"""

from __future__ import annotations

import re
import types
from collections import abc
from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    RootModel,
    Strict,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from ..units import Expected
from .errors import Mistake, either, expectation, parts, shown
from .leaves import Leaf, leafOf
from .validation import TOLD, mistakes

TableOf = Callable[[Any], Any]
"""Gives the annotation of a type whose values are tables; None for any other."""

_CONTAINERS: Final[dict[Any, Any]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable), list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), dict),
    tuple: tuple,
    frozenset: frozenset,
}
# pydantic knows these, and TOML cannot have them.
_NOWHERE: Final = (None, type(None), type, abc.Callable, abc.Iterator, abc.Generator)
_CONFIG: Final = ConfigDict(strict=True, allow_inf_nan=False)


class Unfit(Exception):
    """No value in a config can be what an annotation says; says why."""


@dataclass(frozen=True)
class By:
    """Says in an annotation what makes its value of what the file has, and of the config's folder.

    ValueError: what the file has is none.
    """

    make: Callable[[Any, Path], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.make(value, info.context["folder"])
        )


def told(found: Iterable[Mistake]) -> ValidationError:
    """Give mistakes in the form that pydantic passes on, each below the place where this is raised."""
    details = [
        InitErrorDetails(type=PydanticCustomError(TOLD, "{what}", {"what": what}), loc=loc, input=None)
        for loc, what in found
    ]
    return ValidationError.from_exception_data("options", details)


def fromToml(annotation: Any, tableOf: TableOf) -> Any:
    """Give what checks the values of an annotation, with which it stays readable: `Annotated[annotation, ...]`.

    @raise Unfit: TOML has none.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if kind in (Any, object):
        return Any
    if kind in (bool, int, float, str):
        return annotation
    if kind is Annotated:
        return Annotated[(fromToml(arguments[0], tableOf), *arguments[1:])]
    if kind in (Union, types.UnionType):
        return _union(annotation, tableOf)
    if kind is Literal:
        return Annotated[annotation, By(lambda value, folder: _literal(arguments, value))]
    if kind in _CONTAINERS:
        return _container(_CONTAINERS[kind], arguments, tableOf)
    if (instead := _meant(annotation)) is not None:
        return fromToml(instead, tableOf)
    if (table := tableOf(kind)) is not None:
        return table
    if (leaf := leafOf(kind, arguments)) is not None:
        return Annotated[annotation, By(_making(leaf)), Expected(leaf.what)]
    return _pydantics(annotation)


def _meant(annotation: Any) -> Any:
    """Give what an annotation is another name for; None when it is none."""
    if isinstance(annotation, NewType):
        return annotation.__supertype__
    if isinstance(annotation, TypeVar):
        several = annotation.__constraints__
        return annotation.__bound__ or (Union[several] if several else Any)  # noqa: UP007
    if isinstance(annotation, InitVar):
        return annotation.type
    # `type Port = int`, since Python 3.12.
    return getattr(annotation, "__value__", None)


def _pydantics(annotation: Any) -> Any:
    """Give the annotation of a type that is pydantic's, or that knows of pydantic."""
    try:
        kind = get_origin(annotation) or annotation
        if kind in _NOWHERE or (isinstance(kind, type) and issubclass(kind, RootModel)):
            raise TypeError
        TypeAdapter(annotation)
    except Exception:
        name = getattr(annotation, "__name__", str(annotation))
        raise Unfit(f"a config has nothing that is a {name}") from None
    return Annotated[annotation, Strict(False)]


def _making(leaf: Leaf) -> Callable[[Any, Path], Any]:
    def make(value: Any, folder: Path) -> Any:
        try:
            return leaf.make(value, folder)
        except ValueError as error:
            why = f": {error}" if str(error) else ""
            what = _unexpected(leaf.what, value)
            raise told([Mistake((), f"{what.what}{why}")]) from None

    return make


def _literal(values: tuple[Any, ...], value: Any) -> Any:
    for each in values:
        written = getattr(each, "value", each.decode(errors="replace") if isinstance(each, bytes) else each)
        if type(written) is type(value) and written == value:
            return each
    raise ValueError


def _container(kind: Any, arguments: tuple[Any, ...], tableOf: TableOf) -> Any:
    if kind is dict:
        key, value = arguments or (Any, Any)
        return dict[_key(key, tableOf), fromToml(value, tableOf)]  # type: ignore[misc]
    if kind is tuple:
        arguments = arguments or (Any, ...)
    items = tuple(each if each is ... else fromToml(each, tableOf) for each in arguments or (Any,))
    if kind in (set, frozenset):
        items = (Annotated[items[0], AfterValidator(_hashable)],)
    made = kind[items]
    return made if kind is list else Annotated[made, Strict(False)]


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise told([Mistake((), "cannot be in a set")]) from None
    return value


def _key(annotation: Any, tableOf: TableOf) -> Any:
    """Give what checks the keys of a table, which are text in TOML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is int:
        return Annotated[int, BeforeValidator(_integer)]
    if origin is Annotated:
        return Annotated[(_key(arguments[0], tableOf), *arguments[1:])]
    leaf = leafOf(origin or annotation, arguments)
    if annotation in (Any, str) or origin is Literal or (leaf is not None and leaf.isText):
        return fromToml(annotation, tableOf)
    if (instead := _meant(annotation)) is not None:
        return _key(instead, tableOf)
    raise Unfit(f"a key in a config is nothing that is a {getattr(annotation, '__name__', annotation)}")


def _integer(key: Any) -> Any:
    return int(key) if isinstance(key, str) and re.fullmatch("0|-?[1-9][0-9]{0,18}", key) else key


def _union(annotation: Any, tableOf: TableOf) -> Any:
    """Give what checks whether a value is one of several types: the first that takes it."""
    members, unfit = [], []
    # An integer is a number, too.
    for each in sorted(get_args(annotation), key=lambda each: each is float):
        try:
            members += [] if each is type(None) else [fromToml(each, tableOf)]
        except Unfit as error:
            unfit.append(error)
    if not members:
        raise unfit[0]
    if len(members) == 1:
        return members[0]
    models = [create_model("member", __config__=_CONFIG, value=(each, ...)) for each in members]
    what = either([part for each in members for part in parts(each)])

    def make(value: Any, folder: Path) -> Any:
        given = {"value": value}
        special: list[list[Mistake]] = []
        for each, model in zip(members, models, strict=True):
            try:
                return vars(model.model_validate(given, context={"folder": folder}))["value"]
            except ValidationError as error:
                found = [Mistake(loc[1:], text) for loc, text in mistakes(error, model, given)]
                if found != [_unexpected(expectation(each), value)]:
                    special.append(found)
        # Who says more than that it is something else has seen what was meant.
        fewest = sorted(special, key=len)[:1]
        raise told(*(fewest or [[_unexpected(what, value)]]))

    return Annotated[annotation, By(make), Expected(what)]


def _unexpected(what: str, value: Any) -> Mistake:
    return Mistake((), f"expected {what}, got {shown(value)}")
