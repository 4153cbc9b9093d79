"""From `protocol = "..."` and `[service.options]` to the Factory of a service."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
import types
from collections.abc import Callable
from functools import reduce
from importlib.metadata import entry_points
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, PydanticUserError, ValidationError, create_model
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import BaseProtocol, DatagramProtocol, Factory

from ..message import Factory as MessageFactory
from ..message import MessageProtocol
from .errors import Mistake, mistakes, near

GROUP: Final = "socklab.protocols"
BUILTIN: Final = {
    "echo": "socklab.protocols.echo:EchoFactory",
    "chat": "socklab.protocols.chat:ChatFactory",
    "oneshot": "socklab.protocols.oneshot:OneShotFactory",
}


class NoProtocol(Exception):
    """`protocol` names nothing that can be served; says why."""


def find(name: str, folder: Path) -> Any:
    """Give what `protocol` names: a Factory class, a callable that returns one, or a Protocol class.

    @param folder: the config file's, where modules are found too.
    @raise NoProtocol: there is none.
    """
    target = BUILTIN.get(name)
    if target is None and ":" not in name:
        installed = {each.name: each.value for each in entry_points(group=GROUP)}
        target = installed.get(name)
        if target is None:
            known = sorted({*BUILTIN, *installed})
            raise NoProtocol(
                f'expected {", ".join(known)} or "package.module:Name", got "{name}"{near(name, known)}'
            )
    target = target or name
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise NoProtocol(f'expected "package.module:Name", got "{name}"')
    found = _import(module, folder)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            public = [each for each in vars(found) if not each.startswith("_")]
            raise NoProtocol(f"{module} has no {attribute}{near(attribute, public)}") from None
    if not callable(found):
        raise NoProtocol(f"{target} is no Factory and no Protocol class, but {type(found).__name__}")
    return found


def _import(module: str, folder: Path) -> Any:
    beside = folder / f"{module.partition('.')[0]}.py"
    if beside.exists() and _writableByOthers(folder):
        raise NoProtocol(
            f"{folder} is writable by others than its owner, and root runs no code from there: chmod go-w {folder}"
        )
    if str(folder) not in sys.path:
        # Last: a file of this folder must not stand in for one of Python's own modules.
        sys.path.append(str(folder))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0] or error.name == module:
            raise NoProtocol(f"there is no module {module}, installed or in {folder}") from None
        raise NoProtocol(f"{module} does not import: {_ownLine(error)}") from None
    except Exception as error:
        raise NoProtocol(f"{module} does not import: {_ownLine(error)}") from None


def _writableByOthers(folder: Path) -> bool:
    return os.geteuid() == 0 and bool(folder.stat().st_mode & 0o022)


def _ownLine(error: BaseException) -> str:
    """Give an error and the author's line that raised it."""
    said = " ".join("".join(traceback.format_exception_only(error)[-1:]).split())
    if isinstance(error, SyntaxError):
        return f"{said} ({error.filename}, line {error.lineno})"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename]
    own = [each for each in frames if each.filename != __file__]
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})" if own else said


def build(found: Any, options: dict[str, Any], folder: Path) -> tuple[Any, list[Mistake]]:
    """Give the Factory that options make, or what is wrong with them, placed below `options`.

    A DatagramProtocol class is its own Factory: each listener has a protocol of its own.
    """
    if isinstance(found, type) and issubclass(found, DatagramProtocol):
        return _call(found, options, folder, lambda values: lambda: found(**values))
    if isinstance(found, type) and issubclass(found, BaseProtocol):
        if options:
            return None, [Mistake(("options",), f"{found.__name__} is a Protocol, and takes none")]
        factory: Any = MessageFactory() if issubclass(found, MessageProtocol) else Factory()
        factory.protocol = found
        return factory, []
    built, wrong = _call(found, options, folder, lambda values: found(**values))
    if not wrong and not (IProtocolFactory.providedBy(built) or hasattr(built, "buildProtocol")):
        return None, [Mistake(("protocol",), f"{found!r} gave no Factory, but {type(built).__name__}")]
    return built, wrong


def _call(
    found: Any, options: dict[str, Any], folder: Path, make: Callable[[dict[str, Any]], Any]
) -> tuple[Any, list[Mistake]]:
    try:
        model = optionsModel(found)
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return None, [Mistake(("protocol",), f"the options of {found!r} cannot be checked: {reason}")]
    try:
        values = model.model_validate(options, context={"folder": folder})
    except ValidationError as error:
        return None, [Mistake(("options", *loc), what) for loc, what in mistakes(error, model, options)]
    given = {name: getattr(values, name) for name in values.model_fields_set}
    try:
        return make(given), []
    except ValueError as error:
        option, colon, rest = str(error).partition(": ")
        if colon and option in model.model_fields:
            return None, [Mistake(("options", option), rest)]
        return None, [Mistake(("options",), str(error))]
    except Exception as error:
        return None, [Mistake(("protocol",), f"{found!r} failed: {_ownLine(error)}")]


def optionsModel(found: Any) -> type[BaseModel]:
    """Give the options of a Factory: its own keyword arguments, with their annotations and defaults."""
    annotated: Any = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
    hints = get_type_hints(annotated, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(found).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (_relative(hints.get(name, Any)), default)
    config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())
    return create_model(getattr(found, "__name__", "options"), __config__=config, **fields)


def _path(value: object, info: Any) -> object:
    return info.context["folder"] / value if isinstance(value, str) else value


def _relative(annotation: Any) -> Any:
    """Have a path of the options be relative to the config file's folder."""
    if annotation is Path:
        return Annotated[Path, BeforeValidator(_path)]
    if get_origin(annotation) in (Union, types.UnionType):
        return reduce(or_, [_relative(each) for each in get_args(annotation)])
    return annotation
