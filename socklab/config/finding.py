"""From `protocol = "..."` to what it names: the built-in protocols, entry points, modules beside the config."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from .errors import near

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
    if not all(module.split(".")) or not all(attribute.split(".")):
        raise NoProtocol(f'expected "package.module:Name", got "{name}"')
    found = _import(module, folder)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            public = [each for each in dir(found) if not each.startswith("_")]
            raise NoProtocol(f"{module} has no {attribute}{near(attribute, public)}") from None
    if not callable(found):
        raise NoProtocol(f"{target} is no Factory and no Protocol class, but {type(found).__name__}")
    return found


def _import(module: str, folder: Path) -> Any:
    beside = PathFinder.find_spec(module.partition(".")[0], [str(folder)])
    if beside is not None:
        for each in (folder, *map(Path, beside.submodule_search_locations or ()), beside.origin):
            if each is not None and _writableByOthers(Path(each)):
                raise NoProtocol(
                    f"{each} is writable by others than its owner, and root runs no code from there: "
                    f"chmod go-w {each}"
                )
        if str(folder) not in sys.path:
            # Last: a file of this folder must not stand in for one of Python's own modules. And only when it is
            # asked for: where others can write, they would put what some module tries to import.
            sys.path.append(str(folder))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0] or error.name == module:
            raise NoProtocol(f"there is no module {module}, installed or in {folder}") from None
        raise NoProtocol(f"{module} does not import: {ownLine(error)}") from None
    except (Exception, SystemExit) as error:
        raise NoProtocol(f"{module} does not import: {ownLine(error)}") from None


def _writableByOthers(path: Path) -> bool:
    return os.geteuid() == 0 and bool(path.stat().st_mode & 0o022)


def ownLine(error: BaseException) -> str:
    """Give an error and the author's line that raised it."""
    said = " ".join("".join(traceback.format_exception_only(error)[-1:]).split())
    if isinstance(error, SyntaxError):
        return f"{said} ({error.filename}, line {error.lineno})"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename]
    own = [each for each in frames if each.filename != __file__]
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})" if own else said
