"""What stands between the stream of events and somebody slow: the server never waits."""

from __future__ import annotations

from threading import Condition
from typing import Final

from .events import Event

_OVERHEAD: Final = 200
"""Bytes that a waiting event costs beside its payload."""


class Inbox:
    """Keeps events for somebody slow, such as a thread that writes a file: an observer that never waits.

    What does not fit is lost, and counted.
    """

    def __init__(self, size: int) -> None:
        """@param size: bytes that may wait, with 200 for each event."""
        self._limit = size
        self._changed = Condition()
        self._waiting: list[tuple[Event, float]] = []
        self._size = 0
        self._lost = 0
        self._woken = False
        self.lost = 0
        """How many events were lost so far."""

    def put(self, event: Event, time: float) -> None:
        """Have an event wait, if there is room.

        @param time: when it happened.
        """
        payload: bytes = getattr(event, "payload", getattr(event, "data", b""))
        size = len(payload) + _OVERHEAD
        with self._changed:
            if self._size + size > self._limit:
                self._lost += 1
                self.lost += 1
                return
            self._waiting.append((event, time))
            self._size += size
            if len(self._waiting) == 1:
                self._changed.notify()

    def wake(self) -> None:
        """Have `take` return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, seconds: float | None = None) -> tuple[list[tuple[Event, float]], int]:
        """Give what has waited, each with its time, and how many were lost after those.

        @param seconds: how long to wait for the first one; None: until it comes, or `wake` is called.
        """
        with self._changed:
            if not (self._waiting or self._lost or self._woken):
                self._changed.wait(seconds)
            self._woken = False
            waiting, self._waiting = self._waiting, []
            lost, self._lost = self._lost, 0
            self._size = 0
            return waiting, lost
