"""The client's side of a record, played again to a server, and what comes back compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError

from ..client import Address, Connection, End, Settings, connect
from .script import Message, Part, Script, Step

_SETTLED: Final = 0.2
"""Seconds in which a server may still say what it should not."""
_SURPLUS: Final = 1024 * 1024
"""Bytes beyond those of the record that are kept of an answer."""


class Voice:
    """One conversation, played (`socklab.client.Receiver`)."""

    def __init__(self, part: Part, isStream: bool) -> None:
        self.part = part
        self._isStream = isStream
        self._limit = sum(len(each.payload) for each in part.heard) + _SURPLUS
        self._size = 0
        self._due = 0
        self._waiting: Deferred[None] | None = None
        self._over: list[Deferred[None]] = []
        self.heard: list[Message] = []
        self.sent = 0
        self.finished = False
        """Whether we have said that no more comes."""
        self.late = False
        """Whether what should have come has not, for as long as it may take."""
        self.end: End | None = None
        self.connection: Connection | None = None

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Take what came."""
        self._size += len(payload)
        if self._size <= self._limit:
            self.heard.append(Message(payload, isBinary))
        self._look()

    def ended(self, end: End) -> None:
        """Nothing more comes."""
        self.end = end
        self._look()
        over, self._over = self._over, []
        for each in over:
            each.callback(None)

    def expect(self, message: Message) -> None:
        """One more of what was recorded should have come by now."""
        self._due += len(message.payload) if self._isStream else 1

    @property
    def isDue(self) -> bool:
        """Whether something has yet to come."""
        return (self._size if self._isStream else len(self.heard)) < self._due and self.end is None

    def _look(self) -> None:
        if self._waiting is not None and not self.isDue:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    def hasCome(self) -> Deferred[None]:
        """Give what fires when all that is expected so far has come, or nothing more can."""
        came: Deferred[None] = Deferred()
        if self.isDue:
            self._waiting = came
        else:
            came.callback(None)
        return came

    def isOver(self) -> Deferred[None]:
        """Give what fires when it has ended."""
        over: Deferred[None] = Deferred()
        if self.end is None and self.connection is not None:
            self._over.append(over)
        else:
            over.callback(None)
        return over

    def difference(self, ignored: Sequence[re.Pattern[bytes]]) -> str | None:
        """Say in what the answers are not those of the record; None when they are the same.

        @param ignored: what may differ: it is left out of both.
        """
        wanted, got = self.part.heard, self.heard
        if self._isStream:
            one, other = (_without(b"".join(each.payload for each in all_), ignored) for all_ in (wanted, got))
            return None if one == other else _bytes(one, other)
        for number, (one_, other_) in enumerate(zip(wanted, got, strict=False), 1):
            if one_.isBinary is not None and one_.isBinary != other_.isBinary:
                kinds = {False: "text", True: "binary"}
                return f"message {number}: expected {kinds[one_.isBinary]}, got {kinds[bool(other_.isBinary)]}"
            one, other = _without(one_.payload, ignored), _without(other_.payload, ignored)
            if one != other:
                return f"message {number}: {_bytes(one, other)}"
        if len(wanted) != len(got):
            return f"expected {len(wanted)} messages, got {len(got)}"
        return None


def _without(data: bytes, ignored: Sequence[re.Pattern[bytes]]) -> bytes:
    for each in ignored:
        data = each.sub(b"", data)
    return data


def _bytes(wanted: bytes, got: bytes) -> str:
    """Say where bytes differ first."""
    at = next((i for i, (one, other) in enumerate(zip(wanted, got, strict=False)) if one != other), None)
    if at is None:
        at = min(len(wanted), len(got))
        return f"expected {len(wanted)} B, got {len(got)} B" + (", the same so far" if at else "")
    start = max(0, at - 10)
    return f"byte {at + 1}: expected {_around(wanted, start)}, got {_around(got, start)}"


def _around(data: bytes, start: int) -> str:
    from ..text import quoted

    return ("..." if start else "") + quoted(data[start : start + 40]) + ("..." if len(data) > start + 40 else "")


class Replay:
    """Plays a script to a server."""

    def __init__(
        self, reactor: Any, address: Address, settings: Settings, script: Script, fast: bool, wait: float
    ) -> None:
        """@param fast: whether to wait for no time that went by, only for the answers that had come by then.
        @param wait: seconds that an answer may take.
        """
        self._reactor = reactor
        self._address = address
        self._settings = settings
        self._script = script
        self._fast = fast
        self._wait = wait
        self.voices = {
            number: Voice(part, script.kind == "stream") for number, part in sorted(script.parts.items())
        }

    async def run(self) -> None:
        """Play all of it, and wait for the last answers.

        @raise socklab.client.ConnectError: a connection cannot be made.
        """
        began = self._reactor.seconds()
        steps = self._script.steps
        try:
            for step in steps:
                left = 0 if self._fast else step.time - steps[0].time - (self._reactor.seconds() - began)
                if left > 0:
                    await _sleep(self._reactor, left)
                await self._do(step, self.voices[step.number])
            for voice in self.voices.values():
                await self._heard(voice)
                if voice.part.closedBy == "server" and self._script.kind != "udp":
                    await self._bounded(voice.isOver())
            await _sleep(self._reactor, _SETTLED)
        finally:
            for voice in self.voices.values():
                if voice.connection is not None and voice.end is None:
                    voice.connection.close()
        for voice in self.voices.values():
            if not await self._bounded(voice.isOver()) and voice.connection is not None:
                voice.connection.abort()

    async def _do(self, step: Step, voice: Voice) -> None:
        if voice.connection is None:
            voice.connection = await connect(self._reactor, self._address, voice, self._settings)
        connection = voice.connection
        if step.what == "hear":
            voice.expect(step.message)
            return
        # Whoever speaks now had heard all that was said before, and so had the others.
        if self._fast:
            for each in self.voices.values():
                await self._heard(each)
        match step.what:
            case "send":
                voice.sent += 1
                payload, isBinary = step.message.payload, step.message.isBinary
                connection.send(payload, not _isText(payload) if isBinary is None else isBinary)
            case "finish":
                voice.finished = connection.finish()
            case "close" if not voice.finished:
                await self._heard(voice)
                connection.close()

    async def _heard(self, voice: Voice) -> None:
        """Wait for what should have come; not again for a server that has let us wait in vain."""
        if not voice.late:
            voice.late = not await self._bounded(voice.hasCome())

    async def _bounded(self, waited: Deferred[None]) -> bool:
        """Wait as long as an answer may take; False if that was too short."""
        try:
            await waited.addTimeout(self._wait, self._reactor)
        except TimeoutError:
            return False
        return True


def _isText(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sleep(reactor: Any, seconds: float) -> Deferred[None]:
    slept: Deferred[None] = Deferred()
    reactor.callLater(seconds, slept.callback, None)
    return slept
