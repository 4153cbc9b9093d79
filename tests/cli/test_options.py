"""What is told of a protocol's options, and of where it can be served."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from ipaddress import IPv4Network, IPv6Interface
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import attr
import pytest
from pydantic import BaseModel, Field
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.internet.protocol import Factory as TwistedFactory

from socklab import Factory, MessageProtocol, Seconds, Size
from socklab.cli.catalogue import offered
from socklab.cli.docstrings import docsOf, summaryOf
from socklab.cli.options import Option, optionsOf
from socklab.cli.values import tomlOf
from socklab.config.options import Maker
from socklab.quantities import seconds, size
from socklab.units import PositiveSeconds


class Mood(Enum):
    """How it feels."""

    CALM = "calm"
    WILD = "wild"


@dataclass
class Upstream:
    """Where to go on."""

    host: str
    """A name or an address."""
    port: int = 7
    retries: list[int] = field(default_factory=lambda: [1, 2])


class Login(BaseModel):
    """Who may."""

    user: str = "root"
    """Its name."""
    hint: str = Field("", description="said to who forgot")


@dataclass
class Node:
    """Has a table of its own."""

    name: str = ""
    next: Login | None = None


def options(found: Any) -> dict[str, Option]:
    """Give the options by name."""
    return {each.name: each for each in optionsOf(found)}


# Types and defaults


def test_types_and_defaults() -> None:
    """A type is told as the messages about bad values tell it, a default as it would stand in the file."""

    def make(
        text: str,
        count: int = 3,
        loud: bool = False,
        kind: Literal["a", "b"] = "a",
        mood: Mood = Mood.CALM,
        names: tuple[str, ...] = ("x", "y"),
        data: bytes = b"\n",
        file: Path | None = None,
        wait: Seconds = 90.0,
        rest: Annotated[PositiveSeconds, Field(le=100)] | None = 0.25,
        room: Size = 65536,
        other: Any = print,
    ) -> None:
        pass

    told = {name: (each.type, each.required, each.default) for name, each in options(make).items()}
    duration = 'such as 5, 0.5 or "250ms"'
    assert told == {
        "text": ("text", True, None),
        "count": ("an integer", False, "3"),
        "loud": ("true or false", False, "false"),
        "kind": ('"a" or "b"', False, '"a"'),
        "mood": ('"calm" or "wild"', False, '"calm"'),
        "names": ("a list", False, '["x", "y"]'),
        "data": ("text, or a list of bytes such as [0xca, 0xfe]", False, '"\\n"'),
        "file": ("the path of a file", False, None),
        "wait": (f"a duration {duration}", False, '"90s"'),
        "rest": (f"a duration above 0, {duration}, of at most 100", False, '"250ms"'),
        "room": ('a size above 0, such as 65536 or "64KiB"', False, '"64KiB"'),
        "other": ("a value", False, None),
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7200, '"2h"'),
        (60.0, '"1m"'),
        (90, '"90s"'),
        (1.5, '"1.5s"'),
        (0.001, '"1ms"'),
        (0.0001, "0.0001"),
    ],
)
def test_duration(value: float, shown: str) -> None:
    """A duration has the unit that makes it shortest, and is read back as it was."""
    assert tomlOf(value, Seconds) == shown
    assert seconds(tomllib.loads(f"value = {shown}")["value"]) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1, "1"), (1000, '"1kB"'), (1024, '"1KiB"'), (5 * 1024**3, '"5GiB"'), (3 * 10**6, '"3MB"'), (1025, "1025")],
)
def test_size(value: int, shown: str) -> None:
    """So has a size."""
    assert tomlOf(value, Size) == shown
    assert size(tomllib.loads(f"value = {shown}")["value"]) == value


@pytest.mark.parametrize(
    "value",
    [
        'a "quoted" \\ text\n\t\x1b\x7f 한국어',
        True,
        -1,
        1e300,
        float("inf"),
        date(2026, 11, 21),
        [1, [2, 3]],
        [],
        {},
        {"a b": 1, "c": {"d": [True]}},
    ],
)
def test_toml(value: object) -> None:
    """What is shown is TOML, and is that value."""
    assert tomllib.loads(f"value = {tomlOf(value)}")["value"] == value


@pytest.mark.parametrize("value", [None, object(), [object()], {"a": object()}, print, Mood])
def test_no_toml(value: object) -> None:
    """What TOML has no form for is not shown."""
    assert tomlOf(value) is None


@attr.define
class Attrs:
    """A table by attrs."""

    names: list[str] = attr.field(factory=list)
    _secret: int = 3
    both: list[str] = attr.field(default=attr.Factory(lambda self: self.names, takes_self=True))


class Point(NamedTuple):
    """A table by typing."""

    x: int = 0
    y: int | None = None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Upstream("a"), '{ host = "a", port = 7, retries = [1, 2] }'),
        (Login(), '{ user = "root", hint = "" }'),
        (Attrs(), "{ names = [], secret = 3, both = [] }"),
        (Point(1), "{ x = 1 }"),
    ],
)
def test_tables_as_defaults(value: object, shown: str) -> None:
    """What a table makes is an inline table, without what is None."""
    assert tomlOf(value) == shown


class Level(Enum):
    """Means nothing by its values."""

    LOW = 1
    HIGH = 2


DEFAULTS: list[tuple[Any, Any]] = [
    (bytes, b"\xca\xfe"),
    (bytes, "한".encode()),
    (Decimal, Decimal("0.50")),
    (timedelta, timedelta(minutes=5)),
    (datetime, datetime(2026, 11, 21, 12, tzinfo=UTC)),
    (time, time(12)),
    (IPv4Network, IPv4Network("10.0.0.0/8")),
    (IPv6Interface, IPv6Interface("fc00::1/7")),
    (UUID, UUID(int=7)),
    (Path, Path("/etc/hosts")),
    (Level, Level.HIGH),
    (Mood, Mood.WILD),
    (frozenset[str], frozenset({"a"})),
    (Login, Login(user="x")),
    (Upstream, Upstream("a", 1)),
    (Point, Point(1, 2)),
]


@pytest.mark.parametrize(("kind", "value"), DEFAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_defaults_are_read_back(kind: Any, value: Any) -> None:
    """Whatever an option may be: a default, as it is shown, gives the default when it stands in a config."""

    def make(option: Any) -> SimpleNamespace:
        return SimpleNamespace(option=option)

    make.__annotations__["option"] = kind
    given = tomllib.loads(f"option = {tomlOf(value, kind)}")
    made, _ = Maker(make).make(given, Path())
    assert made.option == value


def test_defaults_that_are_made() -> None:
    """A default that attrs or a dataclass makes anew each time is shown too."""
    told = {name: each.default for name, each in options(Attrs).items()}
    assert told == {"names": "[]", "secret": "3", "both": None}
    assert options(Upstream)["retries"].default == "[1, 2]"


def test_tables() -> None:
    """The keys of a table stand below it, with the path that messages about them have."""

    def make(
        upstream: Upstream, logins: list[Login], node: Node | None = None, named: Mapping[str, Login] = {}
    ) -> None:
        pass

    told = options(make)
    assert [*told] == [
        "upstream",
        "upstream.host",
        "upstream.port",
        "upstream.retries",
        "logins",
        "logins[].user",
        "logins[].hint",
        "node",
        "node.name",
        "node.next",
        "node.next.user",
        "node.next.hint",
        "named",
        "named.*.user",
        "named.*.hint",
    ]
    assert told["upstream"].type == "a table"
    assert (told["upstream.host"].required, told["upstream.host"].doc) == (True, "A name or an address.")
    assert (told["logins[].user"].default, told["logins[].user"].doc) == ('"root"', "Its name.")
    assert told["logins[].hint"].doc == "said to who forgot"


class Branch(BaseModel):
    """Holds others of its kind."""

    name: str = ""
    branches: list[Branch] = []


def test_table_in_itself() -> None:
    """A table that holds its own kind is told once."""

    def make(tree: Branch) -> None:
        pass

    assert [*options(make)] == ["tree", "tree.name", "tree.branches"]


# Docs


def documented(form: str) -> Callable[..., None]:
    """Give a function with an option `size` and this docstring."""

    def make(size: int = 0, other: int = 0) -> None:
        pass

    make.__doc__ = form
    return make


@pytest.mark.parametrize(
    "form",
    [
        "Make.\n\n    @param size: in bytes,\n        of C{one} line.\n    @raise ValueError: size: bad\n    ",
        "@param size: in bytes, of one line.",
        "Make.\n\n    :param size: in bytes, of one line.\n    ",
        "Make.\n\n    Args:\n        size: in bytes,\n            of one line.\n        other: no\n    ",
        "Make.\n\n    Parameters\n    ----------\n    size : int\n        in bytes, of one line.\n    ",
    ],
)
def test_forms_of_docstrings(form: str) -> None:
    """epytext, reStructuredText, Google's and numpy's form are read, each on one line."""
    assert docsOf(documented(form), ["size"]) == {"size": "in bytes, of one line."}
    assert summaryOf(documented(form)) == ("Make." if form.startswith("Make.") else "")


@pytest.mark.parametrize("form", [None, "", "@param", ":param a b c d: x", "Args:\n  size"])
def test_docstrings_that_say_nothing(form: str | None) -> None:
    """A docstring that cannot be read is none."""
    make = documented("")
    make.__doc__ = form
    assert docsOf(make, ["size"]) == {}


def test_places_of_docs() -> None:
    """`__init__` counts before the class, both before the strings below attributes, and these before bases."""

    class Base:
        """Base.

        @param one: no
        @param four: of the base.
        """

    class Made(Base):
        """Made.

        @param one: no
        @param two: of the class.
        """

        one: int
        """No."""
        three: int
        """Of the
        attribute."""
        _five: int
        """Without its underscore."""

        def __init__(self) -> None:
            """@param one: of the method."""

    assert docsOf(Made, ["one", "two", "three", "four", "five"]) == {
        "one": "of the method.",
        "two": "of the class.",
        "three": "Of the attribute.",
        "four": "of the base.",
        "five": "Without its underscore.",
    }


def test_class_without_source() -> None:
    """Of a class whose source is nowhere, what it says itself is told."""
    made = type("Made", (), {"__doc__": "Made.\n\n@param size: in bytes."})
    assert docsOf(made, ["size"]) == {"size": "in bytes."}


def test_summary() -> None:
    """The first paragraph on one line; no docstring of a base, and no signature of a dataclass."""

    class Long:
        """Serves
        things.

        And so on.
        """

    class Bare(Long):
        pass

    assert summaryOf(Long) == "Serves things."
    assert summaryOf(Bare) == ""
    assert summaryOf(dataclasses.make_dataclass("Point", ["x"])) == ""
    assert summaryOf(Upstream) == "Where to go on."
    assert summaryOf(None) == ""


# Where it is served


class Speaker(MessageProtocol):
    """Speaks messages."""


class SpeakerFactory(Factory):
    """Has its protocol as a class attribute."""

    protocol = Speaker


class StreamsOnly(SpeakerFactory):
    """Is not for all."""

    transports = frozenset({"stream"})


class LateFactory(Factory):
    """Has its protocol from `__init__` on."""

    def __init__(self) -> None:
        self.protocol = Speaker


class PlainFactory(TwistedFactory):
    """Reads bytes."""

    protocol = Protocol


class Datagrams(DatagramProtocol):
    """Reads datagrams."""

    def __init__(self, size: int = 1) -> None:
        pass


def makeSpeaker() -> SpeakerFactory:
    """Return a Factory, and say which."""
    return SpeakerFactory()


loudSpeaker = partial(makeSpeaker)


def makeSomething():  # type: ignore[no-untyped-def]
    """Return a Factory, and do not say which."""
    return SpeakerFactory()


EVERYWHERE = ("streams", "UDP", "WebSocket")


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("Speaker", EVERYWHERE),
        ("SpeakerFactory", EVERYWHERE),
        ("StreamsOnly", ("streams",)),
        ("LateFactory", EVERYWHERE),
        ("PlainFactory", ("streams", "WebSocket")),
        ("Datagrams", ("UDP",)),
        ("makeSpeaker", EVERYWHERE),
        ("loudSpeaker", EVERYWHERE),
        ("makeSomething", ()),
    ],
)
def test_served(name: str, served: tuple[str, ...]) -> None:
    """Where it is served is told without making one, if it can be told."""
    offer = offered(f"{__name__}:{name}", Path(__file__))
    assert (offer.served, offer.error, offer.origin) == (served, None, __file__)
    assert [each.name for each in offer.options] == (["size"] if name == "Datagrams" else [])


def test_plain_protocol_has_no_options() -> None:
    """A Protocol class takes none, whatever its `__init__` does."""

    class Needy(MessageProtocol):
        def __init__(self, size: int) -> None:
            pass

    assert options(Needy) == {}
