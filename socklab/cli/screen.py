"""Where a conversation is shown: as lines for a person, or as JSON for a program."""

from __future__ import annotations

import json
from typing import Any, Final

import click
from twisted.internet.interfaces import IDelayedCall

from ..client import Connection, End
from .incoming import Incoming
from .sent import remark
from .shown import plain

_PARTIAL: Final = 0.2
"""Seconds after which a line without its end, as a prompt is, is shown."""


class TextScreen:
    """Shows the server's lines on standard output, and our own remarks on standard error."""

    def __init__(self, clock: Any, incoming: Incoming) -> None:
        self._clock = clock
        self._incoming = incoming
        self._partial: IDelayedCall | None = None

    def connected(self, connection: Connection) -> None:
        """Say from which port, and how to leave."""
        agreed = "".join(f", {name} {value}" for name, value in connection.about.items())
        self.remark(
            f"{connection.host or 'connected'} -> {connection.peer}{agreed}; /quit leaves, /eof ends your side"
        )

    def came(self, payload: bytes, isBinary: bool) -> None:
        """Show the lines that are whole, and soon the beginning of another."""
        self._stop()
        for line in self._incoming.feed(payload, isBinary):
            click.echo(line)
        if self._incoming.hasBegun:
            self._partial = self._clock.callLater(_PARTIAL, self._showPartial)

    def _showPartial(self) -> None:
        self._partial = None
        for line in self._incoming.rest():
            click.echo(line)

    def _stop(self) -> None:
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None

    def remark(self, text: str) -> None:
        """Say something of our own."""
        remark(text)

    def ended(self, end: End) -> None:
        """Show the rest, and who ended it."""
        self._stop()
        for line in self._incoming.finish():
            click.echo(line)
        self.remark(str(end))


class JsonScreen:
    """Prints one JSON object a line for each thing that happens."""

    def __init__(self, encoding: str) -> None:
        """@param encoding: of what comes, where it is text."""
        self._encoding = encoding

    def connected(self, connection: Connection) -> None:
        """`connected`, with both addresses and what was agreed on."""
        self._print("connected", source=connection.host or None, peer=connection.peer, **connection.about)

    def came(self, payload: bytes, isBinary: bool) -> None:
        """`received`, with the size in bytes, and the text or the bytes in hexadecimal."""
        self._print("received", size=len(payload), **plain(payload, isBinary, self._encoding))

    def remark(self, text: str) -> None:
        """`remark`."""
        self._print("remark", text=text)

    def ended(self, end: End) -> None:
        """`closed`, with who closed, and why."""
        self._print("closed", by=end.by, reason=end.reason, clean=end.clean)

    def _print(self, event: str, **fields: object) -> None:
        click.echo(json.dumps({"event": event, **fields}, ensure_ascii=False))
