"""What is owed to one peer: backpressure and its bound, once for all connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import INegotiated, IPullProducer, IPushProducer
from zope.interface import implementer

from ..alarms import AlarmQueue
from ..message import Encoded
from .backlog import Backlog
from .relayed import Relayed
from .serving import Serving

_PATIENCE = 256 * 1024


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


class Through(TypingProtocol):
    """What writes to a transport at once."""

    @property
    def send(self) -> Callable[[bytes], int | None]:
        """Send, and give how many bytes were taken; None for all of them. What raises OSError has taken none."""

    def put(self, data: bytes | memoryview) -> None:
        """Send what `send` has not taken, now or when the peer has read; bytes if it has taken none."""


class Following(TypingProtocol):
    """What is said to many of whom the peer is one, and reaches it a turn later (`socklab.rooms`)."""

    waiting: Sequence[object]
    """Empty, unless something has yet to reach somebody."""

    def catchUp(self, transport: Any) -> None:
        """Send a peer what has yet to reach it."""

    def quicken(self, transport: Any, through: Through) -> None:
        """Nothing stands between a peer and what writes to it."""

    def slacken(self, transport: Any, ended: bool = False) -> None:
        """Something does.

        @param ended: whether nothing reaches it any more.
        """


class _Written:
    """Writes to a transport as ever."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def send(self, data: bytes | memoryview) -> None:
        """Send, now or when the peer has read."""
        self._transport.write(data)

    put = send


def _throughOf(transport: Any) -> Through:
    """Give what writes to a transport at once, if it has such a thing, or what writes to it as ever."""
    # Of the class: TLS passes what it has not itself on to the connection below, where nothing is encrypted.
    through = getattr(type(transport), "through", None)
    found: Through | None = None if through is None else through(transport)
    return _Written(transport) if found is None else found


@implementer(IPushProducer)
class Output:
    """Writes to a transport while that takes it, keeps a bounded rest, and closes without losing any of it.

    It is the transport's only producer. Twisted's transport pauses its producer at 64 KiB and resumes it when
    all of that is gone; without a bound here, what is written meanwhile would grow for ever (twisted#3682).
    """

    # Thousands of idle connections have one each: a dict or a callback would cost as much as all of this.
    __slots__ = (
        "_backlog",
        "_blocked",
        "_closes",
        "_following",
        "_inputOver",
        "_owner",
        "_patience",
        "_relayed",
        "_serving",
        "_transport",
        "closing",
        "paused",
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
        self._backlog: Backlog | None = None
        self._blocked = False
        self._following: Following | None = None
        self._inputOver = False
        self._patience: int | None = None
        self._closes: AlarmQueue | None = None
        self._relayed: Relayed | None = None
        self.paused = False
        """Whether the peer is reading more slowly than it is written to."""
        self.closing = False
        self.way: Any = transport
        """The transport, while nothing stands between it and what is written; one look at this is what the bounds
        cost most messages."""
        transport.registerProducer(self, True)

    @property
    def size(self) -> int:
        """Bytes that wait here for the peer to read."""
        return self._backlog.size if self._backlog is not None else 0

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
        if self._backlog is None:
            self._backlog = Backlog(self._serving, self._overflow)
        self._backlog.add(data, bounded)

    def follow(self, following: Following) -> bool:
        """From now on what is said to all comes before what is written here; False when another's does already."""
        if self._following is not None:
            return False
        self._following = following
        self._settle()
        return True

    def unfollow(self) -> None:
        """Nothing more is said to all."""
        following, self._following = self._following, None
        if following is not None and not self.closing:
            following.slacken(self._owner, ended=True)
        self._settle()

    def _catchUp(self) -> None:
        following = self._following
        if following is not None and following.waiting and not self.closing:
            following.catchUp(self._owner)

    def _settle(self) -> None:
        """Something that `way` depends on has changed."""
        isFree = not (self.closing or self._blocked or self._backlog)
        following = self._following
        self.way = self._transport if isFree and following is None else None
        if isFree and following is not None:
            following.quicken(self._owner, _throughOf(self._transport))

    def _end(self) -> None:
        """Nothing more is written."""
        if self.closing:
            return
        self.closing = True
        self.way = None
        if self._following is not None:
            self._following.slacken(self._owner, ended=True)

    def _overflow(self, why: str) -> None:
        self._forget()
        self._end()
        self._owner.outputOverflowed(f"it did not read: {why}")

    def _forget(self) -> None:
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.forget()

    def pauseProducing(self) -> None:
        """The transport's buffer is full (`IPushProducer`); Twisted says it again at each write."""
        self._blocked = True
        self.way = None
        if self._following is not None:
            self._following.slacken(self._owner)
        if not self.paused:
            self.paused = True
            self._owner.outputPaused()
            if self._relayed is not None:
                self._relayed.pause()

    def resumeProducing(self) -> None:
        """The transport's buffer is empty (`IPushProducer`)."""
        self._blocked = False
        backlog = self._backlog
        while backlog and not self._blocked:
            self._transport.write(backlog.take())
        if backlog:
            return
        self._backlog = None
        if self.closing:
            self._finish()
        elif not self._blocked:
            self.paused = False
            self._settle()
            self._owner.outputResumed()
            if self._relayed is not None:
                self._relayed.resume()

    def stopProducing(self) -> None:
        """The connection is gone (`IPushProducer`); its adapter is told by `connectionLost`."""

    def inputOver(self) -> None:
        """The peer has said that it will send nothing more."""
        self._inputOver = True
        if self._closes is not None and not self._backlog:
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
        if self._following is not None:
            self._catchUp()
        if self.closing:
            return
        self._end()
        if not patient:
            self._patience = _PATIENCE
        if self._relayed is not None:
            self._stopProducer()
        self._closes = self._serving.alarms.add(self, self._serving.closeTimeout)
        if not self._backlog:
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

    def ring(self) -> None:
        """The peer has not ended its side in time (`Sleeper`)."""
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._end()
        self._forget()
        self._transport.abortConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self._end()
        if self._backlog is not None:
            self._forget()
        if self._closes is not None:
            self._closes.cancel(self)
        if self._relayed is not None:
            self._stopProducer()
        # Each refers to the other: only Python's garbage collector would free them.
        del self._owner

    def registerProducer(self, producer: IPushProducer | IPullProducer, streaming: bool) -> None:
        """Pass pause and resume on to a protocol's own producer (`IConsumer`)."""
        if self._relayed is not None:
            raise RuntimeError(f"{self._relayed.producer!r} is still registered")
        if self.closing:
            producer.stopProducing()
            return
        self._relayed = Relayed(producer, streaming, self._serving.clock, self.paused)
        self._relayed.begin()

    def unregisterProducer(self) -> None:
        """The protocol's producer is done (`IConsumer`)."""
        relayed, self._relayed = self._relayed, None
        if relayed is not None:
            relayed.leave()

    def _stopProducer(self) -> None:
        relayed, self._relayed = self._relayed, None
        if relayed is not None:
            relayed.stop()
