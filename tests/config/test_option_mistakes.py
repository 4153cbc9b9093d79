"""What is said of bad options: one line for each mistake, at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Interval, Len
from pydantic import AfterValidator, Field
from twisted.internet.task import Clock

from socklab import Factory, MessageProtocol, Seconds, Size
from socklab.config.factories import build
from tests.config import kinds
from tests.config.kinds import (
    FOLDER,
    Checked,
    Colour,
    Level,
    Model,
    Pair,
    Point,
    Root,
    Typed,
    Upstream,
    even,
    outcome,
)
from tests.config.support import DURATION, SIZE

BYTES = "expected text, or a list of bytes such as [0xca, 0xfe]"
V4 = 'an IPv4 address such as "127.0.0.1"'
V6 = 'an IPv6 address such as "::1"'


@pytest.mark.parametrize(
    ("annotation", "value", "lines"),
    [
        (bool, "1", ["x: expected true or false, got 1"]),
        (int, "true", ["x: expected an integer, got true"]),
        (int, "1.0", ["x: expected an integer, got 1.0"]),
        (float, "true", ["x: expected a number, got true"]),
        (float, "nan", ["x: expected a finite number, got nan"]),
        (list[float], "[1, -inf]", ["x[2]: expected a finite number, got -inf"]),
        (float, f"1{'0' * 400}", [f"x: expected a number, got 1{'0' * 76}..."]),
        (int | str, f"[0x{'f' * 5000}]", ["x: expected an integer or text, got what is too long to be shown"]),
        (str, "2026-11-21", ["x: expected text, got 2026-11-21"]),
        (str, "['\\u0085']", [r"x: expected text, got [" + '"\\\\u0085"]']),
        (bytes, "[256]", [f"x: {BYTES}, got [256]"]),
        (bytes, "[true]", [f"x: {BYTES}, got [true]"]),
        (bytes, "['a']", [f'x: {BYTES}, got ["a"]']),
        (Colour, "'Red'", ['x: expected "red" or "blue", got "Red"']),
        (Level, "3", ['x: expected "LOW" or "HIGH", got 3']),
        (Level, "true", ['x: expected "LOW" or "HIGH", got true']),
        (Literal[1, "a"], "true", ['x: expected 1 or "a", got true']),
        (list[int], "['a', 1, 'b']", ['x[1]: expected an integer, got "a"', 'x[3]: expected an integer, got "b"']),
        (
            list[list[int]],
            "[[1], ['a'], 3]",
            ['x[2][1]: expected an integer, got "a"', "x[3]: expected a list, got 3"],
        ),
        (tuple[int, str], "[1]", ["x[2]: is missing: expected text"]),
        (tuple[int, str], "[1, 'a', 2]", ['x: expected a list of 2 values, got [1, "a", 2]']),
        (tuple[int, str], "['a', 'b']", ['x[1]: expected an integer, got "a"']),
        (tuple[int, ...], "[1, '1']", ['x[2]: expected an integer, got "1"']),
        (set[Point], "[{x = 1}]", ["x[1]: cannot be in a set"]),
        (Sequence[str], "'abc'", ['x: expected a list, got "abc"']),
        (
            dict[str, int],
            "{a = 'b', 'c d' = 1.5}",
            ['x.a: expected an integer, got "b"', 'x."c d": expected an integer, got 1.5'],
        ),
        (
            dict[int, int],
            "{a = 1, 01 = 2}",
            ['x.a: the key: expected an integer, got "a"', 'x.01: the key: expected an integer, got "01"'],
        ),
        (dict[Colour, int], "{green = 1}", ['x.green: the key: expected "red" or "blue", got "green"']),
        (dict[str, dict[str, list[int]]], "{a = {b = [1, 'c']}}", ['x.a.b[2]: expected an integer, got "c"']),
        (int | list[int], "[1, 'a']", ['x[2]: expected an integer, got "a"']),
        (int | list[int], "'a'", ['x: expected an integer or a list, got "a"']),
        (Literal["a", "b"] | int | None, "1.5", ['x: expected "a", "b" or an integer, got 1.5']),
        (Point | Upstream, "{host = 'a', port = 'b'}", ['x.port: expected an integer, got "b"']),
        (Point | int, "{}", ["x.x: is missing: expected an integer"]),
        (Seconds, "'2 weeks'", [f'x: {DURATION}, got "2 weeks"']),
        (Size, "0", [f"x: {SIZE}, got 0"]),
        (timedelta, "-1", [f"x: {DURATION}, got -1"]),
        (timedelta, "'999999999999999999h'", [f'x: {DURATION}, got "999999999999999999h"']),
        (datetime, "2026-11-21", ["x: expected a date and time such as 2026-11-21T12:00:00Z, got 2026-11-21"]),
        (date, "2026-11-21T12:00:00", ["x: expected a date such as 2026-11-21, got 2026-11-21 12:00:00"]),
        (time, "'12:00'", ['x: expected a time such as 12:00:00, got "12:00"']),
        (Path, "''", ['x: expected the path of a file, got ""']),
        (Path, '"a\\u0000"', [r'x: expected the path of a file, got "a\x00"']),
        (
            re.Pattern,
            "'('",
            ['x: expected a regular expression, got "(": missing ), unterminated subpattern at position 0'],
        ),
        (IPv4Address, "1", [f"x: expected {V4}, got 1"]),
        (IPv4Address | IPv6Address, "'localhost'", [f'x: expected {V4} or {V6}, got "localhost"']),
        (Decimal, "inf", ['x: expected a number such as 0.5 or "0.50", got inf']),
        (Point, "{x = 'a', z = 1}", ['x.x: expected an integer, got "a"', "x.z: unknown key"]),
        (
            Point,
            "{x = 1, near = [{x = 1}, {x = 1, near = [{x = 'a'}]}]}",
            ['x.near[2].near[1].x: expected an integer, got "a"'],
        ),
        (list[Point], "[{x = 99}]", ["x[1].x: too far"]),
        (Upstream, "{host = 'a', prot = 1}", ["x.prot: unknown key; did you mean `port`?"]),
        (Upstream, "{host = 'a', port = 70000}", ["x.port: must be <= 65535: 70000"]),
        (Model, "{full-name = 'nobody'}", ["x.full-name: nobody is no name"]),
        (Model, "{name = 'a'}", ["x.name: unknown key; did you mean `full-name`?"]),
        (
            Model,
            "{port = 0, wait = 'x', kind = 'two'}",
            ["x.port: expected an integer of at least 1 and at most 65535, got 0", f'x.wait: {DURATION}, got "x"'],
        ),
        (Model, "{kind = 'two'}", ['x.kind: expected an integer, got "two"']),
        (Model, "{port = 1, kind = 1}", ["x: port 1 has no kind"]),
        (Checked, "{x = 9}", ["x.x: nine is taken"]),
        (Pair, "{b = 1}", ["x.b: expected text, got 1", "x.a: is missing: expected an integer"]),
        (Typed, "{b = 'b'}", ["x.a: is missing: expected an integer"]),
        (Annotated[int, AfterValidator(even)], "1", ["x: must be even"]),
        (
            Annotated[int, Field(gt=0, multiple_of=5)],
            "3",
            ["x: expected an integer above 0 that is a multiple of 5, got 3"],
        ),
        (Annotated[int, Interval(ge=1, lt=3)], "3", ["x: expected an integer of at least 1 and below 3, got 3"]),
        (list[Annotated[int, Field(ge=1)]], "[1, 0]", ["x[2]: expected an integer of at least 1, got 0"]),
        (Annotated[list[int], Field(min_length=1)], "[]", ["x: expected a list of at least 1 value, got []"]),
        (Annotated[list[int], Field(min_length=1)], "['a']", ['x[1]: expected an integer, got "a"']),
        (Annotated[str, Len(2, 3)], "'a'", ['x: expected text of at least 2 and at most 3 characters, got "a"']),
        (Annotated[str, Field(pattern="^a")], "'b'", ['x: expected text that matches ^a, got "b"']),
        (Annotated[bytes, Field(max_length=1)], "'ab'", [f'x: {BYTES}, got "ab"']),
        (
            Annotated[timedelta, Field(le=timedelta(seconds=9))],
            "10",
            [f"x: {DURATION}, of at most 0:00:09, got 10"],
        ),
    ],
)
def test_bad(annotation: Any, value: str, lines: list[str]) -> None:
    """One mistake is one line, which tells its place at any depth."""
    assert outcome(annotation, value) == lines


@pytest.mark.parametrize(
    ("x", "line"), [(98, "x: no such point"), (97, "x: Point failed: KeyError: 'no such point'")]
)
def test_own_line(x: int, line: str) -> None:
    """What a table's own code raises is told with its line."""
    (told,) = outcome(Point, f"{{x = {x}}}")
    assert re.fullmatch(rf"{line} \({re.escape(kinds.__file__)}, line \d+\)", told)


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (Clock, "a config has nothing that is a Clock"),
        (Clock | None, "a config has nothing that is a Clock"),
        (list[Clock], "a config has nothing that is a Clock"),
        (Callable[[int], int], "a config has nothing that is a Callable"),
        (type[Point], "a config has nothing that is a type"),
        (Root, "a config has nothing that is a Root"),
        (None, "a config has nothing that is a NoneType"),
        (dict[float, int], "a key in a config is nothing that is a float"),
        (dict[Point, int], "a key in a config is nothing that is a Point"),
        ("Nowhere", "name 'Nowhere' is not defined"),
        ("list[Nowhere]", "name 'Nowhere' is not defined"),
        ("1 +", "Forward reference must be an expression -- got '1 +'"),
    ],
)
def test_not_in_toml(annotation: Any, what: str) -> None:
    """What no config can give is the author's mistake when it is needed, else the operator's when it is given."""
    (line,) = outcome(annotation, "1")
    assert line.startswith(f"protocol: outcome.<locals>.make needs x, and {what} ({kinds.__file__}, line ")

    def make(x: Any = None) -> Factory:
        factory = Factory()
        factory.protocol = MessageProtocol
        return factory

    make.__annotations__["x"] = annotation
    assert build(make, {}, FOLDER)[1] == []
    assert build(make, {"x": 1}, FOLDER)[1] == [(("options", "x"), f"cannot be given: {what}")]
