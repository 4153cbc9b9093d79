"""Entries of records as text for a person, or again as lines for a program. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from ..text import hexadecimal, quoted
from .lines import bytesFields
from .lines import lineOf as recordLine
from .reading import Entry

Form = Literal["text", "hex", "both"]


def when(entry: Entry) -> str:
    """Give its time, in UTC: `2026-11-21T18:01:48.318Z`."""
    return f"{datetime.fromtimestamp(entry.time, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def lineOf(entry: Entry, form: Form) -> str:
    """Give an entry as a line; `both` leaves the bytes to rows below it."""
    if not entry.peer:
        return f"{when(entry)} {safe(entry.service)}: {said(entry, form)}"
    number = f"#{entry.connection} " if entry.connection else ""
    head = f"{when(entry)} {number}{safe(entry.service)}: {safe(entry.transport)} {safe(entry.peer)}"
    return f"{head} {said(entry, form)}"


def said(entry: Entry, form: Form) -> str:
    """Give what an entry tells, without when it was and whose it is."""
    if not entry.peer:
        return _note(entry)
    return _message(entry, form).rstrip() if entry.event in ("message", "wire") else _happened(entry)


def _message(entry: Entry, form: Form) -> str:
    verb = "received" if entry.direction == "in" else "sent"
    kind = f" {entry.kind}" if entry.kind in ("text", "binary") else " wire" if entry.event == "wire" else ""
    content = {"text": quoted(entry.payload, entry.encoding), "hex": hexadecimal(entry.payload), "both": ""}[form]
    return f"{verb} {len(entry.payload)} B{kind} {content}"


def _note(entry: Entry) -> str:
    if entry.event == "lost":
        return f"{entry.more.get('events')} events are missing here: they came faster than the disk took them"
    return f"{safe(entry.event)} begins"


def _happened(entry: Entry) -> str:
    more = {key: value for key, value in entry.more.items() if value not in (None, "")}
    reason = safe(more.get("reason", ""))
    match entry.event:
        case "closed":
            return f"closed by {safe(more.get('by', ''))}: {reason}"
        case "refused":
            return f"refused: {safe(more.get('rule', ''))}: {reason}"
        case "finished":
            return "will send no more"
        case "opened":
            said = ", ".join(f"{safe(key.replace('_', ' '))} {quoted(str(value))}" for key, value in more.items())
            return f"opened ({said})" if said else "opened"
    return f"{safe(entry.event)}: {reason}" if reason else safe(entry.event)


def safe(value: object) -> str:
    """Give a text without controls: a record may come from anybody."""
    return quoted(str(value))[1:-1].replace('\\"', '"')


def jsonOf(entry: Entry) -> str:
    """Give an entry as a line of a record."""
    fields: dict[str, Any] = {"service": entry.service}
    for key in ("transport", "connection", "peer", "local"):
        if value := getattr(entry, key):
            fields[key] = value
    if entry.event in ("message", "wire"):
        fields["direction"] = entry.direction
        if entry.kind:
            fields["kind"] = entry.kind
        fields |= bytesFields(entry.payload, entry.encoding)
    return recordLine(entry.time, entry.event, **fields, **entry.more).decode().rstrip("\n")
