"""A record as what a client has to do again, step by step. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .patterns import wireEvent
from .reading import Conversation, Conversations, Direction, Entry

Kind = Literal["stream", "udp", "websocket"]
"""Of a transport: what a message is there."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent or heard at once."""

    payload: bytes
    isBinary: bool | None
    """None where the record does not know: streams and datagrams have no kinds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened."""

    time: float
    """Seconds since 1970."""
    number: int
    """Of the conversation."""
    what: Literal["send", "hear", "finish", "close"]
    message: Message = Message(b"", None)


@dataclass(slots=True)
class Part:
    """One conversation."""

    conversation: Conversation
    closedBy: str = ""
    """`peer` or `server`; nothing where the record ends before."""
    heard: list[Message] = field(default_factory=list)
    """What came back, in order."""


def kindOf(transport: str) -> Kind:
    """Give what a message is on a transport of a record."""
    return "udp" if transport == "udp" else "websocket" if transport == "websocket" else "stream"


class Script:
    """All steps of some conversations, in the order in which they happened."""

    def __init__(self, conversations: Iterable[Conversation], entries: Iterable[Entry], kind: Kind) -> None:
        """@param conversations: those that are played.
        @param entries: the whole record.
        @param kind: of the server that it is played to: what was a message over another kind becomes one of this.
        """
        self.kind = kind
        self.parts = {
            each.number: Part(each)
            for each in conversations
            if any(entry.event == "message" or entry.event == "wire" for entry in each.entries)
        }
        self.steps: list[Step] = []
        events = {number: self._eventOf(part.conversation) for number, part in self.parts.items()}
        sorted_ = Conversations()
        for entry in entries:
            conversation = sorted_.add(entry)
            part = self.parts.get(conversation.number) if conversation is not None else None
            if part is not None:
                self._add(part, entry, events[part.conversation.number])

    def _eventOf(self, conversation: Conversation) -> str:
        # The bytes as they were, with their ends of lines; but only where the same bytes mean the same.
        isSame = self.kind == kindOf(conversation.transport) != "websocket"
        return wireEvent(conversation.entries) if isSame else "message"

    def _add(self, part: Part, entry: Entry, event: str) -> None:
        number = part.conversation.number
        if entry.event == event:
            message = self._message(part.conversation, entry)
            if entry.direction == "out":
                part.heard.append(message)
            does: Direction = entry.direction
            self.steps.append(Step(entry.time, number, "send" if does == "in" else "hear", message))
        elif entry.event == "finished":
            self.steps.append(Step(entry.time, number, "finish"))
        elif entry.event == "closed":
            part.closedBy = str(entry.more.get("by", ""))
            if part.closedBy == "peer":
                self.steps.append(Step(entry.time, number, "close"))

    def _message(self, conversation: Conversation, entry: Entry) -> Message:
        recorded = kindOf(conversation.transport)
        payload = entry.payload
        if self.kind == "stream" and recorded != "stream":
            payload = payload if payload.endswith(b"\n") else payload + b"\n"
        elif self.kind == "websocket" and recorded != "websocket":
            payload = payload.removesuffix(b"\n").removesuffix(b"\r")
        return Message(payload, {"text": False, "binary": True}.get(entry.kind))
