"""Events as lines of the log, for the operator: what went wrong always, all that happens when tracing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from ..events import Closed, Cut, Dropped, Event, Failed, MessageReceived, MessageSent, Opened, Refused
from ..message import Peer
from ..text import hexadecimal, quoted

_logger: Final = Logger(namespace="socklab")


def say(line: str) -> None:
    """Log a line."""
    _logger.info("{line}", line=line, log_system="socklab")


def _who(event: Event) -> str:
    return f"{event.service}: {event.peer.kind} {event.peer}"


def _plain(reason: str) -> str:
    """A reason may quote the peer: nothing of it reaches the log raw, nor without bound."""
    return quoted(reason if len(reason) <= 200 else reason[:200] + "...")[1:-1].replace('\\"', '"')


def logEvent(event: Event) -> None:
    """Log what an operator must know of."""
    match event:
        case Cut(reason=reason):
            say(f"{_who(event)} cut: {_plain(reason)}")
        case Refused(rule=rule, reason=reason):
            say(f"{_who(event)} refused: {rule}: {_plain(reason)}")
        case Dropped(reason=reason):
            say(f"{_who(event)} dropped: {_plain(reason)} (told once)")
        case Failed(failure=failure):
            _logger.failure("{who}: the protocol failed", failure=failure, who=_who(event), log_system="socklab")


def tracer(form: str) -> Callable[[Event], None]:
    """Give an observer that logs every message in both directions, and who opened and closed.

    @param form: `text` or `hex`.
    """

    def trace(event: Event) -> None:
        match event:
            case Opened(peer=peer):
                say(f"{_who(event)} opened{_extra(peer)}")
            case Closed(by=by, reason=reason):
                say(f"{_who(event)} closed by {by}: {_plain(reason)}")
            case MessageReceived(payload=payload, isBinary=isBinary):
                say(f"{_who(event)} received {_message(event.peer, payload, isBinary)}")
            case MessageSent(payload=payload, isBinary=isBinary):
                say(f"{_who(event)} sent {_message(event.peer, payload, isBinary)}")

    def _message(peer: Peer, payload: bytes, isBinary: bool) -> str:
        kind = "" if peer.kind != "websocket" else " binary" if isBinary else " text"
        content = hexadecimal(payload) if form == "hex" else quoted(payload, peer.encoding)
        return f"{len(payload)} B{kind} {content}"

    return trace


def _extra(peer: Peer) -> str:
    said = []
    if peer.path:
        said.append(f"path {quoted(peer.path)}")
    if peer.origin is not None:
        said.append(f"origin {quoted(peer.origin)}")
    if peer.certificate is not None:
        said.append(f"certificate {quoted(peer.certificate.subject.rfc4514_string())}")
    return f" ({', '.join(said)})" if said else ""
