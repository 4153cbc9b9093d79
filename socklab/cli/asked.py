"""How a server is: asked from its console, or seen from outside by its pid file."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..console.terminal import UnixConnection

Told = dict[str, Any]
_PATIENCE: Final = 10.0
"""Seconds that a server may take to answer: one that is busy does, too."""


class StatusError(Exception):
    """It cannot be asked so; the text says why."""


def ask(where: Path | str) -> Told:
    """Ask a console.

    @param where: the path of its socket, or its URL.
    @raise StatusError: what is there is no console of this program.
    """
    connection = _connectionTo(where)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        if isinstance(error, TimeoutError):
            return {"state": "not ready", "notes": [f"{where}: no answer within {_PATIENCE:g} s"]}
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
        return {"state": "not running", "notes": [f"{where}: {why}"]}
    finally:
        connection.close()
    try:
        told = json.loads(body)
        return {"state": "ready" if told["ready"] else "not ready", **told}
    except (ValueError, TypeError, KeyError):
        why = body[:100].decode("utf-8", "backslashreplace").strip()
        raise StatusError(f"{where}: this is no console of socklab: {answer.status} {why}") from None


def _connectionTo(where: Path | str) -> HTTPConnection:
    if isinstance(where, Path):
        return UnixConnection(where, _PATIENCE)
    parts = urlsplit(where)
    with suppress(ValueError):
        if parts.hostname and parts.scheme in ("http", "https"):
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            return kind(parts.hostname, parts.port, timeout=_PATIENCE)
    raise StatusError(f"expected a URL such as http://127.0.0.1:59300, got {where!r}")


def processOf(pidfile: Path, told: Told | None = None) -> Told:
    """Tell of the process that a pid file names.

    @param told: what its console has said, to be completed.
    @raise StatusError: the file cannot be read.
    """
    try:
        pid = int(pidfile.read_text())
    except FileNotFoundError:
        return {"state": "not running", "notes": [f"{pidfile}: no such file"], **(told or {})}
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "this is no number"
        raise StatusError(f"{pidfile}: {why.lower()}") from None
    if told is not None and told["state"] != "not running":
        if told.get("pid", pid) != pid:
            told.setdefault("notes", []).append(f"{pidfile}: it names another process, {pid}")
        return told
    notes = (told or {}).get("notes", [])
    try:
        seen = _seen(pid)
    except OSError:
        return {
            "state": "not running",
            "notes": [*notes, f"{pidfile}: process {pid} has ended without removing it"],
        }
    return {"state": "running" if told is None else "not ready", **seen, "notes": notes}


def _seen(pid: int) -> Told:
    """Tell what the system shows of a process."""
    from ..sockets import boundBy

    folder = Path(f"/proc/{pid}")
    # In the fields behind the name, which may hold spaces: proc(5), /proc/pid/stat.
    ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return {
        "pid": pid,
        "started": int(booted.split()[1]) + ticks / os.sysconf("SC_CLK_TCK"),
        "memory": {"now": int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")},
        "listening": [f"{kind} {each}" for kind, each in boundBy(pid)],
    }
