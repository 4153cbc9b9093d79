"""A file that lines are added to, which begins anew when it has become long."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class RecordFile:
    """One file and its elders: `x.jsonl`, `x.jsonl.1`, `x.jsonl.2`, the highest number the oldest.

    Only lines that are whole stay in it, whatever the disk does. It is its owner's alone: it holds what peers say.
    """

    def __init__(self, path: Path, rotate: int, keep: int, head: Callable[[], bytes]) -> None:
        """@param rotate: bytes, beyond which another one is begun.
        @param keep: how many elders stay.
        @param head: gives the first line of each.
        """
        self._path = path
        self._rotate = rotate
        self._keep = keep
        self._head = head
        self._file: int | None = None
        self._size = 0

    def write(self, lines: bytes) -> None:
        """Add lines.

        @raise OSError: none of them is there.
        """
        if self._file is None:
            self._open()
        elif self._size + len(lines) > self._rotate and self._size > len(self._head()):
            self.close()
            self._makeRoom()
            self._open()
        self._append(lines)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        # A crash may have left part of a line: end it, lest the next one is lost with it.
        self._append(self._head() if not self._size else b"\n" * self._isTorn() + self._head())

    def _isTorn(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            self.close()
            raise
        self._size += len(data)

    def _makeRoom(self) -> None:
        for number in range(self._keep, 0, -1):
            elder = self._path if number == 1 else self._elder(number - 1)
            with suppress(FileNotFoundError):
                elder.replace(self._elder(number))

    def _elder(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Write nothing for now; the next `write` opens it again, by its name."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None
