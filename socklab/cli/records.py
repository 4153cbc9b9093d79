"""What the commands that read records share: the files, and what in them is meant."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from .kinds import TransportKind

if TYPE_CHECKING:
    from ..records.reading import Conversation, Entry

Command = TypeVar("Command", bound=Callable[..., Any])

_AGAIN: Final = 0.2
"""Seconds between two looks at a file that is followed."""

file = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
_FILTERS: Final = [
    click.option("--service", metavar="NAME", help="Only this service."),
    click.option(
        "--transport",
        type=TransportKind(["tcp", "tls", "unix", "udp", "ws"]),
        help="Only what came over it.",
    ),
    click.option(
        "--connection", "connections", type=int, multiple=True, metavar="N", help="Only this one; repeatable."
    ),
    click.option("--peer", metavar="ADDRESS", help="Only this peer: an IP address, or with its :port."),
]


def filters(command: Command) -> Command:
    """Give a command the options that say whose conversations are meant."""
    for each in reversed(_FILTERS):
        command = each(command)
    return command


@dataclass(frozen=True)
class Wanted:
    """Whose conversations are meant."""

    service: str | None = None
    transport: str | None = None
    connections: tuple[int, ...] = ()
    peer: str | None = None

    @classmethod
    def of(cls, values: dict[str, Any]) -> Wanted:
        """Take the options out of a command's."""
        return cls(*(values.pop(name) for name in ("service", "transport", "connections", "peer")))

    def admits(self, conversation: Conversation | Entry) -> bool:
        """Tell whether it is one of those."""
        peer = conversation.peer
        return (
            self.service in (None, conversation.service)
            and self.transport in (None, conversation.transport.replace("websocket", "ws"))
            and (not self.connections or conversation.connection in self.connections)
            and (self.peer is None or self.peer in (peer, peer.rpartition(":")[0].strip("[]")))
        )


class Reading:
    """The entries of files; what is no line of a record is told in the end."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = [*files]
        self._bad: list[str] = []
        self._good = False

    def __iter__(self) -> Iterator[Entry]:
        """Read them, in the order in which they happened.

        @raise click.ClickException: one cannot be read.
        """
        from ..records.reading import entriesOf

        bad: dict[Path, list[int]] = {path: [] for path in self._files}
        everything = [entriesOf(_lines(path), bad[path]) for path in self._files]
        for entry in heapq.merge(*everything, key=lambda entry: entry.time):
            self._good = True
            yield entry
        self._bad = []
        for path, numbers in bad.items():
            self._bad += [f"{path}: line {number} is none of a record" for number in numbers[:3]]
            if len(numbers) > 3:
                self._bad.append(f"{path}: {len(numbers) - 3} more lines are none of a record")

    def conversations(self, wanted: Wanted) -> list[Conversation]:
        """Give those that are meant, whole."""
        from ..records.reading import conversationsOf

        return [each for each in conversationsOf(self) if wanted.admits(each)]

    def complain(self) -> None:
        """Say what could not be read.

        @raise click.ClickException: nothing could.
        """
        for line in self._bad:
            click.echo(line, err=True)
        if self._bad and not self._good:
            raise click.ClickException("There is nothing recorded here.")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from None


def follow(path: Path) -> Iterator[Entry]:
    """Give a record's entries, and those that are added to it, for ever; also when it begins anew."""
    from ..records.reading import entriesOf

    while True:
        with _opened(path) as file:
            rest = b""
            while True:
                data = file.read(1 << 16)
                if data:
                    *lines, rest = (rest + data).split(b"\n")
                    yield from entriesOf(lines)
                elif _isOther(path, file.fileno()):
                    break
                else:
                    time.sleep(_AGAIN)


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _isOther(path: Path, number: int) -> bool:
    """Tell whether another file has the name now."""
    try:
        found, ours = path.stat(), os.fstat(number)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)


def isMatch(pattern: re.Pattern[str] | None, entry: Entry) -> bool:
    """Tell whether the text of an entry holds what is looked for."""
    if pattern is None:
        return True
    return pattern.search(entry.payload.decode(entry.encoding, "replace")) is not None
