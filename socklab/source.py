"""Where the files of a config are read from: the disk; or what another process has read of it.

A worker may have no right to read what the process that has started it could, and the files may have changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from errno import EACCES
from pathlib import Path
from typing import Final


class Disk:
    """The files as they are."""

    def read(self, path: Path) -> bytes:
        """Give what is in a file.

        @raise OSError: it cannot be read.
        """
        return path.read_bytes()

    def pems(self, folder: Path) -> Iterator[Path]:
        """Give the files NAME.pem in a folder and in those within it.

        @raise OSError: a folder cannot be read.
        """

        def fail(error: OSError) -> None:
            raise error

        for parent, folders, files in os.walk(folder, onerror=fail):
            # A Kubernetes volume has its files a second time in a hidden folder.
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            for name in sorted(files):
                if name.endswith(".pem") and not name.startswith("."):
                    yield Path(parent, name)


class Remembered(Disk):
    """The same; what was read is remembered, to be given to others."""

    def __init__(self, before: Mapping[str, bytes] | None = None) -> None:
        """@param before: what was read at another time; it holds where a file may be read no more."""
        self._before = before or {}
        self._files: dict[str, bytes] = {}
        self._denied = False

    @property
    def files(self) -> dict[str, bytes]:
        """What was read, by the absolute path."""
        # Of a pair of files the second is not even asked for, when the first may not be read.
        return {**self._before, **self._files} if self._denied else self._files

    def read(self, path: Path) -> bytes:
        """Give what is in a file.

        @raise OSError: it cannot be read.
        """
        with self._noting():
            data = self._files[os.path.abspath(path)] = super().read(path)
        return data

    def pems(self, folder: Path) -> Iterator[Path]:
        """Give the files NAME.pem in a folder and in those within it.

        @raise OSError: a folder cannot be read.
        """
        with self._noting():
            yield from super().pems(folder)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            self._denied = True
            raise


class Given(Disk):
    """Files that another process has read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read(self, path: Path) -> bytes:
        """Give what is in a file.

        @raise OSError: it was not given.
        """
        try:
            return self._files[os.path.abspath(path)]
        except KeyError:
            raise PermissionError(EACCES, os.strerror(EACCES), str(path)) from None

    def pems(self, folder: Path) -> Iterator[Path]:
        """Give the files NAME.pem that were given of a folder."""
        within = os.path.abspath(folder) + os.sep
        yield from (Path(each) for each in sorted(self._files) if each.startswith(within))


SOURCE: Final[ContextVar[Disk]] = ContextVar("socklab files", default=Disk())  # noqa: B039
"""Where the files of a config are read from now."""


@contextmanager
def reading(source: Disk) -> Iterator[Disk]:
    """Have the files of a config read from a source."""
    token = SOURCE.set(source)
    try:
        yield source
    finally:
        SOURCE.reset(token)
