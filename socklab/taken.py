"""Which addresses of a config cannot be had, and by whom they are used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .config import Config
from .listeners import startLine
from .sockets import whoListens, whoListensAt
from .transports.advice import isAbsent, probe
from .transports.listen import Listen


def taken(config: Config) -> list[str]:
    """Give a line for each listener that cannot be opened; each is bound and let go."""
    lines = []
    for service, listen, optional in _listeners(config):
        error = ValueError(listen.trouble) if listen.trouble is not None else probe(listen)
        if error is not None and not (optional and isAbsent(error)):
            lines.append(startLine(service, listen, error))
    return lines


def inUse(config: Config) -> list[str]:
    """Give a line for each process that has addresses of a config by now; nothing is opened.

    It may well be the server that is to read this config next.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for service, listen, _ in _listeners(config):
        by = _user(listen)
        if by is not None:
            found[by].append(f"{service} {listen.transport} {listen.where}")
    return [f"in use by {by}: {', '.join(each)}" for by, each in found.items()]


def _listeners(config: Config) -> Iterator[tuple[str, Listen, bool]]:
    if config.console is not None:
        yield "console", config.console.listen, False
    for service in config.services:
        for listener in service.listeners:
            yield service.name, listener.listen, listener.optional


def _user(listen: Listen) -> str | None:
    if listen.path is not None:
        return whoListensAt(str(listen.path))
    if not listen.port:
        return None
    return whoListens("udp" if listen.kind == "udp" else "tcp", listen.interface or "0.0.0.0", listen.port)
