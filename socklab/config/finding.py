"""From `protocol = "..."` to what it names: the built-in protocols, entry points, modules beside the config."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..blame import framesOf, ownLine, said
from ..near import near
from .trust import Distrusted, Guard

GROUP: Final = "socklab.protocols"
BUILTIN: Final = {
    name: EntryPoint(name, f"socklab.protocols.{name}:{factory}", GROUP)
    for name, factory in (("echo", "EchoFactory"), ("chat", "ChatFactory"), ("oneshot", "OneShotFactory"))
}
"""The entry points of socklab itself, as in setup.cfg. They stand here too because a checkout that is not
installed has no metadata, and so that a start need not look into that of every package."""


class NoProtocol(Exception):
    """`protocol` names nothing that can be served; says why."""


def available() -> dict[str, list[EntryPoint]]:
    """Give the names that `protocol` may have, each with its entry point; of several packages, with theirs.

    Nobody replaces what is built in. The same entry point in two packages counts once.

    @raise NoProtocol: the metadata of the installed packages cannot be read.
    """
    found: dict[str, list[EntryPoint]] = {}
    try:
        installed = [*entry_points(group=GROUP)]
    except Exception as error:
        raise NoProtocol(f"the entry points of the installed packages cannot be read: {said(error)}") from None
    for each in installed:
        others = found.setdefault(each.name, [])
        if each.value not in {other.value for other in others}:
            others.append(each)
    return {**found, **{name: [entry] for name, entry in BUILTIN.items()}}


def find(name: str, config: Path) -> Any:
    """Give what `protocol` names: a Factory class, a callable that returns one, or a Protocol class.

    @param config: the file; modules are found in its folder, too.
    @raise NoProtocol: there is none.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        if not all(module.split(".")) or not all(attribute.split(".")):
            raise NoProtocol(f'expected "package.module:Name", got "{name}"')
        return _load(module, attribute, config)
    entry = BUILTIN.get(name) or _installed(name)
    match = entry.pattern.match(entry.value)
    try:
        if match is None or not match["attr"]:
            raise NoProtocol(f'"{entry.value}" is not as "package.module:Name" is')
        return _load(match["module"], match["attr"], None)
    except NoProtocol as error:
        raise NoProtocol(f'the entry point "{name}" of {_package(entry)}: {error}') from None


def _installed(name: str) -> EntryPoint:
    known = available()
    entries = known.get(name)
    if entries is None:
        names = sorted(known)
        raise NoProtocol(f'expected {", ".join(names)} or "package.module:Name", got "{name}"{near(name, names)}')
    if len(entries) > 1:
        packages = " and ".join(f"{_package(each)} ({each.value})" for each in entries)
        raise NoProtocol(f'more than one package has a protocol "{name}", {packages}: name the one by its module')
    return entries[0]


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "socklab"


def _load(module: str, attribute: str, config: Path | None) -> Any:
    found = _import(module, config)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            public = [each for each in dir(found) if not each.startswith("_")]
            why = f"{module} has no {attribute}{near(attribute, public)}"
            raise NoProtocol(f"{why}{_hidden(module, config)}") from None
        except Exception as error:
            raise NoProtocol(f"{module} does not give {attribute}: {ownLine(error, module)}") from None
    if callable(found):
        return found
    kind = type(found).__name__
    if hasattr(type(found), "buildProtocol"):
        raise NoProtocol(f"{module}:{attribute} is a {kind} already: name the class, or what makes one")
    raise NoProtocol(f"{module}:{attribute} is no Factory and no Protocol class, but {kind}")


def _import(module: str, config: Path | None) -> Any:
    where = "" if config is None else f" or in {config.resolve().parent}"
    try:
        if config is not None:
            importlib.invalidate_caches()
            _lookBeside(module.partition(".")[0], config)
        return importlib.import_module(module)
    except Distrusted as error:
        raise NoProtocol(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}.") and not framesOf(error):
            raise NoProtocol(f"there is no module {module}, installed{where}") from None
        raise NoProtocol(f"{module} does not import: {ownLine(error, module)}") from None
    except (Exception, SystemExit) as error:
        raise NoProtocol(f"{module} does not import: {ownLine(error, module)}") from None


def _hidden(module: str, config: Path | None) -> str:
    """Say that a file beside the config is not what was found, where that may be what was meant."""
    name = module.partition(".")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if config is None or file is None:
        return ""
    folder = config.resolve().parent
    beside = PathFinder.find_spec(name, [str(folder)])
    if beside is None or Path(file).resolve().is_relative_to(folder):
        return ""
    return f"; it is {file}: another module has this name, so call your file otherwise"


def _lookBeside(name: str, config: Path) -> None:
    """Have a module of the config's folder found, if that is the one that is meant."""
    folder = config.resolve().parent
    guard = Guard(config.absolute())
    if guard not in sys.path_hooks:
        sys.path_hooks.insert(0, guard)
        for each in [*sys.path_importer_cache]:
            if Path(each).is_relative_to(folder):
                del sys.path_importer_cache[each]
    try:
        elsewhere: ModuleSpec | None = find_spec(name)
    except ValueError:  # `__main__` has no spec.
        return
    if elsewhere is None and PathFinder.find_spec(name, [str(folder)]) is not None:
        # Last: a file of this folder must not stand in for one of Python's own modules. And only when it is asked
        # for: where others can write, they would put what some module tries to import.
        sys.path.append(str(folder))
