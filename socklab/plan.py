"""What a changed config changes while the server runs, and what has to wait for a restart; nothing is done."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .config import Config, Console, Listener, Service
from .config.workers import workersOf
from .listeners import startLine
from .transports.advice import isAbsent
from .transports.listen import Listen

if TYPE_CHECKING:
    from .transports.tls import ServerCertificate

_CONSOLE: Final = {
    "listen": "listen",
    "hosts": "hosts",
    "metrics": "metrics",
    "tokenHash": "token_hash",
    "viewerHash": "viewer_hash",
    "outbound": "outbound",
    "socket": "socket",
}
"""What a `[console]` is compared by, and the keys of the config."""
CONSOLE_INPLACE: Final = ("listen", "hosts", "tokenHash", "viewerHash", "outbound")

_INPLACE: Final = {
    "shutdown_timeout",
    "trace",
    "log_format",
    "max_connections",
    "memory_budget",
    "worker_watchdog",
}


@dataclass
class ServicePlan:
    """What becomes of one service."""

    old: Service | None = None
    new: Service | None = None
    keys: list[str] = field(default_factory=list)
    """Of the service, whose values have changed; `options` only when they are not handed over."""
    options: dict[str, Any] = field(default_factory=dict)
    """What is handed to the Factory's `reconfigure`."""
    replaced: str = ""
    """Why another Factory takes its place, while the peers of this one drain."""
    kept: list[tuple[Listener, Listener]] = field(default_factory=list)
    """As they were and as they are; a new service may have them from one that is gone, under another name say."""
    opened: list[Listener] = field(default_factory=list)
    closed: list[Listener] = field(default_factory=list)
    renewed: list[tuple[Listener, ServerCertificate]] = field(default_factory=list)
    """Listeners that go on with another certificate."""
    refused: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Tell it: `+` opened, `-` closed, `~` changed, `=` kept, `!` refused."""
        if self.old is None:
            assert self.new is not None
            yield f"+ {self.new.name}"
            yield from (f"+ {self.new.name}: {_where(now)}: taken over" for _, now in self.kept)
        elif self.new is None:
            yield f"- {self.old.name}: its peers drain"
            return
        elif self.replaced:
            yield f"~ {self.new.name}: {self.replaced}: replaced; the peers of the old one drain"
        elif self.keys or self.options:
            if self.keys:
                yield f"~ {self.new.name}: {', '.join(self.keys)}"
            if self.options:
                yield f"~ {self.new.name}: options {', '.join(self.options)}: its peers stay"
        elif not (self.opened or self.closed or self.renewed or self.refused):
            yield f"= {self.new.name}"
        name = self.new.name
        yield from (f"~ {name}: {_where(each)}: certificate" for each, _ in self.renewed)
        yield from (f"+ {name}: {_where(each)}" for each in self.opened)
        yield from (f"- {name}: {_where(each)}" for each in self.closed)
        yield from (f"! {name}: {each}" for each in self.refused)


@dataclass
class Plan:
    """What becomes of all."""

    services: list[ServicePlan]
    server: list[str]
    """Keys of `[server]` that are changed."""
    refused: list[str]
    """Keys of `[server]` that need a restart."""
    console: list[str] = field(default_factory=list)
    """Keys of `[console]` that are changed, and `certificate`."""
    consoleRefused: list[str] = field(default_factory=list)
    """What of it is not done, and why."""
    isEngineOther: bool = False
    """Whether `[rooms]` is changed, which needs a restart."""

    def lines(self) -> Iterator[str]:
        """Tell it, a line for each thing."""
        for each in self.services:
            yield from each.lines()
        if self.server:
            yield f"~ [server]: {', '.join(self.server)}"
        if self.refused:
            yield f"! [server]: {', '.join(self.refused)}: needs a restart"
        if self.console:
            yield f"~ [console]: {', '.join(self.console)}"
        yield from (f"! [console]: {each}" for each in self.consoleRefused)
        if self.isEngineOther:
            yield "! [rooms]: needs a restart"


def plan(old: Config, new: Config, tried: Callable[[str, Listen], OSError | None] | None = None) -> Plan:
    """Compare two configs; nothing is changed.

    @param tried: gives what a listener of a service fails with that is yet to be opened, where `old` is served.
    """
    services = {each.name: each for each in old.services}
    plans = [_compare(services.pop(each.name, None), each) for each in new.services]
    gone = [ServicePlan(old=each, closed=[*each.listeners]) for each in services.values()]
    for each in plans:
        _inherit(each, gone)
    plans += gone
    for each in plans:
        _refuse(each, plans, tried)
    keys = [key for key in type(new.server).model_fields if getattr(new.server, key) != getattr(old.server, key)]
    # One process that serves all is made in another way than several are.
    inPlace = _INPLACE | ({"workers"} if workersOf(old.server) > 1 else set())
    return Plan(
        plans,
        [key for key in keys if key in inPlace],
        [key for key in keys if key not in inPlace],
        *_compareConsoles(old.console, new.console),
        not new.rooms.isAs(old.rooms) if new.rooms is not None else old.rooms is not None,
    )


def _compareConsoles(old: Console | None, new: Console | None) -> tuple[list[str], list[str]]:
    """Give which keys of `[console]` are changed, and what is not done."""
    if old is None or new is None:
        return [], ["needs a restart"] if old is not new else []
    # Where it is by what the config says, as with services: `--any-port` has it elsewhere.
    was = replace(old, socket=old.socketSaid or old.socket)
    if old.listen.text == new.listen.text:
        was = replace(was, listen=new.listen)
    keys = [key for key in _CONSOLE if getattr(was, key) != getattr(new, key)]
    changed = [_CONSOLE[key] for key in keys if key in CONSOLE_INPLACE]
    rest = [_CONSOLE[key] for key in keys if key not in CONSOLE_INPLACE]
    refused = [f"{', '.join(rest)}: needs a restart"] if rest else []
    before, now = old.listen.certificate, new.listen.certificate
    if before is not None and "listen" not in keys:
        if new.listen.trouble is not None:
            refused.append(f"{new.listen.trouble}; the old certificate stays")
        elif now is not None and not before.isLike(now):
            changed.append("certificate")
    return changed, refused


def _compare(old: Service | None, new: Service) -> ServicePlan:
    if old is None:
        return ServicePlan(new=new, opened=[*new.listeners])
    fields = type(new.table).model_fields
    keys = [key for key in fields if getattr(new.table, key) != getattr(old.table, key)]
    made = ServicePlan(old, new, [key for key in keys if key not in ("options", "listen", "name")])
    made.closed, made.opened = [*old.listeners], [*new.listeners]
    _keep(made, made.closed)
    if "protocol" in keys:
        made.replaced = "another protocol"
        made.keys = []
    elif changed := dict(_changedOptions(old, new)):
        if _canReconfigure(old.factory, changed):
            made.options = changed
        else:
            made.replaced = f"options {', '.join(changed)}, which the protocol cannot take while it runs"
    return made


def _inherit(new: ServicePlan, gone: list[ServicePlan]) -> None:
    """Have a new service serve on ports of services that are gone."""
    if new.old is not None:
        return
    for other in gone:
        _keep(new, other.closed)


def _keep(made: ServicePlan, closed: list[Listener]) -> None:
    """Move to `kept` what is to be opened where something is open already: on port 0 there may be several.

    @param closed: what is open, and would be closed; what is kept is taken out.
    """
    for isSame in (_isSame, lambda before, now: before.listen.text == now.listen.text):
        for listener in [*made.opened]:
            before = next((each for each in closed if isSame(each, listener)), None)
            if before is not None:
                closed.remove(before)
                made.opened.remove(listener)
                made.kept.append((before, _withCertificate(made, before, listener)))


def _isSame(before: Listener, now: Listener) -> bool:
    """Tell whether two entries say the same; what makes a framing cannot be compared."""
    return (before.listen.text, before.encoding, before.lines) == (now.listen.text, now.encoding, now.lines)


def _changedOptions(old: Service, new: Service) -> Iterator[tuple[str, Any]]:
    """Give the options that differ in the file, and mean something else.

    The Factory may have changed what it was given, and not every value can be compared.
    """
    before, after = old.table.options, new.table.options
    for key, value in new.options.items():
        isWritten = (key in before) != (key in after) or before.get(key) != after.get(key)
        if isWritten and old.options.get(key) != value:
            yield key, value


def _withCertificate(made: ServicePlan, before: Listener, now: Listener) -> Listener:
    """Give a listener with the certificate that its port serves; note whether that is to be renewed."""
    old, new = before.listen.certificate, now.listen.certificate
    if old is None:
        return now
    if now.listen.trouble is not None:
        made.refused.append(f"{_where(now)}: {now.listen.trouble}; the old certificate stays")
    elif new is not None and not old.isLike(new):
        made.renewed.append((now, new))
    return replace(now, listen=replace(now.listen, certificate=old, trouble=None))


def _where(listener: Listener) -> str:
    return f"{listener.listen.transport} {listener.listen.where}"


def _canReconfigure(factory: object, changed: dict[str, Any]) -> bool:
    reconfigure = getattr(factory, "reconfigure", None)
    if reconfigure is None:
        return False
    try:
        inspect.signature(reconfigure).bind(**changed)
    except TypeError:
        return False
    return True


def _refuse(
    each: ServicePlan, plans: list[ServicePlan], tried: Callable[[str, Listen], OSError | None] | None
) -> None:
    """Take out of a plan what cannot be done while the server runs."""
    if each.new is None:
        return
    inTheWay = [(other, listener) for other in plans for listener in other.closed]
    for listener in [*each.opened]:
        blocking = [(other, one) for other, one in inTheWay if listener.listen.conflicts(one.listen)]
        error = tried(each.new.name, listener.listen) if tried and not blocking else None
        where = _where(listener)
        if listener.listen.trouble is not None:
            each.refused.append(f"{where}: {listener.listen.trouble}")
        elif blocking:
            _, one = blocking[0]
            each.refused.append(f"{where}: needs a restart: {one.listen.text} has the address until then")
        elif error is not None and not (listener.optional and isAbsent(error)):
            each.refused.append(startLine(each.new.name, listener.listen, error).partition(": ")[2])
        else:
            continue
        each.opened.remove(listener)
        for other, one in blocking:
            # Of a service that is gone it cannot stay open; then nobody is served there until the restart.
            if other.new is not None:
                other.closed.remove(one)
