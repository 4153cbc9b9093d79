"""What nodes send one another through the engine: JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from .waiting import Line, Topic


class Unreadable(Exception):
    """This was sent by something else than a node of this version."""


class Entry(NamedTuple):
    """An entry of the log."""

    node: str
    number: int
    """Of its node's entries, from 1."""
    settled: int
    """All that have lower numbers were in the log before this one was sent."""
    topic: Topic
    lines: list[Line]


def encodeEntry(node: str, topic: Topic, number: int, settled: int, lines: Sequence[Line]) -> bytes:
    """Give an entry as it stands in the log."""
    texts = [[each.text, 1] if each.keep else each.text for each in lines]
    return dump([node, number, settled, *topic, texts])


def decodeEntry(data: bytes) -> Entry:
    """Read an entry.

    @raise Unreadable: it is none.
    """
    try:
        node, number, settled, service, room, texts = load(data)
        lines = [Line(each, False) if isinstance(each, str) else Line(each[0], True) for each in texts]
        if not all(isinstance(each, str) for each in (node, service, room, *(line.text for line in lines))):
            raise Unreadable
        if not (isinstance(number, int) and isinstance(settled, int) and 0 < settled <= number):
            raise Unreadable
    except (ValueError, TypeError, LookupError) as error:
        raise Unreadable(str(error)) from None
    return Entry(node, number, settled, (service, room), lines)


def dump(value: Any) -> bytes:
    """Give JSON, as `load` takes it: with lone surrogates, which are no text and cannot be spoken of otherwise."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def load(data: bytes) -> Any:
    """Read JSON.

    @raise ValueError: it is none.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError(str(error)) from None
