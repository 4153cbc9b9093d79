"""What can be seen in conversations: who keeps a connection and who makes another for each message, who closed
first, what was spoken, and what WebSocket adds to a message. Pure functions of what was recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ..transports.recognise import kindOf
from .frames import Frame, framesOf, split
from .reading import Conversation, Direction, Entry

_LOOKED_AT: Final = 4096
"""Bytes in which a conversation shows what is spoken."""


@dataclass(slots=True)
class AddressPattern:
    """What one address did with one service over one transport."""

    service: str
    transport: str
    host: str
    """The IP address; `unix` for all peers of a Unix socket."""
    connections: int = 0
    """Over UDP: conversations, or datagrams that were answered one by one."""
    ports: int = 0
    """Different source ports."""
    received: int = 0
    """Messages from it."""
    sent: int = 0
    busiest: int = 0
    """The most messages that came over one connection."""
    closedBy: Counter[str] = field(default_factory=Counter)
    """Who closed first: `peer`, `server`; `nobody` where the record ends before."""
    began: Counter[str] = field(default_factory=Counter)
    """What the first bytes of each connection were."""

    @property
    def verdict(self) -> str:
        """`one-shot`: a connection for each message; `persistent`: all on one; or neither."""
        if self.transport == "udp":
            return "datagrams"
        if not self.received:
            return "silent"
        if self.connections == 1:
            return "persistent" if self.received > 1 else "a single message"
        return "one-shot" if self.busiest == 1 else "mixed" if self.connections > 1 else "persistent"


def addressPatterns(conversations: Iterable[Conversation]) -> list[AddressPattern]:
    """Give what each address did, in the order in which they came."""
    found: dict[tuple[str, str, str], AddressPattern] = {}
    ports: dict[tuple[str, str, str], set[str]] = {}
    for each in conversations:
        if all(entry.event == "refused" for entry in each.entries):
            continue
        host, _, port = each.peer.rpartition(":")
        key = (each.service, each.transport, host.strip("[]") or each.peer)
        pattern = found.setdefault(key, AddressPattern(*key))
        if port and host:
            ports.setdefault(key, set()).add(port)
            pattern.ports = len(ports[key])
        _add(pattern, each)
    return [*found.values()]


def _add(pattern: AddressPattern, conversation: Conversation) -> None:
    messages = [entry for entry in conversation.entries if entry.event == "message"]
    came = sum(entry.direction == "in" for entry in messages)
    pattern.connections += 1
    pattern.received += came
    pattern.sent += len(messages) - came
    pattern.busiest = max(pattern.busiest, came)
    closed = [entry for entry in conversation.entries if entry.event == "closed"]
    # Lone datagrams have no end.
    if conversation.connection:
        pattern.closedBy[str(closed[0].more.get("by", "")) if closed else "nobody"] += 1
    pattern.began[kindOf(wireOf(conversation, "in", _LOOKED_AT))] += 1


def wireOf(conversation: Conversation, direction: Direction, limit: int | None = None) -> bytes:
    """Give the bytes that went one way: those of the wire, or where that is the same, of the messages.

    @param limit: how many are enough.
    """
    event = wireEvent(conversation.entries)
    data = bytearray()
    for entry in conversation.entries:
        if entry.event == event and entry.direction == direction:
            data += entry.payload
            if limit is not None and len(data) >= limit:
                break
    return bytes(data[:limit])


def wireEvent(entries: Iterable[Entry]) -> str:
    """Give which entries have the bytes as they were: `wire` if there are such, else `message`."""
    return "wire" if any(entry.event == "wire" for entry in entries) else "message"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one message cost on the wire."""

    direction: Direction
    kind: str
    payload: int
    """Bytes of the message."""
    websocket: int
    """Bytes of its frames."""
    frames: int

    @property
    def line(self) -> int:
        """Bytes of the same as a line over TCP: LF is all that is added."""
        return self.payload + 1


@dataclass(frozen=True, slots=True)
class WebSocketPattern:
    """What went over one WebSocket connection."""

    conversation: Conversation
    request: bytes
    """The head of the handshake."""
    answer: bytes
    frames: list[tuple[Direction, Frame]]
    costs: list[Cost]


def websocketPatterns(conversations: Iterable[Conversation]) -> Iterator[WebSocketPattern]:
    """Take each WebSocket connection of a record apart."""
    for each in conversations:
        if each.transport == "websocket" and wireEvent(each.entries) == "wire":
            request, came = split(wireOf(each, "in"))
            answer, went = split(wireOf(each, "out"))
            frames: dict[Direction, list[Frame]] = {"in": [*framesOf(came)], "out": [*framesOf(went)]}
            every = [(direction, frame) for direction, found in frames.items() for frame in found]
            yield WebSocketPattern(each, request, answer, every, [*_costs(each, frames)])


def _costs(conversation: Conversation, frames: dict[Direction, list[Frame]]) -> Iterator[Cost]:
    rest = {direction: iter(found) for direction, found in frames.items()}
    for entry in conversation.entries:
        if entry.event != "message":
            continue
        size = number = 0
        for frame in rest[entry.direction]:
            if not frame.isControl:
                size += len(frame.head) + frame.length
                number += 1
                if frame.fin:
                    break
        yield Cost(entry.direction, entry.kind, len(entry.payload), size, number)
