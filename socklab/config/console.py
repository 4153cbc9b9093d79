"""`[console]`, checked: where it listens, and whether it can have metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..policy.access import Access, RuleError
from ..policy.origin import isLoopbackName
from ..transports.listen import Listen, parseListen
from .errors import Mistake

NO_METRICS: Final = "prometheus-client is not installed: pip install 'socklab[lab]'"
_LOOPBACK: Final = ":interface=127.0.0.1"


@dataclass(frozen=True)
class Console:
    """Where and how the console is served."""

    listen: Listen
    hosts: tuple[str, ...]
    metrics: bool | None
    """None: there would be some, if prometheus-client were installed."""
    tokenHash: str | None = None
    viewerHash: str | None = None
    outbound: tuple[str, ...] = ("deny all",)
    socket: Path | None = None
    socketSaid: Path | None = None
    """What the config says of it, where `--any-port` has it elsewhere."""

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
    if raw.get("metrics") is True and not hasMetrics():
        found.append(Mistake(("console", "metrics"), f"{NO_METRICS}, or say metrics = false"))
    text = raw.get("listen")
    listen = None
    if isinstance(text, str):
        try:
            listen = _parse(text, folder, again)
        except ValueError as error:
            found.append(Mistake(("console", "listen"), f'"{text}": {error}'))
    outbound = raw.get("outbound")
    if isinstance(outbound, list) and outbound and all(isinstance(each, str) for each in outbound):
        try:
            Access(outbound)
        except RuleError as error:
            found.append(Mistake(("console", "outbound", error.index), str(error)))
    if listen is not None and raw.get("token_hash") is None:
        if not _isNear(listen):
            why = "is missing: others than this machine can reach the console; `socklab console token` makes one"
            found.append(Mistake(("console", "token_hash"), why))
        elif raw.get("viewer_hash") is not None:
            found.append(Mistake(("console", "viewer_hash"), "needs a token_hash beside it"))
    return listen, found


def _isNear(listen: Listen) -> bool:
    """Tell whether only this machine can reach it."""
    return listen.path is not None or isLoopbackName(listen.interface.partition("%")[0])


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
