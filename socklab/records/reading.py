"""Records, read again: entries, and the conversations that they belong to. No I/O but the reading."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Direction = Literal["in", "out"]

_HEAD: Final = {"time", "event", "service", "transport", "connection", "peer", "local", "direction", "kind"}
_BYTES: Final = {"text", "base64", "encoding"}


class BadRecord(Exception):
    """This is no line of a record."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    time: float
    """Seconds since 1970."""
    event: str
    """`message`, `wire` (bytes as they went over the connection, within TLS), `opened`, `finished` (the peer's
    FIN), `closed`, and so on."""
    service: str
    transport: str = ""
    """`tcp`, `tls`, `unix`, `udp` or `websocket`."""
    connection: int = 0
    """Its conversation's number in the process; 0 for who has none."""
    peer: str = ""
    """`127.0.0.1:40000`; of a Unix socket `unix`."""
    local: str = ""
    """This side's address, where it is known."""
    direction: Direction = "in"
    """`in`: from the peer to the server."""
    kind: str = ""
    """Of a message: `text` or `binary` over WebSocket, else `bytes`."""
    payload: bytes = b""
    encoding: str = "utf-8"
    """Of its text."""
    more: dict[str, Any] = field(default_factory=dict)
    """What else the line says: `by`, `reason`, `rule`, `path` and so on."""


def parse(line: bytes) -> Entry:
    """Read a line.

    @raise BadRecord: it is none.
    """
    try:
        raw = json.loads(line)
        encoding = str(raw.get("encoding", "utf-8"))
        payload = (
            b64decode(raw["base64"], validate=True) if "base64" in raw else raw.get("text", "").encode(encoding)
        )
        return Entry(
            datetime.fromisoformat(raw["time"]).timestamp(),
            str(raw["event"]),
            str(raw["service"]),
            str(raw.get("transport", "")),
            int(raw.get("connection", 0)),
            str(raw.get("peer", "")),
            str(raw.get("local", "")),
            "out" if raw.get("direction") == "out" else "in",
            str(raw.get("kind", "")),
            payload,
            encoding,
            {key: value for key, value in raw.items() if key not in _HEAD | _BYTES},
        )
    except (ValueError, KeyError, TypeError, AttributeError, LookupError) as error:
        raise BadRecord(f"no line of a record: {str(error)[:100]}") from None


@dataclass(slots=True, eq=False)
class Conversation:
    """All that was recorded of one peer, in order."""

    number: int
    """From 1, in the order of the record."""
    service: str
    transport: str
    connection: int
    peer: str
    local: str = ""
    entries: list[Entry] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called: its number in the process, or for lone datagrams the peer."""
        return f"#{self.connection}" if self.connection else self.peer


class Conversations:
    """Sorts entries into conversations, as they come: numbers mean others when the process has begun anew."""

    def __init__(self) -> None:
        self.all: list[Conversation] = []
        self._runs: dict[str, str] = {}
        self._open: dict[tuple[str, str, int | str], Conversation] = {}

    def add(self, entry: Entry) -> Conversation | None:
        """Give whose an entry is; None when it is nobody's."""
        if entry.event == "recording":
            self._runs[entry.service] = str(entry.more.get("run", ""))
        if not entry.peer:
            return None
        key = (
            self._runs.get(entry.service, ""),
            entry.service,
            entry.connection or f"{entry.transport} {entry.peer}",
        )
        found = self._open.get(key)
        if found is None:
            found = Conversation(
                len(self.all) + 1, entry.service, entry.transport, entry.connection, entry.peer, entry.local
            )
            self._open[key] = found
            self.all.append(found)
        found.local = found.local or entry.local
        # Behind TLS or a proxy the first bytes come before it is known whose they are.
        found.peer = entry.peer
        return found


def conversationsOf(entries: Iterable[Entry]) -> list[Conversation]:
    """Give the conversations of a whole record, each with its entries."""
    sorted_ = Conversations()
    for entry in entries:
        conversation = sorted_.add(entry)
        if conversation is not None:
            conversation.entries.append(entry)
    return sorted_.all


def entriesOf(lines: Iterable[bytes], onBad: list[int] | None = None) -> Iterator[Entry]:
    """Read lines; those that are none are left out.

    @param onBad: gets their numbers, from 1.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield parse(line)
            except BadRecord:
                if onBad is not None:
                    onBad.append(number)
