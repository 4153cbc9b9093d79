"""Where members are, as nodes tell one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

_PART: Final = 500
"""Members in one message: some 40 KiB."""
_BYTES: Final = 256 * 1024
"""Of one message, where NATS takes 1 MiB: with 500 long names it would be more."""


class Place(NamedTuple):
    """What other nodes know of a member."""

    nick: str
    claim: float | None
    """When it took its name, in seconds since 1970 by its node's clock; None: others may be called so, too."""
    rooms: tuple[str, ...]


Key = tuple[str, int]
"""A member of a node: the service, and a number."""
Change = tuple[Key, Place | None]
"""A member is in these rooms now; None: in none."""


def portions(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Give changes in portions, each of which goes into one message."""
    part: list[Change] = []
    size = 0
    for key, place in changes:
        # JSON writes a control in six bytes.
        more = 100 + 6 * (len(key[0]) + (len(place.nick) + sum(map(len, place.rooms)) if place is not None else 0))
        if part and (len(part) == _PART or size + more > _BYTES):
            yield part
            part, size = [], 0
        part.append((key, place))
        size += more
    if part:
        yield part


def written(changes: Iterable[Change]) -> list[list[Any]]:
    """Give changes as they stand in a message."""
    return [[*key] if place is None else [*key, place.nick, place.claim, [*place.rooms]] for key, place in changes]


def readChanges(written: Iterable[Any]) -> list[Change]:
    """Read them.

    @raise ValueError: they are none; or TypeError, or OverflowError.
    """
    found: list[Change] = []
    for service, number, *place in written:
        key = (str(service), int(number))
        if not place:
            found.append((key, None))
            continue
        nick, claim, rooms = place
        found.append(
            (key, Place(str(nick), None if claim is None else float(claim), tuple(str(each) for each in rooms)))
        )
    return found
