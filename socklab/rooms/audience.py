"""Peers who are told the same: a line is encoded once, and the lines of two turns are one write."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, NamedTuple

from twisted.logger import Logger

from ..message import Encoded, IMessageTransport, encodeText, sendToAll

_log: Final = Logger(namespace="socklab")

_BATCH: Final = 64 * 1024
"""Bytes that may wait for their turn, for a turn may bring any number."""

_OVERHEAD: Final = 100
"""Bytes that a waiting line counts beside its text."""


class _Line(NamedTuple):
    text: str
    without: IMessageTransport | None


class Audience:
    """Peers who are told the same: each line reaches each exactly once, in order with all else that it is sent.

    What is said in one turn of the reactor and the next leaves then, joined once for all peers of a wire format: a
    line costs the same however many hear it, and each of them costs one write. Who is sent something of its own
    meanwhile is first sent what was said before. Nobody is waited for: a peer that reads too slowly is cut by its
    limits.
    """

    def __init__(self) -> None:
        self._clock: Any = None
        self._together: dict[Hashable, dict[IMessageTransport, None]] = {}
        self._alone: dict[IMessageTransport, None] = {}
        self._due = False
        self._flushing = False
        self._size = 0
        self._told: dict[IMessageTransport, int] = {}
        self._encoded: dict[Hashable, list[Encoded | None]] = {}
        self.waiting: list[_Line] = []
        """What was said, and has yet to leave."""

    def add(self, transport: IMessageTransport) -> None:
        """Have a peer hear what is said from now on."""
        if not self._join(transport):
            self._alone[transport] = None

    def _join(self, transport: Any) -> bool:
        """Have a peer's lines joined; False for who must be told each at once: a datagram peer, or a follower of
        another audience."""
        follow = getattr(transport, "follow", None)
        if follow is None or not follow(self):
            return False
        self._clock = transport.clock
        self._together.setdefault(transport.wireFormat, {})[transport] = None
        if self.waiting:
            self._told[transport] = len(self.waiting)
        return True

    def discard(self, transport: IMessageTransport) -> None:
        """Have a peer hear what was said so far, and no more."""
        self._alone.pop(transport, None)
        members = self._together.get(transport.wireFormat, {})
        if transport in members:
            self.catchUp(transport)
            del members[transport]
            if not members:
                del self._together[transport.wireFormat]
            transport.unfollow()  # type: ignore[attr-defined]

    def send(self, text: str, without: IMessageTransport | None = None) -> None:
        """Tell all one text message.

        What a peer's encoding lacks becomes `?`. Who listens in a framing that cannot carry this does without.

        @param without: who is not told.
        """
        if self._alone:
            self._sendAlone(text, without)
        if self._together:
            self.waiting.append(_Line(text, without))
            self._size += len(text) + _OVERHEAD
            if not self._due:
                self._due = True
                # Speakers answer one another: the first has its read when the others have yet to write. One turn
                # more costs 10 us, and 4 who speak to 100 have 1.6 times as much said in a second.
                self._clock.callLater(0, self._clock.callLater, 0, self._turnEnds)
            if self._size > _BATCH:
                self._flush()

    def _sendAlone(self, text: str, without: IMessageTransport | None) -> None:
        if not self.waiting:
            # Who changes rooms is in two for a moment, and may be in this one only by now.
            for transport in [*self._alone]:
                if self._join(transport):
                    del self._alone[transport]
        sendToAll([each for each in self._alone if each is not without], text)

    def catchUp(self, transport: IMessageTransport) -> None:
        """Send a member what it was not yet told, before it is sent something else."""
        begin, end = self._told.get(transport, 0), len(self.waiting)
        if begin < end:
            self._told[transport] = end
            lines = zip(self.waiting[begin:], self._inFormatOf(transport)[begin:], strict=True)
            messages = [each for line, each in lines if each is not None and line.without is not transport]
            if messages:
                transport.sendJoined(b"".join([each.wire for each in messages]), messages)  # type: ignore[attr-defined]

    def _inFormatOf(self, transport: IMessageTransport) -> list[Encoded | None]:
        """Give all that waits as a member's wire format has it; None is what it cannot carry."""
        encoded = self._encoded.setdefault(transport.wireFormat, [])
        encoded += [encodeText(transport, line.text) for line in self.waiting[len(encoded) :]]
        return encoded

    def _turnEnds(self) -> None:
        self._due = False
        self._flush()

    def _flush(self) -> None:
        """Tell each member what it was not yet told.

        To be told something may make a protocol send, say, come or go: `_told` is then right at every moment.
        """
        if self._flushing:
            return
        self._flushing = True
        end = len(self.waiting)
        for speaker in {line.without for line in self.waiting}:
            # Its own lines are left out.
            if speaker is not None and speaker in self._together.get(speaker.wireFormat, ()):
                self.catchUp(speaker)
        for members in [*self._together.values()]:
            if members:
                self._flushTo(members, end)
        self._flushing = False
        self._forget(end)

    def _flushTo(self, members: dict[Any, None], end: int) -> None:
        told = self._told
        messages = [each for each in self._inFormatOf(next(iter(members)))[:end] if each is not None]
        joined = b"".join([each.wire for each in messages])
        for transport in [*members]:
            if transport not in told:
                told[transport] = end
                try:
                    transport.sendJoined(joined, messages)
                except Exception:
                    _log.failure("what was said to all did not reach one of them")
            elif transport in members:
                self.catchUp(transport)

    def _forget(self, end: int) -> None:
        """All were told the first so many lines."""
        del self.waiting[:end]
        for encoded in self._encoded.values():
            del encoded[:end]
        if not self.waiting:
            self._encoded.clear()
        self._told = {each: count - end for each, count in self._told.items() if count > end}
        self._size = sum(len(line.text) + _OVERHEAD for line in self.waiting)
