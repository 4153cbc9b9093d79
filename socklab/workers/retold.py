"""The workers' log in the parent's: a worker tells each event, and the parent writes it, in its own form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, globalLogPublisher
from zope.interface import implementer

from ..log.entry import Entry
from ..log.form import fieldsOf
from ..log.journal import levelOf
from .channel import Channel

_WAITING: Final = 4 * 1024 * 1024
"""Bytes that may wait for a parent that does not read."""
_LONGEST: Final = 16 * 1024
"""Characters of one line, or one traceback."""


@implementer(ILogObserver)
class Telling:
    """Tells the parent what a worker logs, as far as it reads."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.admits: Callable[[LogEvent], bool] = lambda event: True
        """Tells which events are logged."""
        self._lost = 0

    def __call__(self, event: LogEvent) -> None:
        """Tell an event, or count it."""
        if not self.admits(event):
            return
        if self._channel.waiting > _WAITING:
            self._lost += 1
            return
        told = toldOf(event)
        if told is not None:
            lost, self._lost = self._lost, 0
            self._channel.tell({"log": told, "lost": lost})


def toldOf(event: LogEvent) -> dict[str, Any] | None:
    """Give what is told of a log event; None when it says nothing."""
    fields = fieldsOf(event)
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if fields is None or not text:
        return None
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"
    return {
        "time": event.get("log_time", 0.0),
        "level": levelOf(event),
        "system": str(event.get("log_system") or event.get("log_namespace") or "-"),
        "text": text,
        "fields": fields,
    }


def retell(told: dict[str, Any], worker: int) -> None:
    """Log in the parent what a worker has told."""
    fields = dict(told["fields"])
    globalLogPublisher(
        {
            "log_time": told["time"],
            "log_level": LogLevel.lookupByName(told["level"]),
            "log_namespace": "socklab.workers",
            "log_format": "{entry}",
            "log_system": f"{told['system']} worker {worker}",
            "entry": Entry(told["text"], fields.pop("event", "log"), **fields, worker=worker),
        }
    )
