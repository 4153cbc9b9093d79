"""A protocol that has yet to finish with a message, and what waits until it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import Deferred

_OVERHEAD: Final = 100
"""Bytes that a waiting message costs beside its payload: an endless row of empty ones must fill the queue too."""


class Pending:
    """The result that a protocol's handler has promised, and the messages that came meanwhile.

    It exists only while there is one: a protocol whose handlers return None never has it.
    """

    def __init__(self) -> None:
        self.result: Deferred[Any] | None = None
        """What is waited for; None while the messages behind it are handed over."""
        self.messages: deque[tuple[bytes, bool]] = deque()
        self.size = 0
        """What `messages` cost, in bytes."""
        self.afterwards: list[Callable[[], object]] = []
        """What shall be done when nothing is left to wait for."""
        self.delivering = False
        self.began = 0.0
        """When the message came to the protocol, of `perf_counter`; 0 where nobody wants to know."""

    def put(self, payload: bytes, isBinary: bool) -> None:
        """Have a message wait."""
        self.messages.append((payload, isBinary))
        self.size += len(payload) + _OVERHEAD

    def take(self) -> tuple[bytes, bool]:
        """Give the message that has waited longest."""
        payload, isBinary = self.messages.popleft()
        self.size -= len(payload) + _OVERHEAD
        return payload, isBinary

    def forget(self) -> None:
        """Drop what waits."""
        self.messages.clear()
        self.size = 0

    def cancel(self) -> None:
        """Nobody is interested in the result any more."""
        if self.result is not None:
            self.result.cancel()


def deferredOf(result: object) -> Deferred[Any]:
    """Give what a handler returned as a Deferred; a coroutine begins to run.

    @raise TypeError: it is nothing that can be awaited.
    """
    if isinstance(result, Deferred):
        return result
    if iscoroutine(result):
        return Deferred.fromCoroutine(result)
    raise TypeError(f"expected None, a coroutine or a Deferred from the protocol, got {result!r}")
