"""Events as flat fields for a program."""

from __future__ import annotations

from .. import events
from ..about import aboutPeer, addressText
from ..message import Peer
from .lines import TraceForm, shortened

Field = str | int | bool
Fields = dict[str, Field]

_NAMES: dict[type[events.Event], str] = {
    events.Opened: "opened",
    events.Closed: "closed",
    events.MessageReceived: "message_received",
    events.MessageSent: "message_sent",
    events.InputEnded: "finished",
    events.Paused: "paused",
    events.Resumed: "resumed",
    events.Cut: "cut",
    events.Refused: "refused",
    events.Dropped: "dropped",
    events.Failed: "failed",
}


def nameOf(event: events.Event) -> str:
    """Give what an event is called."""
    return _NAMES[type(event)]


def fieldsOf(event: events.Event, trace: TraceForm) -> Fields:
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
        case events.Opened(local=local):
            # Which of a service's listeners it came to.
            if where := addressText(local):
                fields["local"] = where
            fields |= aboutPeer(peer)
        case events.Closed(by=by, reason=reason):
            fields |= {"by": by, "reason": shortened(reason)}
        case (
            events.MessageReceived(payload=payload, isBinary=isBinary)
            | events.MessageSent(payload=payload, isBinary=isBinary)
        ):
            fields |= _ofMessage(peer, payload, isBinary, trace)
        case events.Refused(rule=rule, reason=reason):
            fields |= {"rule": rule, "reason": shortened(reason)}
        case (
            events.Cut(reason=reason)
            | events.Dropped(reason=reason)
            | events.Paused(reason=reason)
            | events.Resumed(reason=reason)
        ):
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
