"""Whatever stands in `[service.options]`, the outcome is a Factory, or lines that an operator can use."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field
from twisted.internet.task import Clock

from socklab import Factory, MessageProtocol, Seconds, Size
from socklab.config.errors import place
from socklab.config.options import Maker, Unmade
from tests.config.kinds import Checked, Colour, Level, Model, Pair, Point, Typed, Upstream

FOLDER = Path("/folder")


class Rich(Factory):
    """Takes all that there is."""

    protocol = MessageProtocol

    def __init__(
        self,
        flag: bool = False,
        count: Annotated[int, Field(ge=1, le=9)] = 1,
        ratio: float = 0.5,
        text: str = "",
        raw: bytes = b"",
        mode: Literal["a", 1, True] = "a",
        colour: Colour | Level = Colour.RED,
        words: Annotated[list[str], Field(max_length=2)] | None = None,
        mixed: tuple[int, str, list[Point]] | None = None,
        names: frozenset[str] | set[Point] | None = None,
        table: dict[str, dict[int, Point | int | list[str]]] | None = None,
        point: Point | Upstream | Pair | None = None,
        points: list[Point] | None = None,
        upstreams: dict[Colour, Upstream] | None = None,
        model: Model | list[Model] | None = None,
        typed: Typed | Checked | None = None,
        wait: Seconds = 1,
        room: Size | float = 1,
        delay: timedelta | None = None,
        when: datetime | date | time | None = None,
        file: Path | None = None,
        pattern: re.Pattern[str] | None = None,
        address: IPv4Address | IPv6Network | None = None,
        exact: Decimal | None = None,
        clock: Clock | None = None,
        anything: Any = None,
        unsaid=None,  # type: ignore[no-untyped-def]
        **others: int | list[int],
    ) -> None:
        pass


WORDS = [
    "",
    "a",
    "red",
    "LOW",
    "1",
    "x",
    "host",
    "port",
    "b",
    "[key]",
    "2s",
    "1KiB",
    "(",
    "::1/128",
    "a\nb",
    "\x85",
    ".",
]
KEYS = st.sampled_from(
    [*WORDS, "y", "near", "full-name", "file", "kind", "wait", "_x", "model_config", "__init__", "하나"]
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 97, 98, 99]),
    st.floats(),
    st.sampled_from(WORDS),
    st.text(max_size=3),
    st.datetimes(),
    st.dates(),
    st.times(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OPTIONS = st.sampled_from([*Rich.__init__.__annotations__, "nothing", "_hidden", "model_fields", "copy"])


def isIn(raw: object, loc: tuple[object, ...]) -> bool:
    """Tell whether a place is in a value; its last step may be of a key that is missing."""
    for step in loc[:-1]:
        try:
            raw = raw[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return not loc or isinstance(raw, dict | list)


MAKER = Maker(Rich)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(OPTIONS, VALUES, max_size=5))
def test_outcome(options: dict[str, Any]) -> None:
    """There is a Factory, or each mistake has a line, at a place that is there, in no words of pydantic's."""
    unmade: Unmade | None = None
    try:
        factory, values = MAKER.make(options, FOLDER)
    except Unmade as error:
        unmade = error
    if unmade is None:
        assert isinstance(factory, Rich)
        assert set(options) <= set(values)
        return
    assert not unmade.isFault
    wrong = unmade.mistakes
    assert len(wrong) == len({loc for loc, _ in wrong}) > 0
    for loc, what in wrong:
        assert isIn(options, loc)
        line = f"{place(('options', *loc), {'options': options})}: {what}"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
        assert not re.search("Input should|validation error|pydantic|Traceback|Value error", line)
