"""A person and a server: what is typed goes out, what comes is shown, and neither waits for the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ..client import Address, Connection, End, SendError
from .payload import Reading, fromHex, isText, unescaped

COMMANDS: Final = {
    "/quit": "close the connection and leave",
    "/eof": "say that nothing more comes (FIN), and go on reading",
    "/hex": "send bytes, as /hex 48 65 0a",
    "/escape": r"send text with escapes and no end of line, as /escape a\x00b",
}


class Screen(Protocol):
    """Where it is shown."""

    def came(self, payload: bytes, isBinary: bool) -> None:
        """Show what the server said."""

    def remark(self, text: str) -> None:
        """Show something of our own."""


class Conversation:
    """One connection and what is typed (`seam.Receiver`)."""

    def __init__(self, clock: Any, address: Address, reading: Reading, screen: Screen, wait: float) -> None:
        """@param wait: seconds of silence after the end of the input, after which it is over."""
        self._clock = clock
        self._address = address
        self._reading = reading
        self._screen = screen
        self._wait = wait
        self._silence: IDelayedCall | None = None
        self._isFinished = False
        self._isLeaving = False
        self.connection: Connection
        self.over: Deferred[End] = Deferred()
        self.end: End | None = None

    def typed(self, line: str) -> bool:
        """Send a line, or do what it commands; False when nothing more need be typed."""
        self._take(line)
        return self.end is None and not self._isLeaving

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word.startswith("//") and word[1:] in COMMANDS:
            line = line[1:]
        elif word in COMMANDS:
            self._command(word, rest)
            return
        self._send(lambda: self._reading.typed(line), False)

    def _command(self, word: str, rest: str) -> None:
        match word:
            case "/quit":
                self.leave()
            case "/eof":
                self.finished()
            case "/hex":
                self._send(lambda: fromHex(rest), True)
            case "/escape":
                self._send(lambda: unescaped(rest, self._reading.encoding), False)

    def _send(self, make: Callable[[], bytes], isBinary: bool) -> None:
        if self._isFinished:
            self._screen.remark("not sent: you have ended your side")
            return
        try:
            payload = make()
            if self._address.kind == "websocket" and not isBinary:
                isBinary = not isText(payload)
            self.connection.send(payload, isBinary)
        except (ValueError, SendError) as error:
            self._screen.remark(str(error))

    def data(self, payload: bytes) -> None:
        """Send what was read from a file or a pipe, on a stream."""
        if self.end is None and not self._isFinished:
            self.connection.send(payload, True)

    def finished(self) -> None:
        """Nothing more will be typed: say so, and show what still comes."""
        if self.end is not None or self._isFinished:
            return
        self._isFinished = True
        if self.connection.finish():
            self._screen.remark("nothing more is sent (FIN)")
        else:
            kind = "TLS" if self._address.scheme == "tls" else self._address.scheme
            self._screen.remark(f"{kind} has no end of one side: leaving after {self._wait:g} s of silence")
        self._startSilence()

    def _startSilence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._clock.callLater(self._wait, self._isSilent)

    def _isSilent(self) -> None:
        self._silence = None
        self.leave()

    def leave(self) -> None:
        """Close the connection."""
        self._isLeaving = True
        if self.end is None:
            self.connection.close()

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Show what came."""
        self._screen.came(payload, isBinary)
        if self._silence is not None:
            self._startSilence()

    def ended(self, end: End) -> None:
        """Nothing more comes."""
        self.end = end
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self.over.callback(end)
