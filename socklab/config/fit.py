"""What goes with what: a protocol with a listener, with a framing, with limits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from ..message import speaksMessages
from ..transports.listen import Listen
from .errors import Mistake

_KINDS: Final = {"stream": "streams (tcp:, ssl:, unix:)", "udp": "udp:", "websocket": "ws:"}
# What bounds a plain Twisted Factory wherever it is served: who comes, and how many.
_GATE: Final = frozenset({"max_connections", "per_address", "accept_rate", "accept_rate_per_address", "keepalive"})
# And over WebSocket. On streams it has Twisted's own connections.
_BRIDGED: Final = frozenset(
    {
        "message",
        "pending",
        "pending_soft",
        "pending_seconds",
        "message_rate",
        "byte_rate",
        "lifetime",
        "handshake_timeout",
        "handshake_bytes",
        "fragments",
        "ping_interval",
        "ping_timeout",
        "idle",
    }
)


def isDatagrams(factory: Any) -> bool:
    """Tell whether what a config names makes protocols for a datagram port of their own."""
    return not hasattr(factory, "buildProtocol")


def unservable(factory: Any, listen: Listen) -> str | None:
    """Say why a protocol cannot be served on a listener; None when it can."""
    if isDatagrams(factory):
        return None if listen.kind == "udp" else "the protocol is one for datagrams: listen on udp:"
    if not speaksMessages(factory):
        isStream = listen.kind != "udp"
        return None if isStream else "the protocol needs a stream: it cannot be served over datagrams"
    served = getattr(factory, "transports", (listen.kind,))
    if listen.kind not in served:
        kinds = ", ".join(_KINDS[kind] for kind in sorted(served))
        return f"with these options the protocol is served over {kinds} only"
    return None


def useless(factory: Any, table: Collection[str]) -> Iterator[Mistake]:
    """Find keys of a service, or of a listener, that its protocol has no use for."""
    if not speaksMessages(factory):
        if "framing" in table:
            yield Mistake(("framing",), "the protocol reads bytes, not messages: it needs no framing")
        if "encoding" in table:
            yield Mistake(("encoding",), "the protocol reads bytes, not text: it needs no encoding")
    elif "framing" in table and getattr(factory, "fixedFraming", False):
        yield Mistake(("framing",), "the protocol says itself where its messages end")


def boundless(factory: Any, listens: Iterable[Listen], limits: Iterable[str]) -> Iterator[Mistake]:
    """Find limits that would bound nothing: who writes one relies on it."""
    if speaksMessages(factory):
        return
    bounds: set[str] = set()
    for listen in listens:
        if listen.kind == "websocket":
            bounds |= _BRIDGED
        if listen.kind != "udp":
            bounds |= _GATE
        if listen.transport == "tls" or listen.prefix == "haproxy":
            bounds.add("handshake_timeout")
    for key in limits:
        if key not in bounds:
            kind = "DatagramProtocol" if isDatagrams(factory) else "Twisted Factory"
            where = "here" if isDatagrams(factory) else "on these listeners"
            yield Mistake(("limits", key), f"does not bound a plain {kind} {where}")


def faceless(factory: Any, listens: Iterable[Listen], keys: Collection[str]) -> Iterator[Mistake]:
    """Find what needs the addresses of clients where nobody looks at them.

    @param keys: `access`, if it has rules, and the limits that are given.
    """
    if speaksMessages(factory):
        return
    if isDatagrams(factory):
        if "access" in keys:
            yield Mistake(("access",), "the protocol takes every datagram itself: it has to choose, too")
        return
    needs = [each for each in ("access", "per_address", "accept_rate_per_address") if each in keys]
    for number, listen in enumerate(listens):
        if needs and listen.prefix == "haproxy" and listen.kind == "stream":
            why = f"a plain Twisted protocol behind haproxy: shows the proxy's address to `{needs[0]}`"
            yield Mistake(("listen", number), f'"{listen.text}": {why}')


def silent(factory: Any) -> str | None:
    """Say why there would be nothing to record; None when there is."""
    return "what a plain DatagramProtocol says is not seen" if isDatagrams(factory) else None
