"""Peers who are told the same: a line is encoded once, and the lines of two turns are one write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.logger import Logger

from ..message import Encoded, IMessageTransport, encodeText, sendToAll
from .company import Company, Straight

if TYPE_CHECKING:
    from ..transports.output import Through

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

    What is said in a turn of the reactor, and in the next one if many speak, leaves then, joined once for all
    peers of a wire format: a line costs the same however many hear it, and each of them costs one write. Who is
    sent something of its own meanwhile is first sent what was said before. Nobody is waited for: a peer that reads
    too slowly is cut by its limits.
    """

    def __init__(self) -> None:
        # Of the reactor, which all members share.
        self._settle: Callable[[], bool] = _settled
        self._soon: Any = None
        self._afterwards: Any = None
        self._together: dict[Hashable, Company] = {}
        self._alone: dict[IMessageTransport, None] = {}
        self._due = False
        self._isLone = False
        """Whether one line was all that was told the last time."""
        self._flushing = False
        self._straight: list[Straight] = []
        self._end = 0
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
        clock = transport.clock
        self._settle = getattr(clock, "settle", _settled)
        self._soon = getattr(clock, "soon", None) or partial(clock.callLater, 0)
        self._afterwards = getattr(clock, "afterwards", self._soon)
        self._companyOf(transport).add(transport)
        if self.waiting:
            self._stopStraight()
            self._told[transport] = len(self.waiting)
        return True

    def discard(self, transport: IMessageTransport) -> None:
        """Have a peer hear what was said so far, and no more."""
        self._alone.pop(transport, None)
        if self._hears(transport):
            self.catchUp(transport)
            company = self._companyOf(transport)
            company.discard(transport)
            if not company:
                del self._together[_kindOf(transport)]
            transport.unfollow()  # type: ignore[attr-defined]

    def _companyOf(self, transport: IMessageTransport) -> Company:
        kind = _kindOf(transport)
        company = self._together.get(kind)
        if company is None:
            company = self._together[kind] = Company(transport)
        return company

    def _hears(self, transport: IMessageTransport) -> bool:
        return transport in self._together.get(_kindOf(transport), ())

    # What the transports of members tell (`Following`)

    def quicken(self, transport: Any, through: Through) -> None:
        """Nothing stands between a member and what writes to it."""
        self._stopStraight()
        self._companyOf(transport).quicken(transport, through)

    def slacken(self, transport: Any, ended: bool = False) -> None:
        """Something does: what is said must wait, or a limit may be exceeded.

        @param ended: whether nothing reaches it any more.
        """
        if ended:
            self._stopStraight()
        company = self._together.get(_kindOf(transport))
        if company is not None:
            company.slacken(transport)

    # What is said

    def send(self, text: str, without: IMessageTransport | None = None) -> None:
        """Tell all one text message.

        What a peer's encoding lacks becomes `?`. Who listens in a framing that cannot carry this does without.

        @param without: who is not told.
        @raise TypeError: it is no text.
        """
        if not isinstance(text, str):
            # In the turn in which all are told nobody would know any more who has said it.
            raise TypeError(f"expected a str to tell all, got {text!r}")
        if self._alone:
            self._sendAlone(text, without)
        if self._together:
            self.waiting.append(_Line(text, without))
            self._size += len(text) + _OVERHEAD
            if not self._due:
                self._due = True
                if self._isLone:
                    self._afterwards(self._turnEnds)
                else:
                    self._soon(self._turnBegins)
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
        self._stopStraight()
        self._tellUpTo(transport, len(self.waiting))

    def _tellUpTo(self, transport: IMessageTransport, end: int) -> None:
        begin = self._told.get(transport, 0)
        if begin < end:
            self._told[transport] = end
            lines = zip(self.waiting[begin:end], self._inFormatOf(transport)[begin:end], strict=True)
            messages = [each for line, each in lines if each is not None and line.without is not transport]
            if messages:
                _send(transport, b"".join([each.wire for each in messages]), messages)

    def _inFormatOf(self, transport: IMessageTransport) -> list[Encoded | None]:
        """Give all that waits as a member's wire format has it; None is what it cannot carry."""
        encoded = self._encoded.setdefault(transport.wireFormat, [])
        encoded += [_encode(transport, line.text) for line in self.waiting[len(encoded) :]]
        return encoded

    def _turnBegins(self) -> None:
        # Speakers answer one another: the first has its read when the others have yet to write. One turn more
        # costs a few us, and 4 who speak to 100 have 1.6 times as much said in a second. Who speaks alone has
        # nobody to wait for.
        self._soon(self._turnEnds)

    def _turnEnds(self) -> None:
        self._due = False
        self._flush()

    def _flush(self) -> None:
        """Tell each member what it was not yet told.

        To be told something may make a protocol send, say, come or go: `_told`, with what `_stopStraight` adds to
        it, is then right at every moment.
        """
        if self._flushing or not self.waiting:
            return
        self._flushing = True
        self._end = len(self.waiting)
        self._isLone = self._end == 1
        for speaker in {line.without for line in self.waiting}:
            # Its own lines are left out.
            if speaker is not None and self._hears(speaker):
                self._tellUpTo(speaker, self._end)
        # What is written straight must not overtake what was written to anybody in this turn.
        isClear = self._settle()
        for company in [*self._together.values()]:
            if company:
                self._flushTo(company, isClear)
        self._flushing = False
        self._straight.clear()
        self._forget(self._end)

    def _flushTo(self, company: Company, isClear: bool) -> None:
        told, end = self._told, self._end
        messages = [each for each in self._inFormatOf(company.anyone)[:end] if each is not None]
        if not messages:
            return
        joined = b"".join([each.wire for each in messages])
        rest: list[Any] = []
        if not (isClear and not company.isWatched and self._sayStraight(company, joined, messages)):
            rest += [each for each in company.quick if each not in told]
        # Who was told in part comes last, however the others are told.
        rest += [*company.slow, *(each for each, count in told.items() if count < end)]
        if rest:
            self._stopStraight()
        for transport in rest:
            if transport not in told:
                told[transport] = end
                _send(transport, joined, messages)
            elif transport in company:
                self._tellUpTo(transport, end)

    def _sayStraight(self, company: Company, joined: bytes, messages: list[Encoded]) -> bool:
        """Write to all at once whom nothing stands before; False when something came between."""
        straight = Straight(company, self._told)
        self._straight.append(straight)
        straight.say(joined)
        company.went(messages, straight.count)
        return not straight.isStopped

    def _stopStraight(self) -> None:
        """Somebody's doings depend on who was told: from here to the end, each is told by itself."""
        for straight in self._straight:
            self._told.update(dict.fromkeys(straight.stop(), self._end))
        self._straight.clear()

    def _forget(self, end: int) -> None:
        """All were told the first so many lines."""
        del self.waiting[:end]
        for encoded in self._encoded.values():
            del encoded[:end]
        if not self.waiting:
            self._encoded.clear()
        self._told = {each: count - end for each, count in self._told.items() if count > end}
        self._size = sum(len(line.text) + _OVERHEAD for line in self.waiting)


def _encode(transport: IMessageTransport, text: str) -> Encoded | None:
    """Give a line as a wire format has it; None when its framing, which may be anybody's, cannot carry it."""
    try:
        return encodeText(transport, text)
    except Exception:
        _log.failure("what was said to all did not reach those of one wire format")
        return None


def _send(transport: Any, wire: bytes, messages: Sequence[Encoded]) -> None:
    """Send one member what was said; that it fails must not keep it from the others."""
    try:
        transport.sendJoined(wire, messages)
    except Exception:
        _log.failure("what was said to all did not reach one of them")


def _settled() -> bool:
    """Nothing waits for the end of a turn on reactors that do not have it so."""
    return True


def _kindOf(transport: Any) -> Hashable:
    """Give what two members share whose lines are the same bytes, and are counted together."""
    # Who is always told alone has no listener.
    return transport.wireFormat, getattr(transport, "listener", None)
