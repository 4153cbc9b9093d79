"""What happened between a service and its peers, in order, for a test to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..events import Closed, Cut, Dropped, Event, Failed, MessageReceived, MessageSent, Opened

_LINE = re.compile(
    r"(?P<kind>tcp|tls|unix|udp|websocket) (?P<peer>\S+?):? "
    r"(?P<event>opened|received|sent|closed by (?P<by>peer|server)|cut|dropped|the protocol failed)(?P<rest>.*)"
)
_MESSAGE = re.compile(r" (?P<size>\d+) B( (?P<type>text|binary))? (?P<bytes>.*)")


class Entry(NamedTuple):
    """One thing that happened."""

    kind: str
    """Of the transport: `tcp`, `tls`, `unix`, `udp` or `websocket`."""
    event: str
    """`opened`, `received`, `sent`, `closed`, `cut`, `dropped` or `failed`."""
    payload: bytes = b""
    """Of a message."""
    isBinary: bool = True
    """Whether a message was binary; a stream and UDP know no kinds."""
    peer: str = ""
    """The peer's `address:port`; of a Unix socket's `unix`."""
    reason: str = ""
    """Of an end: e.g. `by peer: closed`."""


def fromLog(log: str, service: str) -> Iterator[Entry]:
    """Read a service's entries from a log with `trace = "hex"`."""
    head = re.compile(rf"\[socklab(?: worker \d+)?\] {re.escape(service)}: ")
    for line in log.splitlines():
        match = _LINE.fullmatch(head.split(line, maxsplit=1)[-1])
        if match is None:
            continue
        event = match["event"]
        if event in ("received", "sent"):
            message = _MESSAGE.fullmatch(match["rest"])
            assert message is not None, line
            payload = bytes.fromhex(message["bytes"][: 3 * int(message["size"])])
            yield Entry(match["kind"], event, payload, message["type"] != "text", match["peer"])
        else:
            word = "failed" if event.endswith("failed") else event.partition(" ")[0]
            by = f"by {match['by']}" if match["by"] else ""
            reason = match["rest"] if word in ("closed", "cut", "dropped") else ""
            yield Entry(match["kind"], word, peer=match["peer"], reason=(by + reason).removeprefix(": "))


def fromEvents(events: Iterable[Event], service: str) -> Iterator[Entry]:
    """Give a service's events as entries."""
    for event in events:
        if event.service != service:
            continue
        kind, peer = event.peer.kind, str(event.peer)
        match event:
            case Opened():
                yield Entry(kind, "opened", peer=peer)
            case MessageReceived(payload=payload, isBinary=isBinary):
                yield Entry(kind, "received", payload, isBinary or kind != "websocket", peer)
            case MessageSent(payload=payload, isBinary=isBinary):
                yield Entry(kind, "sent", payload, isBinary or kind != "websocket", peer)
            case Closed(by=by, reason=reason):
                yield Entry(kind, "closed", peer=peer, reason=f"by {by}: {reason}")
            case Cut(reason=reason):
                yield Entry(kind, "cut", peer=peer, reason=reason)
            case Dropped(reason=reason):
                yield Entry(kind, "dropped", peer=peer, reason=reason)
            case Failed():
                yield Entry(kind, "failed", peer=peer)
