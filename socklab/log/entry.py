"""What a line of the log says: as text, or as fields, whichever a log observer asks for."""

from __future__ import annotations

from ..events import Event
from .fields import Fields, fieldsOf
from .lines import TraceForm, lineOf


class Entry:
    """A line of our own."""

    __slots__ = ("_fields", "_line")

    def __init__(self, line: str, event: str = "log", **fields: str | int) -> None:
        """@param event: what it tells of.
        @param fields: the same for a program, which then needs no line.
        """
        self._line = line
        self._fields: Fields = {"event": event, **(fields or {"system": "socklab", "message": line})}

    def __str__(self) -> str:
        return self._line

    def fields(self) -> Fields:
        """Give it for a program."""
        return self._fields


class EventEntry(Entry):
    """An event."""

    __slots__ = ("_event", "_trace")

    def __init__(self, event: Event, trace: TraceForm) -> None:
        self._event = event
        self._trace = trace

    def __str__(self) -> str:
        return lineOf(self._event, self._trace)

    def fields(self) -> Fields:
        """Give it for a program."""
        return fieldsOf(self._event, self._trace)
