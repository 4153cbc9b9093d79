"""What is owed to one peer: backpressure and its bound, once for all connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IDelayedCall, INegotiated, IPullProducer, IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from ..message import Encoded
from .serving import Serving

_log = Logger(namespace="socklab")

_CHUNK = 64 * 1024
_PATIENCE = 256 * 1024
# Seconds: in the reactor's next turn. It is more than 0 because a clock in memory runs all that is due at once.
_NEXT_TURN = 1e-8


class Owner(TypingProtocol):
    """The connection whose output it is."""

    def sendJoined(self, wire: bytes, messages: Sequence[Encoded]) -> None:
        """Send messages that were joined."""

    def outputPaused(self) -> None:
        """The peer reads more slowly than it is written to: stop making it more."""

    def outputResumed(self) -> None:
        """The peer has read what was waiting."""

    def outputOverflowed(self, why: str) -> None:
        """What was waiting exceeded a limit, said in words; abort."""


class Following(TypingProtocol):
    """What is said to many of whom the peer is one, and reaches it a turn later (`socklab.rooms`)."""

    waiting: Sequence[object]
    """Empty, unless something has yet to reach somebody."""

    def catchUp(self, transport: Any) -> None:
        """Send a peer what has yet to reach it."""


@implementer(IPushProducer)
class Output:
    """Writes to a transport while that takes it, keeps a bounded rest, and closes without losing any of it.

    It is the transport's only producer. Twisted's transport pauses its producer at 64 KiB and resumes it when
    all of that is gone; without a bound here, what is written meanwhile would grow for ever (twisted#3682).
    """

    # Thousands of idle connections have one each: a dict or a callback would cost as much as all of this.
    __slots__ = (
        "_blocked",
        "_following",
        "_inputOver",
        "_owner",
        "_patience",
        "_producer",
        "_pulling",
        "_pulls",
        "_serving",
        "_softTimer",
        "_timer",
        "_transport",
        "_waiting",
        "closing",
        "paused",
        "size",
        "way",
    )

    def __init__(self, transport: Any, serving: Serving, owner: Owner) -> None:
        """@param serving: has the clock; the limits, which say how many bytes may wait here for the peer
        (`pending`: a write that finds more is the last one; `pending_soft`, for `pending_seconds`); and
        `closeTimeout`, the seconds from `close` until the connection is aborted.
        """
        self._transport = transport
        self._serving = serving
        self._owner = owner
        self._waiting: deque[bytes] | None = None
        self.size = 0
        """Bytes that wait here for the peer to read."""
        self._blocked = False
        self._following: Following | None = None
        self._inputOver = False
        self._patience: int | None = None
        self._timer: IDelayedCall | None = None
        self._softTimer: IDelayedCall | None = None
        self._producer: IPushProducer | IPullProducer | None = None
        self._pulls = False
        self._pulling: IDelayedCall | None = None
        self.paused = False
        """Whether the peer is reading more slowly than it is written to."""
        self.closing = False
        self.way: Any = transport
        """The transport, while nothing stands between it and what is written; one look at this is what the bounds
        cost most messages."""
        transport.registerProducer(self, True)

    def write(self, data: bytes, bounded: bool = True) -> None:
        """Send, now or when the peer has read what was sent before; nothing after `close`.

        @param bounded: False for what must be sent however much is waiting, such as WebSocket's close frame.
        """
        way = self.way
        if way is not None:
            way.write(data)
            return
        self._catchUp()
        self.add(data, bounded)

    def add(self, data: bytes, bounded: bool = True) -> None:
        """Do what `write` does, with what was said to all."""
        if self.closing:
            return
        if not self._blocked:
            self._transport.write(data)
            return
        if bounded and self.size > self._serving.limits.pending:
            self._overflow(f"more than {self._serving.limits.pending} bytes were waiting for it")
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(data)
        self.size += len(data)
        if self._softTimer is None and self.size > self._serving.limits.pending_soft:
            self._softTimer = self._serving.clock.callLater(self._serving.limits.pending_seconds, self._tooLong)

    def follow(self, following: Following) -> bool:
        """From now on what is said to all comes before what is written here; False when another's does already."""
        if self._following is not None:
            return False
        self._following = following
        self.way = None
        return True

    def unfollow(self) -> None:
        """Nothing more is said to all."""
        self._following = None
        self._settle()

    def _catchUp(self) -> None:
        following = self._following
        if following is not None and following.waiting:
            following.catchUp(self._owner)

    def _settle(self) -> None:
        """Something that `way` depends on has changed."""
        free = not (self.closing or self._blocked or self._waiting or self._following)
        self.way = self._transport if free else None

    def _overflow(self, why: str) -> None:
        self._waiting = None
        self.size = 0
        self.closing = True
        self.way = None
        self._owner.outputOverflowed(f"it did not read: {why}")

    def _tooLong(self) -> None:
        self._softTimer = None
        limits = self._serving.limits
        soft, seconds = limits.pending_soft, limits.pending_seconds
        self._overflow(f"more than {soft} bytes were waiting for it for {seconds:g} s")

    def _stopSoftTimer(self) -> None:
        if self._softTimer is not None:
            self._softTimer.cancel()
            self._softTimer = None

    def pauseProducing(self) -> None:
        """The transport's buffer is full (`IPushProducer`); Twisted says it again at each write."""
        self._blocked = True
        self.way = None
        if not self.paused:
            self.paused = True
            self._owner.outputPaused()
            if self._producer is not None and not self._pulls:
                self._producer.pauseProducing()  # type: ignore[union-attr]

    def resumeProducing(self) -> None:
        """The transport's buffer is empty (`IPushProducer`)."""
        self._blocked = False
        waiting = self._waiting
        while waiting and not self._blocked:
            chunk = [waiting.popleft()]
            size = len(chunk[0])
            while waiting and size < _CHUNK:
                chunk.append(waiting.popleft())
                size += len(chunk[-1])
            self.size -= size
            self._transport.write(b"".join(chunk))
        if self._softTimer is not None and self.size <= self._serving.limits.pending_soft:
            self._stopSoftTimer()
        if self._waiting:
            return
        self._waiting = None
        if self.closing:
            self._finish()
        elif not self._blocked:
            self.paused = False
            self._settle()
            self._owner.outputResumed()
            if self._producer is not None:
                if not self._pulls:
                    self._producer.resumeProducing()
                elif self._pulling is None:
                    self._pull()

    def stopProducing(self) -> None:
        """The connection is gone (`IPushProducer`); its adapter is told by `connectionLost`."""

    def inputOver(self) -> None:
        """The peer has said that it will send nothing more."""
        self._inputOver = True
        if self._timer is not None and not self._waiting:
            self._transport.loseConnection()

    def ignored(self, size: int) -> None:
        """So many bytes have come that nobody wants any more."""
        if self._patience is not None:
            self._patience -= size
            if self._patience < 0:
                self.abort()

    def close(self, patient: bool = True) -> None:
        """Send what is owed, then end our side, and hear the peer out for a while.

        Closing a socket with unread input makes the kernel send RST, which also takes from the peer what it
        has not read yet: so FIN first, then read and ignore until the peer's own.

        @param patient: whether to ignore any amount until then. Who was cut for sending too much may send
            256 KiB more, lest it goes on for ever.
        """
        self._catchUp()
        if self.closing:
            return
        self.closing = True
        self.way = None
        if not patient:
            self._patience = _PATIENCE
        self._stopProducer()
        self._timer = self._serving.clock.callLater(self._serving.closeTimeout, self.abort)
        if not self._waiting:
            self._finish()

    def _finish(self) -> None:
        transport: Any = self._transport
        transport.unregisterProducer()
        if (
            self._inputOver
            # TLS has its own farewell, close_notify, and Twisted waits for the peer's.
            or INegotiated.providedBy(transport)
            or not hasattr(transport, "loseWriteConnection")
        ):
            transport.loseConnection()
        else:
            transport.loseWriteConnection()
        if not self._inputOver:
            transport.resumeProducing()

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        self.way = None
        self._stopSoftTimer()
        self._transport.abortConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self.closing = True
        self.way = None
        self._waiting = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._stopSoftTimer()
        self._stopProducer()

    def registerProducer(self, producer: IPushProducer | IPullProducer, streaming: bool) -> None:
        """Pass pause and resume on to a protocol's own producer (`IConsumer`)."""
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is still registered")
        if self.closing:
            producer.stopProducing()
            return
        self._producer = producer
        self._pulls = not streaming
        if self._pulls:
            self._pull()
        elif self.paused:
            producer.pauseProducing()  # type: ignore[union-attr]

    def unregisterProducer(self) -> None:
        """The protocol's producer is done (`IConsumer`)."""
        self._producer = None
        self._pulls = False
        if self._pulling is not None:
            self._pulling.cancel()
            self._pulling = None

    def _pull(self) -> None:
        """Ask a producer that waits to be asked (`IPullProducer`), once a turn for as long as the peer reads."""
        self._pulling = None
        if self._producer is not None and not self.paused:
            self._pulling = self._serving.clock.callLater(_NEXT_TURN, self._pull)
            self._producer.resumeProducing()

    def _stopProducer(self) -> None:
        producer = self._producer
        self.unregisterProducer()
        if producer is not None:
            try:
                producer.stopProducing()
            except Exception:
                _log.failure("a protocol's producer failed as it was stopped")
