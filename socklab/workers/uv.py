"""Ports on uvloop that other workers accept from, too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from socket import socket as Socket
from typing import Any, Final

from ..reactor.ports import ListeningPort, UnixListeningPort
from .passed import Turns

_AT_ONCE: Final = 4
"""Newcomers that are accepted in one turn: the others want some, too."""


class UvTCPPort(ListeningPort):
    """A TCP port."""

    turns: Turns

    def _acceptSome(self) -> None:
        super()._acceptSome()
        self.turns.accepted(self)

    def _newcomers(self, port: Socket) -> Iterator[tuple[int, Any]]:
        newcomers = super()._newcomers(port)
        # Who is about to leave takes all who have come.
        yield from newcomers if self.turns.over else islice(newcomers, _AT_ONCE)


class UvUnixPort(UvTCPPort, UnixListeningPort):
    """A port of Unix sockets."""
