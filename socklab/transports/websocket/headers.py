"""The headers of a handshake, kept as one string: as a dict they cost an idle connection three times as much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """A mapping of header names, in lower case, to values; made anew when it is looked at."""

    __slots__ = ("_lines",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        """@param headers: no name holds a colon, and none of it a line's end, since it was split there."""
        self._lines = "\n".join([f"{name}:{value}" for name, value in headers.items()])

    def _dict(self) -> dict[str, str]:
        return dict(line.split(":", 1) for line in self._lines.split("\n")) if self._lines else {}

    def __getitem__(self, name: str) -> str:
        return self._dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict())

    def __len__(self) -> int:
        return len(self._dict())

    def __repr__(self) -> str:
        return f"Headers({self._dict()})"
