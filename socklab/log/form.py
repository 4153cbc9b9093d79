"""A log event of Twisted's as what is written: text that no peer can forge, or one JSON object on a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from twisted.logger import LogEvent, formatEvent, formatEventAsClassicLogText, formatTime
from twisted.python.failure import Failure

from .entry import Entry
from .fields import Fields
from .journal import levelOf, marked

# What breaks a line, moves a cursor, turns the direction of writing, or is no text at all. LF is Twisted's,
# which puts a TAB behind each.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TRACEBACK: Final = 16 * 1024
"""Characters of a traceback that are logged: what was raised may quote the peer."""


def failureOf(event: LogEvent) -> Failure | None:
    """Give the failure that a log event tells of; `twisted.python.log.err` keeps it elsewhere."""
    failure = event.get("log_failure") or event.get("failure")
    return failure if isinstance(failure, Failure) else None


def asText(event: LogEvent, formatTime: Callable[[float | None], str] = formatTime) -> str | None:
    """Give a line as `twistd` writes it, with what could forge another escaped; None when there is nothing to say.

    Most lines are safe before they come here. Tracebacks are not, nor what protocols log and print.
    """
    text = formatEventAsClassicLogText(event, formatTime)
    if text is None:
        return None
    if failureOf(event) is not None and len(text) > _TRACEBACK:
        half = _TRACEBACK // 2
        text = f"{text[:half]}\n\t...\n\t{text[-half:]}"
    return _UNSAFE.sub(_escape, text)


def asJournal(event: LogEvent) -> str | None:
    """Give the same for the journal, which has the time itself."""
    text = asText(event, lambda _: "")
    return text and marked(text.removeprefix(" "), levelOf(event))


def asJsonJournal(event: LogEvent) -> str | None:
    """Give a JSON object for the journal."""
    text = asJson(event)
    return text and marked(text, levelOf(event))


def asJson(event: LogEvent) -> str | None:
    """Give a JSON object on a line, all ASCII (RFC 8259); None when there is nothing to say."""
    found = fieldsOf(event)
    if found is None:
        return None
    head: Fields = {
        "time": datetime.fromtimestamp(event.get("log_time", 0), UTC).isoformat(timespec="milliseconds"),
        "level": levelOf(event),
    }
    return json.dumps(head | found) + "\n"


def fieldsOf(event: LogEvent) -> Fields | None:
    """Give what a log event tells, without time and level; None when there is nothing to say."""
    said = _said(event)
    if said is None:
        return None
    # A surrogate on its own is no text, and many a parser refuses its escape too.
    found = said | _failure(event)
    return {key: _SURROGATE.sub(_escape, each) if isinstance(each, str) else each for key, each in found.items()}


def _said(event: LogEvent) -> Fields | None:
    entry: Any = event.get("entry")
    if isinstance(entry, Entry):
        return entry.fields()
    # The text of `twisted.python.log.err` has the traceback in it.
    text = event["why"] or "Unhandled Error" if "why" in event else formatEvent(event)
    if not text and failureOf(event) is None:
        return None
    system = event.get("log_system") or event.get("log_namespace") or "-"
    return {"event": "log", "system": str(system), "message": text}


def _failure(event: LogEvent) -> Fields:
    failure = failureOf(event)
    if failure is None:
        return {}
    try:
        error, traceback = failure.getErrorMessage(), failure.getTraceback()
    except Exception:
        # The exception's own __str__ failed.
        error, traceback = "it cannot be shown", ""
    name = getattr(failure.type, "__name__", "?")
    return {"error": f"{name}: {error[:1000]}", "traceback": traceback[-_TRACEBACK:]}


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {0x0D: r"\r"}.get(code, f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")
