"""What one peer has yet to read, and how much of it may wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from .serving import Serving

_CHUNK: Final = 64 * 1024


class Backlog:
    """What waits for a peer to read. It is made when something does."""

    __slots__ = ("_overflow", "_serving", "_softTimer", "_waiting", "size")

    def __init__(self, serving: Serving, overflow: Callable[[str], None]) -> None:
        """@param overflow: called with the reason when more waits than may."""
        self._serving = serving
        self._overflow = overflow
        self._waiting: deque[bytes] = deque()
        self._softTimer: IDelayedCall | None = None
        self.size = 0
        """Bytes."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, data: bytes, bounded: bool) -> None:
        """Have something more wait, unless more waits already than may."""
        limits = self._serving.limits
        if bounded and self.size > limits.pending:
            self._overflow(f"more than {limits.pending} bytes were waiting for it")
            return
        self._waiting.append(data)
        self.size += len(data)
        if self._softTimer is None and self.size > limits.pending_soft:
            self._softTimer = self._serving.clock.callLater(limits.pending_seconds, self._tooLong)

    def _tooLong(self) -> None:
        self._softTimer = None
        limits = self._serving.limits
        soft, seconds = limits.pending_soft, limits.pending_seconds
        self._overflow(f"more than {soft} bytes were waiting for it for {seconds:g} s")

    def take(self) -> bytes:
        """Give the first of it, about 64 KiB."""
        waiting = self._waiting
        chunk = [waiting.popleft()]
        size = len(chunk[0])
        while waiting and size < _CHUNK:
            chunk.append(waiting.popleft())
            size += len(chunk[-1])
        self.size -= size
        if self.size <= self._serving.limits.pending_soft:
            self._stopTimer()
        return b"".join(chunk)

    def _stopTimer(self) -> None:
        if self._softTimer is not None:
            self._softTimer.cancel()
            self._softTimer = None

    def forget(self) -> None:
        """Drop it."""
        self._waiting.clear()
        self.size = 0
        self._stopTimer()
