"""`[service.options]`: the keyword arguments of Factories."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from socklab.config import ConfigError, loadConfig
from tests.config.support import (
    DURATION,
    FIELDS,
    OWN,
    SIZE,
    complaints,
    load,
    one,
    service,
)

RICH = """
from __future__ import annotations
import dataclasses
import enum
from pathlib import Path
from typing import Annotated, Any, Literal
from pydantic import BaseModel, Field
from socklab import Factory, MessageProtocol, Seconds, Size

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

@dataclasses.dataclass
class Point:
    x: int
    path: Path | None = None

class Model(BaseModel):
    x: int

class Rich(Factory):
    protocol = MessageProtocol
    def __init__(
        self,
        count: Annotated[int, Field(ge=1, le=9)] = 1,
        ratio: float = 0.5,
        flag: bool = False,
        text: str = "",
        raw: bytes = b"",
        mode: Literal["a", "b"] | int = "a",
        colour: Colour = Colour.RED,
        words: tuple[str, ...] = (),
        numbers: list[int] = [],
        names: set[str] = frozenset(),
        table: dict[str, int] = {},
        point: Point | None = None,
        model: Model = Model(x=0),
        file: Path | None = None,
        files: list[Path] = [],
        wait: Seconds = 1,
        room: Size = 1,
        copy: bool = False,
        schema: str = "",
        anything: Any = None,
    ) -> None:
        self.given = {**locals()}
        del self.given["self"]
