"""`[console]`, checked: where it listens, and whether it can have metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..transports.listen import Listen, parseListen
from .errors import Mistake

_LOOPBACK: Final = ":interface=127.0.0.1"


@dataclass(frozen=True)
class Console:
    """Where and how the console is served."""

    listen: Listen
    hosts: tuple[str, ...]
    metrics: bool

    @property
    def transport(self) -> str:
        """As a person calls it: `http`, `https`, or `http unix`."""
        return {"tcp": "http", "tls": "https"}.get(self.listen.transport, f"http {self.listen.transport}")


def parseConsole(raw: Any, folder: Path, again: bool) -> tuple[Listen | None, list[Mistake]]:
    """Check what the shape of the table does not tell; nothing is opened.

    @param raw: the table as it stands in the file.
    @param again: as of `parseListen`.
    @return: where it listens, and what is wrong.
    """
    if not isinstance(raw, dict):
        return None, []
    found: list[Mistake] = []
    if raw.get("metrics", True) is True and not hasMetrics():
        why = "prometheus-client is not installed: pip install 'socklab[lab]', or say metrics = false"
        found.append(Mistake(("console", "metrics"), why))
    text = raw.get("listen")
    listen = None
    if isinstance(text, str):
        try:
            listen = _parse(text, folder, again)
        except ValueError as error:
            found.append(Mistake(("console", "listen"), f'"{text}": {error}'))
    return listen, found


def _parse(text: str, folder: Path, again: bool) -> Listen:
    listen = parseListen(text, folder, again=again)
    if listen.kind != "stream" or listen.prefix == "haproxy":
        raise ValueError("the console speaks HTTP, over tcp:, ssl:, tls:, unix: or systemd:")
    if listen.port is not None and not listen.interface:
        # Whoever wants it on all addresses has to say so.
        listen = replace(parseListen(text + _LOOPBACK, folder, again=again), text=text)
    return listen


def hasMetrics() -> bool:
    """Tell whether prometheus-client is installed."""
    return find_spec("prometheus_client") is not None
