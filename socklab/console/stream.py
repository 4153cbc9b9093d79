"""What one page is told, as it happens: lines of JSON in an answer that does not end; bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from .door import Session
from .talks import Talks

_WAITING: Final = 1024 * 1024
"""Bytes that may wait for a page that does not read; what comes then is lost for it, and counted."""
_BATCH: Final = 0.1
"""Seconds that what happens may wait for more."""
_ROWS: Final = 1000
"""Rows that are told at once: the others are told later, as they are then."""


@implementer(IPushProducer)
class Stream:
    """One page that looks."""

    def __init__(self, request: Any, session: Session, talks: Talks, clock: Any, gone: Callable[[Stream], None]):
        """@param gone: called when the page has gone."""
        self._request = request
        self._session = session
        self._talks = talks
        self._clock = clock
        self._gone = gone
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._paused = False
        self.isOpen = True
        self._timer: IDelayedCall | None = None
        self.key = ""
        self.followed: str | None = None
        """The key of the conversation whose messages it is told."""
        self.dirty: dict[str, None] = {}
        """The keys of conversations whose rows have changed since it was told."""
        request.notifyFinish().addBoth(self._finished)
        request.registerProducer(self, True)

    def begin(self, told: dict[str, Any]) -> None:
        """Tell all that there is, however much that is."""
        self._request.write(_line({"role": self._session.role.name.lower(), **told}))
        self._flushLater()

    def tell(self, told: dict[str, Any]) -> None:
        """Tell something, if the page is not too slow."""
        line = _line(told)
        if self._size + len(line) > _WAITING:
            self._lost += 1
            return
        self._lines.append(line)
        self._size += len(line)

    def _flushLater(self) -> None:
        self._timer = self._clock.callLater(_BATCH, self._flush)

    def _flush(self) -> None:
        self._flushLater()
        if self._session.over:
            self.end()
        elif not self._paused:
            self._tellRows()
            if self._lost and self._size < _WAITING // 2:
                lost, self._lost = self._lost, 0
                self.tell({"lost": lost})
            lines, self._lines, self._size = self._lines, [], 0
            if lines:
                self._request.write(b"".join(lines))

    def _tellRows(self) -> None:
        if self.dirty:
            rows, gone = [], []
            for key in [*self.dirty][:_ROWS]:
                del self.dirty[key]
                talk = self._talks.get(key)
                if talk is None:
                    gone.append(key)
                else:
                    rows.append(talk.row())
            # Past the bound: a row that is lost would stay wrong.
            self._request.write(_line({"rows": rows, "gone": gone}))

    def pauseProducing(self) -> None:
        """The page does not read (`IPushProducer`)."""
        self._paused = True

    def resumeProducing(self) -> None:
        """It has read (`IPushProducer`)."""
        self._paused = False

    def stopProducing(self) -> None:
        """It has gone (`IPushProducer`)."""

    def end(self) -> None:
        """Tell it no more."""
        if self.isOpen:
            self._request.unregisterProducer()
            self._request.finish()

    def _finished(self, _: object) -> None:
        self.isOpen = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._gone(self)


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
