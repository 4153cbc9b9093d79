"""Events as flat fields for a program."""

from __future__ import annotations

from ..about import aboutPeer, addressText
from ..events import (
    Closed,
    Cut,
    Dropped,
    Event,
    Failed,
    InputEnded,
    MessageReceived,
    MessageSent,
    Opened,
    Paused,
    Refused,
    Resumed,
)
from ..message import Peer
from .lines import TraceForm, shortened

Field = str | int | bool
Fields = dict[str, Field]

_NAMES: dict[type[Event], str] = {
    Opened: "opened",
    Closed: "closed",
    MessageReceived: "message_received",
    MessageSent: "message_sent",
    InputEnded: "finished",
    Paused: "paused",
    Resumed: "resumed",
    Cut: "cut",
    Refused: "refused",
    Dropped: "dropped",
    Failed: "failed",
}


def nameOf(event: Event) -> str:
    """Give what an event is called."""
    return _NAMES[type(event)]


def fieldsOf(event: Event, trace: TraceForm) -> Fields:
    """Give what an event tells, without its time.

    @param trace: how a payload is shown.
    """
    peer = event.peer
    fields: Fields = {
        "event": nameOf(event),
        "service": event.service,
        "transport": peer.kind,
        "peer": str(peer),
    }
    if peer.connection:
        fields["connection"] = peer.connection
    match event:
        case Opened(local=local):
            # Which of a service's listeners it came to.
            if where := addressText(local):
                fields["local"] = where
            fields |= aboutPeer(peer)
        case Closed(by=by, reason=reason):
            fields |= {"by": by, "reason": shortened(reason)}
        case MessageReceived(payload=payload, isBinary=isBinary) | MessageSent(payload=payload, isBinary=isBinary):
            fields |= _ofMessage(peer, payload, isBinary, trace)
        case Refused(rule=rule, reason=reason):
            fields |= {"rule": rule, "reason": shortened(reason)}
        case Cut(reason=reason) | Dropped(reason=reason) | Paused(reason=reason) | Resumed(reason=reason):
            fields["reason"] = shortened(reason)
    return fields


def _ofMessage(peer: Peer, payload: bytes, isBinary: bool, trace: TraceForm) -> Fields:
    fields: Fields = {"bytes": len(payload)}
    if peer.kind == "websocket":
        fields["binary"] = isBinary
    if trace == "hex":
        fields["payload_hex"] = payload.hex()
    elif trace == "text":
        fields["payload"] = payload.decode(peer.encoding, "backslashreplace")
    return fields
