"""Newcomers that are not let in: they are told in their own protocol, closed, or reset."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, INegotiated
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..events import Refused
from ..framing import FramingError
from ..message import Peer
from ..policy.gate import Refusal
from .serving import Serving

_PATIENCE: Final = 2.0
"""Seconds that one who is told has to hear it."""
_ENOUGH: Final = 64 * 1024
"""Bytes that one who is told may send meanwhile: a request, say."""
_AT_ONCE: Final = 100
"""How many are told at a time; a flood of them is closed without a word."""


def tell(serving: Serving, peer: Peer, refusal: Refusal) -> None:
    """Count a refusal, and emit its event."""
    serving.counts.refused[refusal.name] += 1
    serving.events.emit(Refused(serving.service, peer, refusal.name, refusal.reason))


def lineFor(serving: Serving, refusal: Refusal) -> bytes:
    """Give what a refused peer is told on a stream, in the listener's framing."""
    line = words(refusal)
    try:
        return serving.framing().frame(line) if serving.framing else line + b"\n"
    except FramingError:
        return line + b"\n"


def turnAway(serving: Serving, peer: Peer, refusal: Refusal, word: bytes, waits: bool = False) -> Protocol | None:
    """Give what a refused connection is handed to; None closes it at once.

    @param word: what it is told where the config says so.
    @param waits: whether it must speak first, as a client of HTTP does.
    """
    tell(serving, peer, refusal)
    if serving.refusal == "reset":
        return Dismissal(serving)
    if serving.refusal == "tell" and len(serving.dismissals) < _AT_ONCE:
        return Dismissal(serving, word, waits)
    return None


def words(refusal: Refusal) -> bytes:
    """Give what a refused peer is told: which rule, but not what it says of others."""
    return f"! refused: {refusal.name}".encode()


@implementer(IHalfCloseableProtocol)
class Dismissal(Protocol):
    """Says a last word and closes, or resets if there is none."""

    transport: Any  # Twisted's ITransport has not all that its transports have.

    def __init__(self, serving: Serving, word: bytes = b"", waits: bool = False) -> None:
        self._serving = serving
        self._word = word
        self._waits = waits
        self._heard = 0
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Somebody has connected who is not wanted."""
        if not self._word:
            self.transport.abortConnection()
            return
        self._serving.dismissals.add(self)
        self._timer = self._serving.clock.callLater(_PATIENCE, self._tooSlow)
        if not self._waits:
            self._say()

    def dataReceived(self, data: bytes) -> None:
        """It speaks, and is not listened to."""
        self._say()
        self._heard += len(data)
        if self._heard > _ENOUGH:
            self.transport.abortConnection()

    def _say(self) -> None:
        word, self._word = self._word, b""
        if word:
            self.transport.write(word)
            # Not closed yet: with unread input the system would reset, and take the word back.
            if INegotiated.providedBy(self.transport) or not hasattr(self.transport, "loseWriteConnection"):
                self.transport.loseConnection()
            else:
                self.transport.loseWriteConnection()

    def readConnectionLost(self) -> None:
        """It says no more."""
        self._say()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our FIN is sent."""

    def _tooSlow(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._serving.dismissals.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
