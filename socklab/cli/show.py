"""`socklab show`: what a record says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .kinds import PatternKind
from .records import Reading, Wanted, file, filters, follow, isMatch
from .table import echoTable, isDrawn

if TYPE_CHECKING:
    from ..records.reading import Entry
    from ..records.shown import Form

_DRAWN: Final = 1000
"""Entries that are drawn as a table: it is made when all are read."""


@click.command("show")
@file
@filters
@click.option("--received", "direction", flag_value="in", help="Only what came from peers.")
@click.option("--sent", "direction", flag_value="out", help="Only what was sent to them.")
@click.option("--grep", type=PatternKind(), metavar="REGEX", help="Only messages whose text holds it.")
@click.option("--hex", "form", flag_value="hex", help="Bytes in hexadecimal.")
@click.option("--both", "form", flag_value="both", help="Hexadecimal and text side by side.")
@click.option("--wire", is_flag=True, help="Bytes as they went over the connection, where they differ.")
@click.option("--by-connection", "isSorted", is_flag=True, help="One conversation after the other.")
@click.option("--patterns", "isPatterns", is_flag=True, help="What they do, rather than what they say.")
@click.option("-f", "--follow", "isFollowed", is_flag=True, help="Go on with what is added; Ctrl-C ends it.")
@click.option("--json", "asJson", is_flag=True, help="For programs: the lines of the record that are meant.")
def command(files: tuple[Path, ...], form: Form | None, isFollowed: bool, **values: Any) -> None:
    """Show what was recorded.

    FILE is what `[service.record]` of a config had written; older ones go first: echo.jsonl.1 echo.jsonl.

    With --patterns it tells of each address whether it makes a connection for each message or keeps one, who
    closed first, and what the first bytes were; and of WebSocket the handshake, the frames, and what they cost.

    The status is 1 if there is nothing recorded in it, else 0.

    \b
    Examples:
      socklab show echo.jsonl --connection 3 --both
      socklab show chat.jsonl --peer 127.0.0.1 --received --grep hello
      socklab show once.jsonl --patterns
    """
    wanted = Wanted.of(values)
    isSorted, isPatterns = values.pop("isSorted"), values.pop("isPatterns")
    if isFollowed and (len(files) > 1 or isSorted or isPatterns):
        raise click.UsageError("--follow goes with one FILE, and shows what comes as it comes.")
    showing = _Showing(wanted, form or "text", **values)
    reading = Reading(files)
    if isFollowed:
        for entry in follow(files[0]):
            showing.echo([entry])
        return
    if isPatterns:
        _echoPatterns(reading, wanted, values["asJson"])
    elif isSorted:
        for number, conversation in enumerate(reading.conversations(wanted)):
            if number and not values["asJson"]:
                click.echo()
            showing.echo(conversation.entries)
    else:
        showing.echo(reading)
    reading.complain()


class _Showing:
    """Prints the entries that are meant."""

    def __init__(
        self,
        wanted: Wanted,
        form: Form,
        direction: str | None,
        grep: re.Pattern[str] | None,
        wire: bool,
        asJson: bool,
    ) -> None:
        self._wanted = wanted
        self._form = form
        self._direction = direction
        self._grep = grep
        self._wire = wire
        self._asJson = asJson
        self._all = wanted == Wanted() and direction is None and grep is None

    def echo(self, entries: Iterable[Entry]) -> None:
        """Print them: lines, or to a person who wants no more of them than can be read a table."""
        chosen = self._chosen(entries)
        if not self._asJson and self._form != "both" and isDrawn():
            first = [*islice(chosen, _DRAWN + 1)]
            if 1 < len(first) <= _DRAWN:
                self._draw(first)
                return
            chosen = chain(first, chosen)
        for entry in chosen:
            for line in self._lines(entry):
                click.echo(line)

    def _draw(self, entries: list[Entry]) -> None:
        from ..records.shown import safe, said, when

        columns = ("time (UTC)", "#", "service", "transport", "peer", "")
        rows = [
            (
                when(each).rstrip("Z").replace("T", " "),
                each.connection or "",
                *map(safe, (each.service, each.transport, each.peer)),
                said(each, self._form),
            )
            for each in entries
        ]
        echoTable(columns, rows)

    def _chosen(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        hidden = "" if self._asJson and self._all else "message" if self._wire else "wire"
        wired: set[tuple[str, int, str]] = set()
        for entry in entries:
            key = (entry.service, entry.connection, entry.peer if not entry.connection else "")
            if entry.event == "wire":
                wired.add(key)
            # With --wire a raw stream still shows its messages: they are the bytes.
            if entry.event == hidden and (hidden == "wire" or key in wired):
                continue
            if self._admits(entry):
                yield entry

    def _admits(self, entry: Entry) -> bool:
        if not entry.peer:
            return self._all and (self._asJson or entry.event != "recording")
        if not self._wanted.admits(entry):
            return False
        if entry.event in ("message", "wire"):
            return self._direction in (None, entry.direction) and isMatch(self._grep, entry)
        return self._direction is None and self._grep is None

    def _lines(self, entry: Entry) -> Iterator[str]:
        from ..records.shown import jsonOf, lineOf
        from .shown import asBoth

        if self._asJson:
            yield jsonOf(entry)
            return
        yield lineOf(entry, self._form)
        if self._form == "both" and entry.payload:
            yield from (f"  {row}" for row in asBoth(entry.payload, entry.encoding))


def _echoPatterns(reading: Reading, wanted: Wanted, asJson: bool) -> None:
    from ..records.patterns import addressPatterns, websocketPatterns
    from ..records.told import addressLines, addressObject, websocketLines, websocketObject

    conversations = reading.conversations(wanted)
    addresses, sockets = addressPatterns(conversations), [*websocketPatterns(conversations)]
    if asJson:
        found = {
            "addresses": [addressObject(each) for each in addresses],
            "websockets": [websocketObject(each) for each in sockets],
        }
        click.echo(json.dumps(found))
        return
    for pattern in addresses:
        for line in addressLines(pattern):
            click.echo(line)
    for socket in sockets:
        click.echo()
        for line in websocketLines(socket):
            click.echo(line)
