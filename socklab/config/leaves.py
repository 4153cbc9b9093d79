"""What stands in TOML for the simple types that Python has and TOML has not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple
from uuid import UUID

from ..quantities import seconds
from .errors import either, shown


class Leaf(NamedTuple):
    """How a value of some type is written, and made of what is written."""

    what: str
    """What an operator should write."""
    make: Callable[[Any, Path], Any]
    """Takes what is written, and the config's folder. ValueError: it is none; its text may say more."""
    isText: bool = True
    """Whether it may be written as text, and so be a key."""


def _bytes(value: Any, folder: Path) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list) and not any(isinstance(each, bool) for each in value):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            raise ValueError from None
    raise ValueError


def _decimal(value: Any, folder: Path) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    try:
        # A float's repr is what stands in the file, up to its 17th digit; text is exact.
        made = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError from None
    if not made.is_finite():
        raise ValueError
    return made


def _timedelta(value: Any, folder: Path) -> timedelta:
    try:
        return timedelta(seconds=seconds(value))
    except (OverflowError, ValueError):
        raise ValueError from None


def _exact(kind: type) -> Callable[[Any, Path], Any]:
    """TOML has these itself. (A datetime is a date to Python, and not to who wrote it.)"""

    def make(value: Any, folder: Path) -> Any:
        if type(value) is not kind:
            raise ValueError
        return value

    return make


def _ofText(kind: Callable[[str], Any]) -> Callable[[Any, Path], Any]:
    """Their own messages would say less than an example does."""

    def make(value: Any, folder: Path) -> Any:
        if not isinstance(value, str):
            raise ValueError
        try:
            return kind(value)
        except ValueError:
            raise ValueError from None

    return make


_LEAVES: Final[Mapping[Any, Leaf]] = {
    bytes: Leaf("text, or a list of bytes such as [0xca, 0xfe]", _bytes),
    Decimal: Leaf('a number such as 0.5 or "0.50"', _decimal),
    timedelta: Leaf('a duration such as 5, 0.5 or "250ms"', _timedelta),
    datetime: Leaf("a date and time such as 2026-11-21T12:00:00Z", _exact(datetime), isText=False),
    date: Leaf("a date such as 2026-11-21", _exact(date), isText=False),
    time: Leaf("a time such as 12:00:00", _exact(time), isText=False),
    IPv4Address: Leaf('an IPv4 address such as "127.0.0.1"', _ofText(IPv4Address)),
    IPv4Interface: Leaf('an IPv4 address with its network such as "10.0.0.1/8"', _ofText(IPv4Interface)),
    IPv4Network: Leaf('an IPv4 network such as "10.0.0.0/8"', _ofText(IPv4Network)),
    IPv6Address: Leaf('an IPv6 address such as "::1"', _ofText(IPv6Address)),
    IPv6Interface: Leaf('an IPv6 address with its network such as "fc00::1/7"', _ofText(IPv6Interface)),
    IPv6Network: Leaf('an IPv6 network such as "fc00::/7"', _ofText(IPv6Network)),
    UUID: Leaf("a UUID", _ofText(UUID)),
}


def leafOf(kind: Any, arguments: tuple[Any, ...]) -> Leaf | None:
    """Give how a type is written; None for one that is not known here.

    @param arguments: of a generic one, such as `re.Pattern[bytes]`.
    """
    if kind is re.Pattern:
        return Leaf("a regular expression", lambda value, folder: _pattern(value, bytes in arguments))
    if not isinstance(kind, type):
        return None
    if issubclass(kind, PurePath):
        return Leaf("the path of a file", lambda value, folder: _path(kind, value, folder))
    if issubclass(kind, Enum):
        return Leaf(either([_written(each) for each in kind]), lambda value, folder: _member(kind, value))
    return _LEAVES.get(kind)


def _pattern(value: Any, isBytes: bool) -> re.Pattern[Any]:
    if not isinstance(value, str):
        raise ValueError
    try:
        return re.compile(value.encode() if isBytes else value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _path(kind: type[PurePath], value: Any, folder: Path) -> PurePath:
    # The system takes no NUL, and an empty path would be the folder itself.
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return kind(folder, value)


def _member(kind: type[Enum], value: Any) -> Enum:
    """A member's value is what is written, or its name: that of `auto()` means nothing to an operator."""
    for each in kind:
        if type(each.value) is type(value) and each.value == value:
            return each
    if isinstance(value, str) and value in kind.__members__:
        return kind[value]
    raise ValueError


def _written(member: Enum) -> str:
    return shown(member.value if isinstance(member.value, str) else member.name)
