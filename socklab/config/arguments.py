"""The arguments that a Factory, or anything else that can be called, takes: names, annotations, defaults."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, RootModel

_POSITIONAL: Final = inspect.Parameter.POSITIONAL_ONLY


@dataclass(frozen=True)
class Argument:
    """One argument."""

    name: str
    annotation: Any = Any
    isRequired: bool = False
    default: Any = None
    makeDefault: Callable[[], Any] | None = None
    """Instead of `default`."""
    isPositional: bool = False
    """Whether it is not taken by its name."""
    problem: str = ""
    """What is wrong with its annotation."""


class Arguments(NamedTuple):
    """What something takes."""

    named: tuple[Argument, ...]
    others: Argument | None
    """Any other name, as `**options`; None: no other is taken."""


def isTable(kind: Any) -> bool:
    """Tell whether a value of a type is a table in a config: a dataclass, an attrs class, a NamedTuple."""
    if not isinstance(kind, type):
        return bool(is_typeddict(kind))
    if issubclass(kind, BaseModel):
        return not issubclass(kind, RootModel)
    isNamedTuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return isNamedTuple or dataclasses.is_dataclass(kind) or _attributes(kind) is not None or is_typeddict(kind)


def argumentsOf(found: Any) -> Arguments:
    """Give the arguments that something takes.

    Where its annotations are text, as with `from __future__ import annotations`, each is evaluated by itself: a
    name that is imported for type checkers only spoils no other argument.

    @raise ValueError: nobody can tell; says why.
    """
    if isinstance(found, type) and issubclass(found, BaseModel):
        return _ofModel(found)
    if is_typeddict(found):
        return _ofTypedDict(found)
    attributes = {each.alias: each for each in _attributes(found) or ()}
    makers = dict(_defaultMakers(found))
    named, others = [], None
    for name, parameter in _signature(found).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        annotation, problem = _evaluated(found, name, parameter.annotation)
        attribute = attributes.get(name)
        if attribute is not None and attribute.converter is not None and parameter.annotation is parameter.empty:
            # What the converter takes is not said: what the attribute is, or anything.
            own, problem = _evaluated(found, attribute.name, attribute.type or Any)
            annotation, problem = (Any, "") if problem else (Union[own, Any], "")  # noqa: UP007
        argument = Argument(
            name,
            annotation,
            isRequired=parameter.default is parameter.empty,
            default=parameter.default,
            makeDefault=makers.get(name),
            isPositional=parameter.kind is _POSITIONAL,
            problem=problem,
        )
        if parameter.kind is parameter.VAR_KEYWORD:
            others = argument
        else:
            named.append(argument)
    return Arguments(tuple(named), others)


def lineOf(found: Any) -> str:
    """Give where the author has written something: ` (FILE, line N)`; nothing where nobody knows."""
    code = getattr(_function(found), "__code__", None)
    if code is None or code.co_filename.startswith("<"):
        try:
            return f" ({inspect.getsourcefile(found)}, line {inspect.getsourcelines(found)[1]})"
        except (TypeError, OSError):
            return ""
    return f" ({code.co_filename}, line {code.co_firstlineno})"


def _signature(found: Any) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(found, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(found)


def _attributes(found: Any) -> Any:
    """Give the attributes of an attrs class; socklab itself does not need attrs."""
    return vars(found).get("__attrs_attrs__") if isinstance(found, type) else None


def _defaultMakers(found: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    for each in _attributes(found) or ():
        if hasattr(each.default, "factory") and not getattr(each.default, "takes_self", True):
            yield each.alias, each.default.factory
    if isinstance(found, type) and dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            if field.default_factory is not dataclasses.MISSING:
                yield field.name, field.default_factory


def _evaluated(found: Any, name: str, annotation: Any) -> tuple[Any, str]:
    """Give an annotation whose text is evaluated, and else what is wrong with it."""
    if annotation is inspect.Parameter.empty:
        return Any, ""
    problem = ""
    for names, more in _scopes(found, name):
        try:
            holder: Any = SimpleNamespace(__annotations__={name: annotation})
            return get_type_hints(holder, names, more, include_extras=True)[name], ""
        except Exception as error:
            problem = problem or " ".join(str(error).split()) or type(error).__name__
    return Any, problem


def _scopes(found: Any, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Give the names that an annotation can mean: of the module where it stands, then also of its class."""
    function = _function(found)
    modules = [getattr(function, "__globals__", {})]
    if isinstance(found, type):
        owners = [
            each for each in found.__mro__ if {name, f"_{name}"} & set(vars(each).get("__annotations__", ()))
        ]
        modules = [
            vars(sys.modules[each.__module__]) for each in owners if each.__module__ in sys.modules
        ] + modules
    for names in modules:
        yield names, {}
    for names in modules:
        yield names, dict(vars(found)) if isinstance(found, type) else {}


def _function(found: Any) -> Any:
    """Give the function whose arguments `found` takes."""
    if isinstance(found, type):
        return found.__init__ if found.__init__ is not object.__init__ else found.__new__  # type: ignore[misc]
    while isinstance(found, functools.partial):
        found = found.func
    if not hasattr(found, "__code__") and not hasattr(found, "__func__") and not hasattr(found, "__wrapped__"):
        found = type(found).__call__
    return inspect.unwrap(getattr(found, "__func__", found))


def _ofModel(model: type[BaseModel]) -> Arguments:
    own: set[str] = set()
    for each in model.__pydantic_decorators__.field_validators.values():
        if each.info.mode != "after":
            own.update(each.info.fields)
    named = []
    for name, field in model.model_fields.items():
        # A validator that sees what stands in the file may take what the annotation does not.
        isOwn = name in own or "*" in own
        annotation: Any = Any if isOwn else field.annotation
        if field.metadata and not isOwn:
            annotation = Annotated[(annotation, *field.metadata)]
        alias = field.validation_alias if isinstance(field.validation_alias, str) else name
        named.append(
            Argument(
                name if model.model_config.get("populate_by_name") else alias,
                annotation,
                isRequired=field.is_required(),
                default=field.default,
                makeDefault=field.default_factory,  # type: ignore[arg-type]
            )
        )
    others = Argument("") if model.model_config.get("extra") == "allow" else None
    return Arguments(tuple(named), others)


def _ofTypedDict(found: Any) -> Arguments:
    named = []
    for name, annotation in get_type_hints(found, include_extras=True).items():
        isRequired = name in found.__required_keys__
        while (mark := getattr(get_origin(annotation), "_name", "")) in ("Required", "NotRequired", "ReadOnly"):
            isRequired = mark == "Required" if mark != "ReadOnly" else isRequired
            (annotation,) = get_args(annotation)
        named.append(Argument(name, annotation, isRequired))
    return Arguments(tuple(named), None)
