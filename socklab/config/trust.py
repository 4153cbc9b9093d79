"""What root may run of the modules beside a config: only what nobody else can have written.

Otherwise whoever can write there becomes root. Who owns the config's folder may, and root; who owns a folder above
it may too, which is not asked: a checkout of root's in somebody's home is there by root's own choice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from stat import S_ISLNK, S_ISVTX, S_IWGRP, S_IWOTH
from types import ModuleType
from typing import Final

_LOADERS: Final = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


class Distrusted(ImportError):
    """Others can have written what root would run; says what, and what to do."""


class Guard:
    """A hook of the import system (`sys.path_hooks`) that looks at each module of a config's folder.

    Each, and not only the one that `protocol` names: what that one imports runs too, and some of it later.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        self._folder = config.resolve().parent

    def __call__(self, path: str) -> FileFinder:
        """Give what finds modules in a folder of `sys.path` or of a package.

        @raise ImportError: it is none of the config's, so that another hook is asked.
        """
        if not Path(path).resolve().is_relative_to(self._folder):
            raise ImportError(path)
        return _Finder(path, self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guard) and other._config == self._config

    def __hash__(self) -> int:
        return hash(self._config)

    def check(self, spec: ModuleSpec, folder: str) -> None:
        """Look at all that this module is read from.

        @param folder: where it was found.
        @raise Distrusted: root must not.
        """
        if os.geteuid() != 0:
            return
        owners = {0, self._folder.stat().st_uid}
        files = [*(spec.submodule_search_locations or ()), spec.origin if spec.has_location else None]
        if spec.cached is not None:
            files += [str(Path(spec.cached).parent), spec.cached]
        for each in (self._config, self._folder, folder, *files):
            if each is not None and (why := _why(Path(each).absolute(), owners)):
                raise Distrusted(why)


class _Finder(FileFinder):
    def __init__(self, path: str, guard: Guard) -> None:
        super().__init__(path, *_LOADERS)
        self._guard = guard

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = super().find_spec(fullname, target)
        if spec is not None:
            self._guard.check(spec, self.path)
        return spec


def _why(path: Path, owners: Iterable[int]) -> str | None:
    """Say why root must not run what is at a path; None when it may, or when nothing is there."""
    if not path.exists():
        return None
    for each, isAbove in _passed(path):
        status = each.lstat()
        # The mode of a symbolic link means nothing, but who owns it can have it lead elsewhere. In a sticky
        # folder, such as /tmp, nobody can replace what is another's. But anybody can add what Python finds first,
        # a package before a module: the folder of a module must not be one.
        isSafe = S_ISLNK(status.st_mode) or (isAbove and status.st_mode & S_ISVTX)
        if not isSafe and status.st_mode & (S_IWGRP | S_IWOTH):
            return (
                f"{each} is writable by others than its owner, and root runs no code from there: chmod go-w {each}"
            )
        if not isAbove and status.st_uid not in owners:
            return (
                f"{each} belongs to user {status.st_uid}, not to root or who owns the config's folder, and root "
                f"runs no code of others: chown -h root {each}"
            )
    return None


def _passed(path: Path) -> Iterator[tuple[Path, bool]]:
    """Give all that is passed on the way to where a path leads: its end, symbolic links, and what is above them.

    With each, whether it is a folder above.
    """
    found: set[Path] = set()
    ways = [(path, False)]
    while ways:
        way, above = ways.pop()
        for each in (way, *way.parents):
            if each not in found:
                found.add(each)
                isAbove = above or each != way
                yield each, isAbove
                if each.is_symlink():
                    ways.append((each.parent / each.readlink(), isAbove))