"""


class TestOptions:
    """`[service.options]`: the Factory's own keyword arguments."""

    @pytest.mark.parametrize(
        ("protocol", "options", "lines"),
        [
            ("echo", "prefx = 'a'", ["options.prefx: unknown key; did you mean `prefix`?"]),
            ("echo", "nothing = 'a'", ["options.nothing: unknown key"]),
            ("echo", "prefix = 3", ["options.prefix: expected text, got 3"]),
            (
                "chat",
                "history = 'all'\necho_self = 1\ngreeting = []\nmax_rooms = 1.5",
                [
                    "options.greeting: expected text, got []",
                    'options.history: expected an integer, got "all"',
                    "options.echo_self: expected true or false, got 1",
                    "options.max_rooms: expected an integer, got 1.5",
                ],
            ),
            ("chat", "history = -1", ["options.history: expected an integer of at least 0, got -1"]),
            ("chat", "max_nick = 0", ["options.max_nick: expected an integer of at least 1, got 0"]),
            ("chat", "max_rooms = 0", ["options.max_rooms: expected an integer of at least 1, got 0"]),
            (
                "chat",
                "format = '{name}: {text}'",
                ["options.format: expected text with the fields {nick}, {room}, {text}: there is no field {name}"],
            ),
            (
                "oneshot",
                "until = 'lines'",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got "lines"'],
            ),
            (
                "oneshot",
                "until = true",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got true'],
            ),
            (
                "oneshot",
                "until = 1.5",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got 1.5'],
            ),
            ("oneshot", "until = 0", ["options.until: expected an integer of at least 1, got 0"]),
            ("oneshot", "reply = '{reqest}'", [f"options.reply: {FIELDS}: there is no field {{reqest}}"]),
            ("oneshot", "reply = '{'", [f"options.reply: {FIELDS}: Single '{{' encountered in format string"]),
            (
                "oneshot",
                "reply_on_timeout = '{text}'",
                [f"options.reply_on_timeout: {FIELDS}: there is no field {{text}}"],
            ),
            ("oneshot", "timeout = 0", ["options.timeout: expected more than 0 seconds, got 0"]),
            ("oneshot", "timeout = 'soon'", [f'options.timeout: {DURATION}, got "soon"']),
            ("oneshot", "reply_file = 3", ["options.reply_file: expected the path of a file, got 3"]),
            ("oneshot", "reply_file = 'nope'", ["options.reply_file: DIR/nope: no such file or directory"]),
            ("oneshot", "reply_file = '.'", ["options.reply_file: DIR: is a directory"]),
            (
                "oneshot",
                "reply = 'a'\nreply_file = 'lab.toml'",
                ["options.reply_file: give this or reply, not both"],
            ),
            ("own:Says", "marks = 3", ["options: Says is a Protocol, and takes none"]),
            ("own:says", "", ["options.marks: is missing: expected an integer"]),
            ("own:says", "mark = 3", ["options.mark: unknown key; did you mean `marks`?"]),
            (
                "own:says",
                "nothing = 3",
                ["options.nothing: unknown key", "options.marks: is missing: expected an integer"],
            ),
            ("own:untold", "", ["options.x: is missing: expected a value"]),
            ("own:stopping", "", ["options: it is raining (DIR/own.py, line 40)"]),
        ],
    )
    def test_bad(self, protocol: str, options: str, lines: list[str], tmp_path: Path) -> None:
        """Options are checked against the annotations, and by the Factory itself."""
        got = complaints(tmp_path, one(protocol, more=f"[service.options]\n{options}"), own=OWN)
        assert got == [f'FILE: service[1] "{protocol}": {line}' for line in lines]

    def test_datagram_protocol_is_tried(self, tmp_path: Path) -> None:
        """What a DatagramProtocol refuses is told before a port opens, too."""
        got = complaints(tmp_path, one("own:Datagrams", "'udp:0'", "[service.options]\nsize = 0"), own=OWN)
        why = "options.size: expected an integer of at least 1, got 0"
        assert got == [f'FILE: service[1] "own:Datagrams": {why}']

    def test_every_type(self, tmp_path: Path) -> None:
        """What TOML has is taken for what Python has: lists, text, tables; paths are of the file's folder."""
        options = """[service.options]
            count = 9
            ratio = 2
            flag = true
            text = "안녕"
            raw = "안녕"
            mode = 3
            colour = "blue"
            words = ["a", "b"]
            numbers = [1, 2]
            names = ["a", "a"]
            table = { a = 1 }
            point = { x = 1, path = "p" }
            model = { x = 1 }
            file = "f"
            files = ["f", "/g"]
            wait = "250ms"
            room = "1KiB"
            copy = true
            schema = "s"
            anything = [1, "a"]
        """
        found = service(load(tmp_path, one("typed_options:Rich", more=options), typed_options=RICH))
        module = sys.modules["typed_options"]
        assert found.factory.given == {
            "count": 9,
            "ratio": 2.0,
            "flag": True,
            "text": "안녕",
            "raw": "안녕".encode(),
            "mode": 3,
            "colour": module.Colour.BLUE,
            "words": ("a", "b"),
            "numbers": [1, 2],
            "names": {"a"},
            "table": {"a": 1},
            "point": module.Point(1, tmp_path / "p"),
            "model": module.Model(x=1),
            "file": tmp_path / "f",
            "files": [tmp_path / "f", Path("/g")],
            "wait": 0.25,
            "room": 1024,
            "copy": True,
            "schema": "s",
            "anything": [1, "a"],
        }

    @pytest.mark.filterwarnings("error")
    def test_defaults_are_the_factory_s_own(self, tmp_path: Path) -> None:
        """An option that is not given is not passed; option names that pydantic uses itself are no matter."""
        given = service(load(tmp_path, one("typed_options:Rich"), typed_options=RICH)).factory.given
        assert (given["words"], given["point"], given["copy"], given["wait"]) == ((), None, False, 1)

    @pytest.mark.parametrize(
        ("option", "why"),
        [
            ("count = 0", "count: expected an integer of at least 1 and at most 9, got 0"),
            ("ratio = 'x'", 'ratio: expected a number, got "x"'),
            ("raw = 3", "raw: expected text, or a list of bytes such as [0xca, 0xfe], got 3"),
            ("mode = 'c'", 'mode: expected "a", "b" or an integer, got "c"'),
            ("colour = 'green'", 'colour: expected "red" or "blue", got "green"'),
            ("words = 'a'", 'words: expected a list, got "a"'),
            ("words = ['a', 3]", "words[2]: expected text, got 3"),
            ("numbers = ['a']", 'numbers[1]: expected an integer, got "a"'),
            ("names = [3]", "names[1]: expected text, got 3"),
            ("table = 3", "table: expected a table, got 3"),
            ("table = { a = 'b' }", 'table.a: expected an integer, got "b"'),
            ("point = 3", "point: expected a table, got 3"),
            ("point = {}", "point.x: is missing: expected an integer"),
            ("point = { x = '1' }", 'point.x: expected an integer, got "1"'),
            ("point = { x = 1, pat = 'a' }", "point.pat: unknown key; did you mean `path`?"),
            ("model = { x = 'a' }", 'model.x: expected an integer, got "a"'),
            ("file = 3", "file: expected the path of a file, got 3"),
            ("files = ['a', 3]", "files[2]: expected the path of a file, got 3"),
            ("files = 'a'", 'files: expected a list, got "a"'),
            ("wait = -1", f"wait: {DURATION}, got -1"),
            ("room = 0", f"room: {SIZE}, got 0"),
        ],
    )
    def test_every_type_wrong(self, option: str, why: str, tmp_path: Path) -> None:
        """A wrong value is told in the operator's words, at its place."""
        got = complaints(
            tmp_path, one("typed_options:Rich", more=f"[service.options]\n{option}"), typed_options=RICH
        )
        assert got == [f'FILE: service[1] "typed_options:Rich": options.{why}']

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A reply file stands beside the config, wherever twistd runs."""
        (tmp_path / "reply.bin").write_bytes(b"\xffreply")
        monkeypatch.chdir("/")
        found = service(load(tmp_path, one("oneshot", more="[service.options]\nreply_file = 'reply.bin'")))
        assert found.factory.reply == b"\xffreply"


def test_until_beyond_the_limit(tmp_path: Path) -> None:
    """A request longer than a message may be could never come: that is a mistake in the config."""
    path = tmp_path / "lab.toml"
    path.write_text(
        '[[service]]\nprotocol = "oneshot"\nlisten = ["tcp:0"]\n'
        "options = { until = 200 }\nlimits = { message = 100 }\n"
    )
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert caught.value.lines == [
        f'{path}: service[1] "oneshot": options.until: 200 bytes exceed limits.message, which is 100'
    ]
