"""One turn of the loop: which connection is being served, and who has something left to send at its end."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from typing import Any
from typing import Protocol as TypingProtocol


class Settled(TypingProtocol):
    """What has something to do at the end of the turn."""

    def settle(self) -> None:
        """Send what was written, and close or go on."""

    def logPrefix(self) -> str:
        """Who it is, as Twisted's log calls it."""


class Turn:
    """What all connections of a reactor share within a turn of its loop."""

    __slots__ = ("_loop", "_settling", "_unsettled", "serving")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._settling: deque[Settled] = deque()
        self._unsettled: list[Settled] = []
        self.serving: Settled | None = None
        """Whose protocol is running: it is settled as soon as that returns."""

    def settleLater(self, connection: Settled) -> None:
        """Have a connection settled when all that is read in this turn was handled."""
        if not self._unsettled:
            self._loop.call_soon(self._end)
        self._unsettled.append(connection)

    def settle(self) -> bool:
        """Settle all of them now, so that what goes straight to a socket overtakes nothing.

        @return: False while one is being served, whose end that is not.
        """
        if self.serving is not None:
            return False
        self._end()
        return True

    def _end(self) -> None:
        settling = self._settling
        settling += self._unsettled
        self._unsettled.clear()
        # Whoever is settled may call a protocol that has all settled: then those who are behind it, too.
        while settling:
            settling.popleft().settle()


class LogContext(dict[str, Any]):
    """Twisted's context of legacy log lines, whose `system` is the connection that is being served.

    Twisted itself makes a context for each event, which costs as much as a read from a socket.
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__(isError=0, system="-")
        self._turn = turn

    def __getitem__(self, key: str) -> Any:
        serving = self._turn.serving
        return serving.logPrefix() if key == "system" and serving is not None else super().__getitem__(key)

    def copy(self) -> dict[str, Any]:
        """Give what holds for this line."""
        return {**dict.copy(self), "system": self["system"]}
