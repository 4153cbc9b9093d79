"""What stands in a config for each type that an option of a Factory may have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field, SecretStr

from socklab import Seconds, Size
from tests.config.kinds import (
    Checked,
    Colour,
    Level,
    Model,
    Pair,
    Point,
    Typed,
    Upstream,
    UserId,
    Word,
    even,
    outcome,
)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (bool, "true", True),
        (int, "0xff", 255),
        (float, "1", 1.0),
        (Annotated[float, Field(allow_inf_nan=True)], "inf", float("inf")),
        (str, "'''a\nb'''", "a\nb"),
        (bytes, "'안'", "안".encode()),
        (bytes, "[0xff, 0]", b"\xff\x00"),
        (list[bytes], "['a', [0xff]]", [b"a", b"\xff"]),
        (Colour, "'red'", Colour.RED),
        (Colour, "'RED'", Colour.RED),
        (Level, "2", Level.HIGH),
        (Level, "'HIGH'", Level.HIGH),
        (Literal["a", 1, True, Colour.RED, b"b"], "'red'", Colour.RED),
        (Literal["a", 1, True, Colour.RED, b"b"], "'b'", b"b"),
        (Literal[1, True], "true", True),
        (list, "[1, 'a']", [1, "a"]),
        (list[list[int]], "[[1], []]", [[1], []]),
        (tuple, "[1, 'a']", (1, "a")),
        (tuple[int, str], "[1, 'a']", (1, "a")),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (set[str], "['a', 'a']", {"a"}),
        (frozenset[int], "[1]", frozenset({1})),
        (Sequence[str], "['a']", ["a"]),
        (Iterable[int], "[1]", [1]),
        (dict, "{a = 1}", {"a": 1}),
        (dict[str, list[int]], "{a = [1]}", {"a": [1]}),
        (dict[int, str], "{1 = 'a', -2 = 'b'}", {1: "a", -2: "b"}),
        (dict[Colour, int], "{red = 1, BLUE = 2}", {Colour.RED: 1, Colour.BLUE: 2}),
        (Mapping[Path, int], "{a = 1}", {Path("/folder/a"): 1}),
        (int | None, "1", 1),
        (int | list[int], "[1]", [1]),
        (float | int, "1", 1),
        (float | int, "1.0", 1.0),
        (Path | str, "'a'", Path("/folder/a")),
        (Seconds | Literal["never"], "'never'", "never"),
        (Point | str, "{x = 1}", Point(1)),
        (Seconds, "'2m'", 120.0),
        (Size, "'1KiB'", 1024),
        (timedelta, "'250ms'", timedelta(milliseconds=250)),
        (datetime, "2026-11-21T12:00:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        (datetime, "2026-11-21T12:00:00", datetime(2026, 11, 21, 12)),  # noqa: DTZ001
        (date, "2026-11-21", date(2026, 11, 21)),
        (time, "12:00:00.5", time(12, 0, 0, 500_000)),
        (Path, "'a/b'", Path("/folder/a/b")),
        (Path, "'/a'", Path("/a")),
        (PurePosixPath, "'a'", PurePosixPath("/folder/a")),
        (re.Pattern[str], "'a+'", re.compile("a+")),
        (re.Pattern[bytes], "'a+'", re.compile(b"a+")),
        (IPv4Address | IPv6Address, "'::1'", IPv6Address("::1")),
        (IPv4Interface, "'10.0.0.1/8'", IPv4Interface("10.0.0.1/8")),
        (IPv4Network | IPv6Network, "'10.0.0.0/8'", ip_network("10.0.0.0/8")),
        (Decimal, "0.1", Decimal("0.1")),
        (Decimal, "'0.10'", Decimal("0.10")),
        (Decimal, "3", Decimal(3)),
        (UUID, "'12345678-1234-5678-1234-567812345678'", UUID("12345678-1234-5678-1234-567812345678")),
        (SecretStr, "'a'", SecretStr("a")),
        (UserId, "1", 1),
        (Word, "'a'", "a"),
        (Any, "[1, {a = 2026-11-21}]", [1, {"a": date(2026, 11, 21)}]),
        (object, "1", 1),
        (Point, "{x = 1, near = [{x = 2, near = [{x = 3}]}]}", Point(1, near=[Point(2, near=[Point(3)])])),
        (Upstream, "{host = 'a', port = 1, file = 'b'}", Upstream("a", 1, Path("/folder/b"))),
        (dict[str, Upstream], "{a = {host = 'a'}}", {"a": Upstream("a")}),
        (
            Model,
            "{full-name = 'a', file = 'b', wait = '2s', kind = 'one'}",
            Model(**{"full-name": "a"}, file=Path("/folder/b"), wait=2.0, kind=1),
        ),
        (Checked, "{x = 1}", Checked(1)),
        (Pair, "{a = 1}", Pair(1)),
        (Typed, "{a = 1}", {"a": 1}),
        (Annotated[int, AfterValidator(even)], "2", 2),
    ],
)
def test_good(annotation: Any, value: str, result: Any) -> None:
    """What TOML has is taken for what Python has; paths are of the config's folder."""
    made = outcome(annotation, value)
    assert made == result
    assert type(made) is type(result)
