"""Events as lines of a record: JSON objects (RFC 8259), which `reading` reads again."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from .. import events
from ..about import aboutPeer, addressText
from ..message import Peer

# C1 and DEL, what breaks lines or turns the direction of writing, and surrogates: `cat` may show the rest.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_TRACEBACK: Final = 1000
"""Characters of what a protocol raised."""


def lineOf(time: float, event: str, **fields: Any) -> bytes:
    """Give a line.

    @param time: seconds since 1970.
    """
    when = datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    text = json.dumps({"time": when, "event": event, **fields}, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode() + b"\n"


class EventLines:
    """Makes lines of events; each says whose it is, so that any part of a record can be read alone."""

    def __init__(self, localOf: Callable[[Peer], str]) -> None:
        """@param localOf: gives this side's address to a datagram peer, who has no `Opened`."""
        self._localOf = localOf
        self._locals: dict[int, str] = {}

    def __call__(self, event: events.Event, time: float) -> bytes:
        """Give an event as a line."""
        peer = event.peer
        head: dict[str, Any] = {"service": event.service, "transport": peer.kind}
        if peer.connection:
            head["connection"] = peer.connection
        if isinstance(event, events.Opened):
            self._locals[peer.connection] = addressText(event.local)
        local = self._locals.get(peer.connection) or (self._localOf(peer) if peer.kind == "udp" else "")
        head |= {"peer": str(peer), **({"local": local} if local else {})}
        if isinstance(event, events.Closed):
            self._locals.pop(peer.connection, None)
        name, fields = _said(event)
        return lineOf(time, name, **head, **fields)


def _said(event: events.Event) -> tuple[str, dict[str, Any]]:
    peer = event.peer
    match event:
        case events.MessageReceived(payload=payload, isBinary=isBinary):
            return "message", {
                "direction": "in",
                "kind": _kind(peer, isBinary),
                **bytesFields(payload, peer.encoding),
            }
        case events.MessageSent(payload=payload, isBinary=isBinary):
            kind = _kind(peer, isBinary)
            return "message", {"direction": "out", "kind": kind, **bytesFields(payload, peer.encoding)}
        case events.BytesReceived(data=data):
            return "wire", {"direction": "in", **bytesFields(data, peer.encoding)}
        case events.BytesSent(data=data):
            return "wire", {"direction": "out", **bytesFields(data, peer.encoding)}
        case events.Opened():
            return "opened", {**aboutPeer(peer)}
        case events.InputEnded():
            return "finished", {}
        case events.Closed(by=by, reason=reason):
            return "closed", {"by": by, "reason": reason}
        case events.Refused(rule=rule, reason=reason):
            return "refused", {"rule": rule, "reason": reason}
        case events.Failed(failure=failure):
            return "failed", {"reason": failure.getErrorMessage()[:_TRACEBACK]}
        case (
            events.Cut(reason=reason)
            | events.Dropped(reason=reason)
            | events.Paused(reason=reason)
            | events.Resumed(reason=reason)
        ):
            return type(event).__name__.lower(), {"reason": reason}
    raise TypeError(event)


def _kind(peer: Peer, isBinary: bool) -> str:
    return "bytes" if peer.kind != "websocket" else "binary" if isBinary else "text"


def bytesFields(data: bytes, encoding: str) -> dict[str, str]:
    """Give bytes as text where that gives them back, else as base64; what has a NUL in it is no text."""
    try:
        text = data.decode(encoding)
        if b"\0" not in data and text.encode(encoding) == data:
            return {"text": text} if encoding == "utf-8" else {"text": text, "encoding": encoding}
    except UnicodeError:
        pass
    return {"base64": b64encode(data).decode()}
