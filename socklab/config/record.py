"""`[service.record]`, checked: where the conversations of a service are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import RecordTable


@dataclass(frozen=True)
class Record:
    """Where a service's conversations are written."""

    file: Path
    rotate: int
    """Bytes, beyond which another file is begun."""
    keep: int
    """How many of the older files stay."""


def recordOf(table: RecordTable | None, folder: Path) -> Record | None:
    """Give the record that a service shall have, if any.

    @param folder: of the config.
    """
    return None if table is None else Record(folder / table.file, table.rotate, table.keep)


def wrongFile(file: Any, folder: Path) -> str | None:
    """Say why a file cannot be written to, as far as shows before it is opened."""
    if not isinstance(file, str) or not file or "\0" in file:
        return None
    path = folder / file
    if not path.parent.is_dir():
        return f"{path.parent} is no folder"
    if path.is_dir():
        return f"{path} is a folder: name a file in it"
    return None
