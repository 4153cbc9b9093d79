"""The protocols that a config can name, and what there is to know of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, get_type_hints

from twisted.internet.protocol import BaseProtocol, DatagramProtocol

from ..blame import said
from ..config import readConfig
from ..config.finding import BUILTIN, NoProtocol, available, find
from ..config.options import Unmade
from ..message import Factory, IMessageFactory, MessageProtocol, speaksMessages
from .docstrings import summaryOf, unwrapped
from .options import Option, optionsOf

__all__ = ["NoProtocol", "Offer", "named", "offered", "offers"]

_KINDS: Final = {"stream": "streams", "udp": "UDP", "websocket": "WebSocket"}


@dataclass(frozen=True)
class Offer:
    """One protocol."""

    name: str
    """As `protocol = "..."` takes it."""
    origin: str
    """`built in`, a distribution and its version, or the path of a file."""
    doc: str = ""
    served: tuple[str, ...] = ()
    """In words; empty when only the Factory that a callable returns can tell."""
    options: tuple[Option, ...] = ()
    error: str | None = None
    """Why it can be served nowhere."""


def offers() -> Iterator[Offer]:
    """Give the built-in protocols, then those of installed packages, by name.

    @raise NoProtocol: the metadata of the installed packages cannot be read.
    """
    known = available()
    for name in (*BUILTIN, *sorted(known.keys() - BUILTIN)):
        for entry in known[name]:
            yield _installed(name, entry)


def offered(name: str, config: Path) -> Offer:
    """Give one protocol, named as in a config.

    @param config: the file; modules are found in its folder, too.
    @raise NoProtocol: there is none of this name.
    """
    if ":" not in name and name in (known := available()):
        return _installed(name, known[name][0])
    found = find(name, config)
    module = sys.modules[name.partition(":")[0]]
    return _describe(name, getattr(module, "__file__", None) or "a module without a file", found)


def named(config: Path) -> Iterator[Offer]:
    """Give the protocols that a config file names, each once; the rest of the file may be as bad as it likes.

    @raise ConfigError: the file cannot be read, or is no TOML.
    """
    services = readConfig(config).get("service")
    tables = [each for each in services if isinstance(each, dict)] if isinstance(services, list) else []
    for name in dict.fromkeys(each["protocol"] for each in tables if isinstance(each.get("protocol"), str)):
        try:
            yield offered(name, config)
        except NoProtocol as error:
            yield Offer(name, str(config), error=str(error))


def _installed(name: str, entry: EntryPoint) -> Offer:
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "built in"
    try:
        return _describe(name, origin, find(name, Path()))
    except NoProtocol as error:
        return Offer(name, origin, error=str(error))


def _describe(name: str, origin: str, found: Any) -> Offer:
    made = unwrapped(found)
    doc = summaryOf(made) or summaryOf(getattr(made, "protocol", None))
    try:
        return Offer(name, origin, doc, _served(made), tuple(optionsOf(found)))
    except Unmade as error:
        reason = str(error)
    except Exception as error:  # What somebody annotates may raise anything.
        reason = f"its options cannot be told: {said(error)}"
    return Offer(name, origin, doc, error=reason)


def _served(found: Any) -> tuple[str, ...]:
    kind = found
    if not isinstance(found, type):
        try:
            kind = get_type_hints(found).get("return")
        except Exception:  # It is no function, or its annotations mean nothing.
            return ()
    if not isinstance(kind, type):
        return ()
    if issubclass(kind, DatagramProtocol):
        return (_KINDS["udp"],)
    if issubclass(kind, BaseProtocol):
        messages, transports = issubclass(kind, MessageProtocol), Factory.transports
    else:
        # A class of Factories that sets `protocol` later, in its `__init__`, says at least what it implements.
        messages = speaksMessages(kind) or (
            not isinstance(getattr(kind, "protocol", None), type) and IMessageFactory.implementedBy(kind)
        )
        transports = getattr(kind, "transports", Factory.transports)
    return tuple(word for each, word in _KINDS.items() if each in transports and (messages or each != "udp"))
