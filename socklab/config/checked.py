"""What a config says, checked: frozen records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..framing import Framing
from ..limits import Limits
from ..policy.access import Access
from ..rooms.settings import EngineSettings
from ..transports.listen import Listen
from .console import Console
from .record import Record
from .schema import ServerTable, ServiceTable, WebSocketTable


@dataclass(frozen=True)
class Listener:
    """One entry of `listen`."""

    listen: Listen
    framing: Callable[[], Framing] | None
    """Gives each connection its framing; None means raw."""
    lines: bool
    """Whether the messages are lines."""
    encoding: str
    optional: bool


@dataclass(frozen=True)
class Service:
    """One `[[service]]`."""

    name: str
    factory: Any
    """A Factory; or, for a datagram protocol, what makes one."""
    options: Mapping[str, Any]
    """What the Factory was made with, defaults included."""
    table: ServiceTable
    """The service as it stands in the file."""
    listeners: tuple[Listener, ...]
    access: Access
    limits: Limits
    websocket: WebSocketTable
    record: Record | None = None


@dataclass(frozen=True)
class Config:
    """A whole file."""

    server: ServerTable
    services: tuple[Service, ...]
    console: Console | None = None
    rooms: EngineSettings | None = None
    """The engine that rooms are shared through."""
