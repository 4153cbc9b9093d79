"""Events as text for the operator, each on one line."""

from __future__ import annotations

from typing import Final, Literal

from .. import events
from ..about import aboutPeer
from ..message import Peer
from ..text import hexadecimal, quoted

TraceForm = Literal["off", "text", "hex"]

_REASON: Final = 200
"""Characters of a reason that are shown: it may quote the peer."""


def shortened(reason: str) -> str:
    """Give a reason that is not too long."""
    return reason if len(reason) <= _REASON else reason[:_REASON] + "..."


def plain(reason: str) -> str:
    """Give a reason without controls: nothing of the peer's reaches the log raw."""
    return quoted(shortened(reason))[1:-1].replace('\\"', '"')


def lineOf(event: events.Event, trace: TraceForm = "text") -> str:
    """Give an event as a line."""
    who = f"{event.service}: {event.peer.kind} {event.peer}"
    match event:
        case events.Opened(peer=peer):
            return f"{who} opened{_extra(peer)}"
        case events.Closed(by=by, reason=reason):
            return f"{who} closed by {by}: {plain(reason)}"
        case events.MessageReceived(payload=payload, isBinary=isBinary):
            return f"{who} received {_message(event.peer, payload, isBinary, trace)}"
        case events.MessageSent(payload=payload, isBinary=isBinary):
            return f"{who} sent {_message(event.peer, payload, isBinary, trace)}"
        case events.InputEnded():
            return f"{who} will send no more"
        case events.Paused(reason=reason):
            return f"{who} paused: {reason}"
        case events.Resumed(reason=reason):
            return f"{who} resumed: {reason}, no longer"
        case events.Cut(reason=reason):
            return f"{who} cut: {plain(reason)}"
        case events.Refused(rule=rule, reason=reason):
            return f"{who} refused: {rule}: {plain(reason)}"
        case events.Dropped(reason=reason):
            return f"{who} dropped: {plain(reason)} (told once)"
        case events.Failed():
            return f"{who}: the protocol failed"
    raise TypeError(event)


def _message(peer: Peer, payload: bytes, isBinary: bool, trace: TraceForm) -> str:
    kind = "" if peer.kind != "websocket" else " binary" if isBinary else " text"
    content = hexadecimal(payload) if trace == "hex" else quoted(payload, peer.encoding)
    return f"{len(payload)} B{kind} {content}"


def _extra(peer: Peer) -> str:
    said = [f"{name.replace('_', ' ')} {quoted(value)}" for name, value in aboutPeer(peer).items()]
    return f" ({', '.join(said)})" if said else ""
