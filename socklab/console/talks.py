"""What the console knows of each conversation, and the last messages of it; bounded."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..events import Closed, Event, InputEnded, MessageReceived, MessageSent, Opened
from ..message import Peer
from .texts import reason

SHOWN: Final = 16 * 1024
"""Bytes of a message that are kept."""
EACH: Final = 500
"""Messages of one conversation that are kept."""
MEMORY: Final = 16 * 1024 * 1024
"""Bytes that the messages of all conversations may take, with 300 for each message."""
ENDED: Final = 500
"""Conversations that are remembered when they are over."""
_OVERHEAD: Final = 300


class Message:
    """One message, as far as it is kept."""

    __slots__ = ("isBinary", "number", "payload", "size", "time", "way")

    def __init__(self, number: int, time: float, way: str, payload: bytes, isBinary: bool) -> None:
        """@param way: `in`, `out`, or `end` for the peer's FIN."""
        self.number = number
        self.time = time
        self.way = way
        self.size = len(payload)
        self.payload = payload[:SHOWN]
        self.isBinary = isBinary

    def told(self, encoding: str) -> dict[str, Any]:
        """Give it for a page."""
        return {
            "n": self.number,
            "time": self.time,
            "way": self.way,
            "size": self.size,
            "binary": self.isBinary,
            "text": self.payload.decode(encoding, "replace"),
            "data": b64encode(self.payload).decode(),
        }


class Talk:
    """One conversation; or, where each datagram has one of its own, all of a service's together."""

    __slots__ = (
        "by",
        "closed",
        "kept",
        "key",
        "opened",
        "peer",
        "received",
        "receivedBytes",
        "sent",
        "sentBytes",
        "service",
        "size",
        "together",
    )

    def __init__(self, key: str, service: str, peer: Peer, opened: float, together: bool = False) -> None:
        self.key = key
        self.service = service
        self.peer = peer
        self.opened = opened
        self.together = together
        """Whether it is of many peers."""
        self.by: str | None = None
        """Who ended it: `peer` or `server`."""
        self.closed = ""
        """How it was ended."""
        self.received = self.receivedBytes = self.sent = self.sentBytes = 0
        # An empty deque has 760 bytes, and nearly all of thousands have said nothing.
        self.kept: deque[Message] | None = None
        self.size = 0

    @property
    def messages(self) -> list[Message]:
        """What is kept of it."""
        return [*(self.kept or ())]

    def row(self) -> list[Any]:
        """Give it as a row of the page's table; see `ROW`."""
        peer = self.peer
        return [
            self.key,
            self.service,
            peer.kind,
            "*" if self.together else str(peer),
            self.opened,
            self.by and f"{self.by}: {self.closed}",
            self.received,
            self.sent,
            self.receivedBytes,
            self.sentBytes,
            peer.encoding,
            peer.path,
            self.by,
            reason(self.closed).told() if self.by else None,
        ]


ROW: Final = (
    *("key", "service", "transport", "peer", "opened", "closed", "received", "sent"),
    *("receivedBytes", "sentBytes", "encoding", "path", "by", "why"),
)
"""What a row holds."""


class Talks:
    """All conversations that go on, and the last that are over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: gives the time, in seconds since 1970."""
        self._clock = clock
        self._talks: dict[str, Talk] = {}
        self._ended: deque[str] = deque()
        # In the order of their last message.
        self._kept: OrderedDict[str, Talk] = OrderedDict()
        self._size = 0
        self._number = 0
        self.changed: Callable[[str], None] = lambda key: None
        """Called with the key of a conversation whose row has changed, or that is remembered no longer."""
        self.said: Callable[[Talk, Message], None] = lambda talk, message: None
        """Called with each message."""

    def __iter__(self) -> Iterator[Talk]:
        return iter([*self._talks.values()])

    def get(self, key: str) -> Talk | None:
        """Give a conversation."""
        return self._talks.get(key)

    def take(self, event: Event) -> None:
        """Learn of an event."""
        match event:
            case Opened(service=service, peer=peer) if peer.connection:
                key = str(peer.connection)
                self._talks[key] = Talk(key, service, peer, self._clock())
                self.changed(key)
            case Closed(peer=peer, by=by, reason=how):
                talk = self._talks.get(str(peer.connection))
                if talk is not None:
                    talk.by, talk.closed = by, how[:200]
                    self._ended.append(talk.key)
                    if len(self._ended) > ENDED:
                        self._forget(self._ended.popleft())
                    self.changed(talk.key)
            case MessageReceived(payload=payload, isBinary=isBinary):
                talk = self._of(event)
                talk.received += 1
                talk.receivedBytes += len(payload)
                self._keep(talk, "in", payload, isBinary)
            case MessageSent(payload=payload, isBinary=isBinary):
                talk = self._of(event)
                talk.sent += 1
                talk.sentBytes += len(payload)
                self._keep(talk, "out", payload, isBinary)
            case InputEnded():
                self._keep(self._of(event), "end", b"", True)

    def _of(self, event: Event) -> Talk:
        peer = event.peer
        key = str(peer.connection) if peer.connection else f"{event.service}/{peer.kind}"
        talk = self._talks.get(key)
        if talk is None:
            talk = self._talks[key] = Talk(key, event.service, peer, self._clock(), not peer.connection)
        return talk

    def _keep(self, talk: Talk, way: str, payload: bytes, isBinary: bool) -> None:
        self._number += 1
        message = Message(self._number, self._clock(), way, payload, isBinary)
        if talk.kept is None:
            talk.kept = deque()
        talk.kept.append(message)
        self._grow(talk, len(message.payload) + _OVERHEAD)
        self._kept[talk.key] = talk
        self._kept.move_to_end(talk.key)
        if len(talk.kept) > EACH:
            self._drop(talk, talk.kept)
        while self._size > MEMORY:
            # Of who has been silent for longest.
            silent = next(iter(self._kept.values()))
            assert silent.kept
            self._drop(silent, silent.kept)
        self.changed(talk.key)
        self.said(talk, message)

    def _grow(self, talk: Talk, size: int) -> None:
        talk.size += size
        self._size += size

    def _drop(self, talk: Talk, kept: deque[Message]) -> None:
        self._grow(talk, -len(kept.popleft().payload) - _OVERHEAD)
        if not kept:
            talk.kept = None
            self._kept.pop(talk.key, None)

    def _forget(self, key: str) -> None:
        talk = self._talks.pop(key, None)
        if talk is not None:
            self._kept.pop(key, None)
            self._size -= talk.size
            self.changed(key)

    def forgetMessages(self) -> None:
        """Nobody looks any longer: keep who is there, not what was said."""
        for talk in self._kept.values():
            talk.kept = None
            talk.size = 0
        self._kept.clear()
        self._size = 0
