"""What `[rooms]` says of an engine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from .waiting import Queue


@dataclass(frozen=True)
class EngineSettings:
    """Where the engine is, and what it is to keep."""

    urls: tuple[str, ...] = field(repr=False)
    """They may hold a password."""
    name: str = "socklab"
    """Whoever has the same engine and the same name, shares rooms."""
    replicas: int = 1
    """On how many of the engine's servers each line is kept."""
    keep: float = 24 * 3600.0
    """Seconds for which the engine keeps a line."""
    keepBytes: int = 256 * 1024 * 1024
    """Bytes of lines that it keeps."""
    queue: Queue = field(default_factory=Queue)
    token: str | None = field(default=None, repr=False)
    credentials: str | None = field(default=None, repr=False)
    """The text of a credentials file of NATS."""
    tls: ssl.SSLContext | None = field(default=None, compare=False)
    authorities: bytes = field(default=b"", repr=False)
    """What `tls` trusts: settings are compared by it."""
    unread: frozenset[str] = frozenset()
    """Which of these stand in files that may not be read any more, by whom the server has become."""

    def isAs(self, old: EngineSettings | None) -> bool:
        """Tell whether these are the settings that are served, as far as they could be read again."""
        if old is None:
            return False
        unread = self.unread | old.unread
        return replace(self, unread=old.unread, **{name: getattr(old, name) for name in unread}) == old


def shownUrl(url: str) -> str:
    """Give an engine's URL without what is secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
