"""A config file, checked whole: frozen records, or every mistake at once."""

from __future__ import annotations

import tomllib
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..source import SOURCE
from ..transports.listen import Listen
from .checked import Config, Listener, Service
from .console import Console, hasMetrics, parseConsole
from .draft import Draft, duplicates
from .errors import ConfigError, Mistake, place
from .options import Unmade
from .record import Record
from .rooms import parseRooms, settingsOf
from .schema import ConsoleTable, FileTable, ServiceTable
from .validation import mistakes
from .workers import unshared, workersOf

__all__ = [
    "Config",
    "ConfigError",
    "Console",
    "Listener",
    "Record",
    "Service",
    "loadConfig",
    "loadLab",
    "readConfig",
]


def loadConfig(path: Path, again: bool = False) -> Config:
    """Read a config file and check it; nothing is opened.

    @param again: whether it is served already: a certificate that may not be read any more is told in the
        listener, and is no mistake.
    @raise ConfigError: with every mistake in it.
    """
    return _check(readConfig(path), path, again)


def readConfig(path: Path) -> dict[str, Any]:
    """Read a config file, and check no more than that it is TOML.

    @raise ConfigError: it cannot be read, or is none.
    """
    try:
        # Windows editors put a BOM before UTF-8.
        return tomllib.loads(SOURCE.get().read(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: {(error.strerror or str(error)).lower()}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}: line {line}: expected UTF-8"]) from None
    except ValueError as error:
        # Of tomllib; or of Python itself, which refuses to read an integer of thousands of digits.
        raise ConfigError([f"{path}: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: lists or tables are nested too deeply"]) from None


def loadLab() -> Config:
    """Give the built-in lab."""
    with as_file(files("socklab") / "configs" / "lab.toml") as path:
        return loadConfig(path)


def _check(raw: dict[str, Any], path: Path, again: bool) -> Config:
    found: list[Mistake] = []
    table: FileTable | None = None
    try:
        table = FileTable.model_validate(raw)
    except ValidationError as error:
        found += mistakes(error, FileTable, raw)
    # What the tables alone cannot tell is checked even where they are wrong, so that all is told at once.
    services = raw.get("service")
    drafts = [
        Draft(index, service, path, again)
        for index, service in enumerate(services if isinstance(services, list) else [])
        if isinstance(service, dict)
    ]
    for draft in drafts:
        found += draft.mistakes
    listen, wrong = parseConsole(raw.get("console"), path.resolve().parent, again)
    found += wrong
    read, wrong = parseRooms(raw.get("rooms"), path.resolve().parent, again)
    found += wrong
    found += duplicates(drafts, listen)
    ready: list[Service] = []
    if not found and table is not None:
        for draft, one in zip(drafts, table.service, strict=True):
            try:
                ready.append(draft.service(one))
            except Unmade as error:
                found += [Mistake(("service", draft.index, *loc), what) for loc, what in error.mistakes]
    if not found and table is not None and workersOf(table.server) > 1:
        found += unshared(ready, table.rooms is not None)
    if found or table is None:
        raise ConfigError(
            [": ".join(filter(None, (str(path), place(loc, raw), what))) for loc, what in _tidy(found)]
        )
    return Config(
        table.server,
        tuple(ready),
        _console(table.console, listen, path.resolve().parent),
        settingsOf(table.rooms, read) if table.rooms is not None else None,
    )


def _console(table: ConsoleTable | None, listen: Listen | None, folder: Path) -> Console | None:
    if table is None or listen is None:
        return None
    socket = folder / table.socket if table.socket is not None else None
    metrics = (hasMetrics() or None) if table.metrics == "optional" else table.metrics
    return Console(listen, table.hosts, metrics, table.token_hash, table.viewer_hash, table.outbound, socket)


def _tidy(found: list[Mistake]) -> list[Mistake]:
    """Put mistakes in the order of the services, and leave out what another one already explains."""
    own = ServiceTable.model_fields
    tidied: dict[tuple[int | str, ...], str] = {}
    moved = set()
    for loc, what in found:
        if len(loc) == 4 and loc[0] == "service" and loc[3] in own and what.startswith("unknown key"):
            moved.add((*loc[:2], loc[3]))
            what = f"this key belongs to the service: move it above [service.{loc[2]}]"
        tidied.setdefault(loc, what)
    for loc in moved:
        tidied.pop(loc, None)
    return sorted(
        (Mistake(loc, what) for loc, what in tidied.items()),
        key=lambda each: [step if isinstance(step, int) else -1 for step in each.loc[1:2]],
    )
