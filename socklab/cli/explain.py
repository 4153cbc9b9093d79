"""`socklab explain`: whether a peer would be let in, and by which rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .kinds import TransportKind

if TYPE_CHECKING:
    from ..config import Listener, Service
    from ..limits import Limits
    from ..policy.access import Access

_STREAM: Final = {"tcp", "tls", "unix"}
_WEBSOCKET: Final = {"ws", "wss"}
_NETWORK: Final = {"tcp", "tls", "ws", "wss"}
_MESSAGES: Final = _STREAM | _WEBSOCKET | {"udp"}

APPLIES: Final = {
    "max_connections": _MESSAGES,
    "per_address": _NETWORK | {"udp"},
    "accept_rate": _MESSAGES,
    "accept_rate_per_address": _NETWORK | {"udp"},
    "lifetime": _MESSAGES,
    "message_rate": _MESSAGES,
    "byte_rate": _MESSAGES,
    "message": _STREAM | _WEBSOCKET,
    "line": _STREAM,
    "queue": _MESSAGES,
    "pending": _STREAM | _WEBSOCKET,
    "pending_soft": _STREAM | _WEBSOCKET,
    "pending_seconds": _STREAM | _WEBSOCKET,
    "handshake_timeout": _WEBSOCKET | {"tls"},
    "handshake_bytes": _WEBSOCKET,
    "fragments": _WEBSOCKET,
    "ping_interval": _WEBSOCKET,
    "ping_timeout": _WEBSOCKET,
    "idle": _MESSAGES,
    "keepalive": _NETWORK,
    "udp_peers": {"udp"},
    "udp_idle": {"udp"},
    "udp_amplification": {"udp"},
    "udp_rate": {"udp"},
}
"""On which transports each key of `[service.limits]` bounds something."""
_PLAIN: Final = {
    "max_connections",
    "per_address",
    "accept_rate",
    "accept_rate_per_address",
    "handshake_timeout",
    "keepalive",
}
"""Those that bound the connections of a plain Twisted protocol, too."""
_KEPT: Final = {
    "max_connections",
    "per_address",
    "accept_rate",
    "accept_rate_per_address",
    "lifetime",
    "idle",
    "udp_idle",
}
"""Those that mean nothing to datagrams of which nobody is remembered."""


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("transport", type=TransportKind(["tcp", "tls", "unix", "udp", "ws", "wss"]))
@click.argument("address", required=False)
@click.option("--service", metavar="NAME", help="Only this service.")
@click.option(
    "--origin", metavar="ORIGIN", help="Of the page, for ws and wss; without it the client is a program."
)
@click.option("--host", metavar="HOST", help="What the client asks for, for ws and wss; without it, the address.")
@click.option("--path", metavar="PATH", help="What it asks for, for ws and wss.  [default: /]")
@click.option("--json", "asJson", is_flag=True, help="Print a JSON array, for programs.")
@click.pass_context
def command(
    context: click.Context,
    file: Path,
    transport: str,
    address: str | None,
    service: str | None,
    origin: str | None,
    host: str | None,
    path: str | None,
    asJson: bool,
) -> None:
    """Tell whether a peer would be let in.

    Tells which rule decides, and which limits the peer would have. ADDRESS is the peer's IP address; a peer on a
    Unix socket has none. Nothing is opened.

    The status is 0 if it is let in wherever that transport is served, else 1.

    \b
    Examples:
      socklab explain chat.toml tcp 10.0.0.5
      socklab explain chat.toml ws 127.0.0.1 --origin https://example.com
    """
    from ..config import ConfigError, loadConfig
    from ..policy.access import normal

    if transport == "unix" and address is not None:
        raise click.UsageError("A peer on a Unix socket has no address.")
    if transport != "unix" and address is None:
        raise click.UsageError("Missing argument 'ADDRESS'.")
    if address is not None and normal(address) is None:
        raise click.BadParameter(f"{address!r} is no IP address.", param_hint="ADDRESS")
    page = {"--origin": origin, "--host": host, "--path": path}
    if transport not in _WEBSOCKET and (given := [key for key, value in page.items() if value is not None]):
        raise click.UsageError(f"{given[0]} is for ws and wss.")
    try:
        config = loadConfig(file)
    except ConfigError as error:
        for line in error.lines:
            click.echo(line, err=True)
        context.exit(1)
    names = [each.name for each in config.services]
    if service is not None and service not in names:
        raise click.BadParameter(f"expected {', '.join(names)}, got {service!r}", param_hint="--service")
    found = [
        (each, listener)
        for each in config.services
        if service in (None, each.name)
        for listener in each.listeners
        if _transport(listener) == transport and _sameFamily(listener, address)
    ]
    if not found:
        of = f" of {service}" if service else ""
        kind = "" if address is None else " for IPv6" if ":" in address else " for IPv4"
        click.echo(f"{file}: no {transport} listener{of}{kind}", err=True)
        context.exit(1)
    verdicts = []
    for each, listener in found:
        judged = [*_judged(each, listener, address or "", origin, host, path or "/")]
        verdict = all(fine for _, fine in judged)
        limits = dict(_limitsOf(each, transport)) if verdict else {}
        verdicts.append(
            {
                "service": each.name,
                "transport": listener.listen.transport,
                "where": listener.listen.where,
                "allowed": verdict,
                "reasons": [{"text": text, "allows": fine} for text, fine in judged],
                "limits": limits,
            }
        )
        if asJson:
            continue
        click.echo(f"{each.name}: {listener.listen.transport} {listener.listen.where}")
        for line, _ in judged:
            click.echo(f"  {line}")
        click.echo("  allowed" if verdict else "  refused")
        if verdict:
            text = ", ".join(f"{key} {_figure(value)}" for key, value in limits.items())
            click.echo(f"  limits: {text}")
    if asJson:
        click.echo(json.dumps(verdicts, indent=2, ensure_ascii=False))
    context.exit(0 if all(each["allowed"] for each in verdicts) else 1)


def _transport(listener: Listener) -> str:
    """Give how a peer comes, as it is typed: what stands behind `haproxy:` is TCP, or a Unix socket."""
    listen = listener.listen
    ws = listen.kind == "websocket"
    if listen.prefix in ("haproxy", "systemd") or listen.prefix == "unix":
        return "ws" if ws else "unix" if listen.prefix == "unix" else "tcp"
    return listen.transport


def _sameFamily(listener: Listener, address: str | None) -> bool:
    """Tell whether an address can meet that of a listener, where that is known; Linux takes IPv4 on `::` too."""
    listen = listener.listen
    if address is None or listen.port is None or listen.interface == "::":
        return True
    return (":" in listen.interface) == (":" in address)


def _judged(
    service: Service, listener: Listener, address: str, origin: str | None, host: str | None, path: str
) -> Iterator[tuple[str, bool]]:
    """Give what each policy says of a peer, in words, and whether it lets it in."""
    from ..policy.origin import isLoopbackName

    listen = listener.listen
    if listen.path is not None:
        address = ""
    loopback = isLoopbackName(listen.interface.partition("%")[0])
    if loopback and listen.prefix != "haproxy" and not isLoopbackName(address.partition("%")[0]):
        yield f"reach: only programs on this machine reach {listen.interface}", False
    yield _access(service.access, address)
    if listen.kind == "websocket":
        from ..listeners import pagesOf

        asked = host if host is not None else f"[{address}]" if ":" in address else address
        if host is None and loopback:
            asked = "localhost"
        headers = {"host": asked} | ({} if origin is None else {"origin": origin})
        refusal = pagesOf(listen, service).forbids(path, headers)
        if refusal is not None:
            yield f"{refusal.name}: {refusal.reason}", False
        else:
            who = "a program" if origin is None else f'a page of "{origin}"'
            yield f'websocket: {who} may ask for "{asked}" and {path}', True


def _access(access: Access, address: str) -> tuple[str, bool]:
    rule = access.decide(address)
    number = access.rules.index(rule) + 1
    if rule.network is None:
        why = "none before it matches" if number > 1 else "it is for all"
        if number > 1 and not address:
            why = "a Unix peer has no address, and matches only `all`"
    elif rule.network.num_addresses == 1:
        why = f"it is {rule.network[0]}"
    else:
        why = f"{address} is in {rule.network}"
    return f'access: rule {number} of {len(access.rules)}, "{rule.text}", decides: {why}', rule.allows


def _figure(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limitsOf(service: Service, transport: str) -> Iterator[tuple[str, float]]:
    """Give the limits that bound such a peer, those without a bound left out."""
    from ..message import speaksMessages

    limits: Limits = service.limits
    for key, transports in APPLIES.items():
        value = getattr(limits, key)
        if value in (None, 0) or transport not in transports:
            continue
        if transport in _STREAM and not speaksMessages(service.factory) and key not in _PLAIN:
            continue
        if transport == "udp" and key in _KEPT and not getattr(service.factory, "keepsPeers", True):
            continue
        yield key, value
