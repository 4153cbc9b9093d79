"""The observer that has the conversations of one service written to a file."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from ..config.record import Record
from ..counts import RecordCounts
from ..events import Event, Events
from ..inbox import Inbox
from ..message import Peer
from .file import RecordFile
from .lines import EventLines, lineOf

_WAITING: Final = 8 * 1024 * 1024
"""Bytes of events that may wait for the disk."""
_AT_ONCE: Final = 64
"""Lines that are written at once. The interpreter runs one thread at a time, and writing lets the others run."""
_PATIENCE: Final = 2.0
"""Seconds that the process's end waits for the disk."""


class Recording:
    """Writes in a thread of its own: a slow disk or a full one costs events, which are counted; nothing else."""

    def __init__(
        self,
        service: str,
        record: Record,
        counts: RecordCounts,
        localOf: Callable[[Peer], str],
        tell: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """@param localOf: gives this side's address to a datagram peer.
        @param tell: logs a line; called from another thread.
        @param now: gives the time, in seconds since 1970.
        """
        self._service = service
        self._record = record
        self._counts = counts
        self._tell = tell
        self._now = now
        self._run = f"{int(now())}-{os.getpid()}"
        self._inbox = Inbox(_WAITING)
        self._lines = EventLines(localOf)
        self._file = RecordFile(record.file, record.rotate, record.keep, self._head)
        self._thread = threading.Thread(target=self._write, name=f"record of {service}", daemon=True)
        self._reopen = False
        self._ends = False
        self._failing = False
        self._since = now()
        """When what is written next has happened."""
        self._leave: Callable[[], None] = lambda: None

    def start(self, events: Events) -> None:
        """Begin to write what happens.

        @param events: of the service.
        """
        self._thread.start()
        self._leave = events.subscribe(self, traffic=True, wire=True)

    def __call__(self, event: Event) -> None:
        """Have an event written."""
        self._inbox.put(event, self._now())

    def reopen(self) -> None:
        """Go on in a file of the same name: what is open now was moved away."""
        self._reopen = True
        self._inbox.wake()

    def finish(self) -> None:
        """Write what waits, and no more."""
        self._leave()
        self._ends = True
        self._inbox.wake()

    def join(self) -> None:
        """Wait until that is done, for 2 s at most."""
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _head(self) -> bytes:
        return lineOf(self._since, "recording", service=self._service, version=version("socklab"), run=self._run)

    def _write(self) -> None:
        while True:
            # Before the look into the inbox: what comes after is in it.
            ends = self._ends
            events, lost = self._inbox.take(0 if ends else None)
            if self._reopen:
                self._reopen = False
                self._file.close()
            for start in range(0, len(events), _AT_ONCE):
                part = events[start : start + _AT_ONCE]
                self._since = part[0][1]
                self._put(b"".join(self._lineOf(event, when) for event, when in part), len(part))
            if lost:
                self._counts.lost += lost
                self._put(lineOf(self._now(), "lost", service=self._service, events=lost), 0)
            if ends:
                self._file.close()
                return

    def _lineOf(self, event: Event, when: float) -> bytes:
        try:
            return self._lines(event, when)
        except Exception as error:
            # What a protocol raised may fail to tell what it is. The thread must go on.
            why = f"a {type(event).__name__} that cannot be written: {type(error).__name__}"
            return lineOf(when, "lost", service=self._service, events=1, reason=why)

    def _put(self, lines: bytes, events: int) -> None:
        try:
            self._file.write(lines)
        except OSError as error:
            self._counts.lost += events
            if not self._failing:
                self._failing = True
                why = (error.strerror or str(error)).lower()
                self._tell(f"{self._service}: record: {self._record.file}: {why}: events are lost, until it works")
        else:
            self._counts.bytes += len(lines)
            if self._failing:
                self._failing = False
                self._tell(f"{self._service}: record: {self._record.file}: works again")
