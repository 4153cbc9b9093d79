"""What was read of a stream, and has yet to be handed over as messages."""

from __future__ import annotations

from collections.abc import Iterator

from ..framing import Framing
from .conversation import Conversation


class Intake:
    """Cuts a stream into messages, and keeps what a conversation may not have yet; after all of it, the end.

    A raw stream needs none until something must wait.
    """

    # Thousands of idle connections have one each.
    __slots__ = ("_feeding", "_framing", "_messages", "_unread", "ended", "finished")

    def __init__(self, framing: Framing | None) -> None:
        self._framing = framing
        self._unread: list[bytes] | None = None
        self._messages: Iterator[bytes] | None = None
        self._feeding = False
        self.finished = False
        """Whether the peer has said that it will send no more."""
        self.ended = False
        """Whether all before that was cut into messages."""

    @property
    def isBehind(self) -> bool:
        """Whether what is read now must wait for what was read before."""
        return self._feeding or self._messages is not None or bool(self._unread)

    @property
    def isFull(self) -> bool:
        """Whether a whole read waits."""
        return bool(self._unread)

    @property
    def isDone(self) -> bool:
        """Whether nothing waits, the end neither."""
        return not self._unread and self._messages is None and (self.ended or not self.finished)

    def keep(self, data: bytes) -> None:
        """Have what was read wait."""
        if self._unread is None:
            self._unread = []
        self._unread.append(data)

    def feed(self, conversation: Conversation, data: bytes | None = None) -> None:
        """Give the protocol what was read, and the end of it, for as long as it may have it.

        @param data: what was read just now, when nothing else waits.
        @raise FramingError: the peer does not keep to the framing.
        """
        if self._feeding:
            return
        self._feeding = True
        try:
            if data is not None:
                self._messages = self._cut(data)
            while conversation.listening and not conversation.held and self._feedSome(conversation):
                pass
        finally:
            self._feeding = False

    def forget(self) -> None:
        """Drop what waits: nobody wants it any more."""
        self._unread = None
        self._messages = None

    def _cut(self, data: bytes) -> Iterator[bytes]:
        return iter((data,)) if self._framing is None else self._framing.feed(data)

    def _feedSome(self, conversation: Conversation) -> bool:
        """Give the messages of one read; False when there are no more, or the stream has ended."""
        if self._messages is not None:
            for payload in self._messages:
                conversation.received(payload, True)
                if conversation.held or not conversation.listening:
                    return True
            self._messages = None
        elif self._unread:
            self._messages = self._cut(self._unread.pop(0))
        elif self.finished and not self.ended:
            self.ended = True
            if self._framing is not None:
                self._messages = self._framing.finish()
        elif self.ended:
            conversation.inputEnded()
            return False
        else:
            return False
        return True
