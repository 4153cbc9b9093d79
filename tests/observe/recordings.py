"""Records of conversations in memory, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path

from socklab.events import Event
from socklab.message import FactoryLike
from socklab.records.lines import EventLines, lineOf
from socklab.records.reading import Conversation, Entry, conversationsOf, entriesOf
from socklab.testing import MemoryServer


class Tape:
    """Writes what happens on a server in memory, a millisecond between any two events."""

    def __init__(self, factory: FactoryLike, **more: object) -> None:
        self.server = MemoryServer(factory, raising=False, **more)  # type: ignore[arg-type]
        self._lines = EventLines(lambda peer: "127.0.0.1:7")
        self._time = 1_700_000_000.0
        self._written = [lineOf(self._time, "recording", service="test", run="1")]
        self.server._stream.subscribe(self._write, traffic=True, wire=True)

    def _write(self, event: Event) -> None:
        self._time += 0.001
        self._written.append(self._lines(event, self._time))

    @property
    def lines(self) -> list[bytes]:
        """All that is written."""
        return self._written

    def entries(self) -> list[Entry]:
        """The same, read."""
        return [*entriesOf(self._written)]

    def conversations(self) -> list[Conversation]:
        """Its conversations."""
        return conversationsOf(self.entries())

    def save(self, path: Path) -> Path:
        """Put it into a file."""
        path.write_bytes(b"".join(self._written))
        return path
