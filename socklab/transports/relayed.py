"""A protocol's own producer, which is paused with the peer."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log: Final = Logger(namespace="socklab")

_NEXT_TURN: Final = 1e-8
"""Seconds: in the reactor's next turn; more than 0 because a clock in memory runs all that is due at once."""


class Relayed:
    """Passes on to a producer when its peer does not read, and when it has."""

    __slots__ = ("_clock", "_isPaused", "_pulling", "_streaming", "producer")

    def __init__(self, producer: Any, streaming: bool, clock: IReactorTime, isPaused: bool) -> None:
        """@param streaming: whether it produces of itself (`IPushProducer`), or waits to be asked
        (`IPullProducer`).
        @param isPaused: whether its peer does not read now.
        """
        self.producer = producer
        self._streaming = streaming
        self._clock = clock
        self._isPaused = isPaused
        self._pulling: IDelayedCall | None = None

    def begin(self) -> None:
        """Have it begin, or wait."""
        if not self._streaming:
            self._pull()
        elif self._isPaused:
            self.producer.pauseProducing()

    def pause(self) -> None:
        """The peer does not read."""
        self._isPaused = True
        if self._streaming:
            self.producer.pauseProducing()

    def resume(self) -> None:
        """The peer has read."""
        self._isPaused = False
        if self._streaming:
            self.producer.resumeProducing()
        elif self._pulling is None:
            self._pull()

    def _pull(self) -> None:
        """Ask it once a turn for as long as the peer reads."""
        self._pulling = None
        if not self._isPaused:
            self._pulling = self._clock.callLater(_NEXT_TURN, self._pull)
            self.producer.resumeProducing()

    def leave(self) -> None:
        """Tell it nothing more."""
        if self._pulling is not None:
            self._pulling.cancel()
            self._pulling = None

    def stop(self) -> None:
        """Tell it to end, and nothing more."""
        self.leave()
        try:
            self.producer.stopProducing()
        except Exception:
            _log.failure("a protocol's producer failed as it was stopped")
