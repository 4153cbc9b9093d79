"""A connection whose every byte is kept, and waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred

from ..client import Address, Connection, End, Settings, connect
from ..client.tls import ClientTls

QUIET: Final = 0.2
"""Seconds of silence after which an answer counts as whole."""
KEPT: Final = 1024 * 1024
"""Bytes of an answer that are kept."""


class Talk:
    """Keeps what comes (`seam.Receiver`)."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.heard = bytearray()
        self.end: End | None = None
        self.connection: Connection
        self._changed: Deferred[None] | None = None

    @classmethod
    async def begin(cls, reactor: Any, address: Address, settings: Settings, tls: ClientTls | None = None) -> Talk:
        """Connect.

        @raise ConnectError: it cannot.
        """
        talk = cls(reactor)
        talk.connection = await connect(reactor, address, talk, settings, tls)
        return talk

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Keep it."""
        self.heard += payload[: KEPT - len(self.heard)]
        self._tell()

    def ended(self, end: End) -> None:
        """Nothing more comes."""
        self.end = end
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.callback(None)

    async def _change(self, seconds: float) -> bool:
        """Wait until something comes; False if nothing does."""
        self._changed = Deferred()
        waited = self._changed

        def tooLate(result: object, timeout: float) -> None:
            raise TimeoutError

        try:
            await waited.addTimeout(seconds, self._reactor, tooLate)
        except TimeoutError:
            self._changed = None
            return False
        return True

    async def answer(self, seconds: float, size: int = 0) -> bytes:
        """Give what comes next: until silence, the end, so many bytes, or until it has taken too long."""
        deadline = self._reactor.seconds() + seconds
        while self.end is None and (not size or len(self.heard) < size):
            left = deadline - self._reactor.seconds()
            patience = min(left, QUIET) if self.heard and not size else left
            if patience <= 0 or not await self._change(patience):
                break
        taken = bytes(self.heard)
        self.heard.clear()
        return taken

    async def over(self, seconds: float) -> End | None:
        """Give how it ends; None if it does not in time."""
        deadline = self._reactor.seconds() + seconds
        while self.end is None and (left := deadline - self._reactor.seconds()) > 0:
            await self._change(left)
        return self.end

    async def leave(self) -> None:
        """End it, whatever the other side does."""
        if self.end is None:
            self.connection.abort()
            await self.over(1)


def at(address: Address, ip: str) -> Address:
    """Give the same address with the host's IP address for its name."""
    return replace(address, host=ip)
