"""Where twistd writes its log, in a form of ours."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from twisted.logger import FileLogObserver, ILogObserver, LogEvent
from twisted.python.logfile import LogFile
from zope.interface import implementer

from .form import asJournal, asJson, asJsonJournal, asText
from .journal import isJournal


def logObserver(
    options: Mapping[str, Any], form: Literal["text", "json"], admits: Callable[[LogEvent], bool]
) -> BoundedObserver:
    """Open the log where twistd itself would.

    That is `--logfile`, which SIGUSR1 rotates, or standard output; a daemon that is told nothing has `twistd.log`.

    @param options: twistd's own.
    @param admits: tells which events are written.
    """
    file = _open(options)
    toJournal = file is sys.stdout and isJournal(file, os.environ)
    observer = BoundedObserver(FileLogObserver(file, asText), admits, toJournal)
    observer.configure(form)
    return observer


@implementer(ILogObserver)
class BoundedObserver:
    """Leaves out what is not to be written; a reload may change the form of what is."""

    def __init__(self, write: FileLogObserver, admits: Callable[[LogEvent], bool], toJournal: bool) -> None:
        self._write = write
        self._admits = admits
        self._forms = (asJournal, asJsonJournal) if toJournal else (asText, asJson)

    def configure(self, form: Literal["text", "json"]) -> None:
        """Write in a form from now on."""
        self._write.formatEvent = self._forms[form == "json"]

    def __call__(self, event: LogEvent) -> None:
        """Write a log event, or not."""
        if self._admits(event):
            self._write(event)


def _open(options: Mapping[str, Any]) -> Any:
    name, foreground = options["logfile"], options["nodaemon"]
    if name == "-" and not foreground:
        sys.exit("Daemons cannot log to stdout, exiting!")
    if name == "-" or (foreground and not name):
        return _tolerant(sys.stdout)
    # Whatever the umask: what everybody could write in proves nothing.
    umask = os.umask(0o022)
    os.umask(umask | 0o022)
    try:
        file = LogFile.fromFullPath(name or "twistd.log")
    finally:
        os.umask(umask)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda number, frame: _later(file.rotate))
    return file


def _tolerant(stream: TextIO) -> TextIO:
    """Have a terminal that lacks a character show its number, where the line would be lost."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _later(call: Callable[[], object]) -> None:
    from twisted.internet import reactor

    reactor.callFromThread(call)  # type: ignore[attr-defined]
