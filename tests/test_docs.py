"""The documentation is true: its keys and defaults are the code's, and what it shows loads and runs."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from socklab import Factory
from socklab.config import ConfigError, loadConfig
from socklab.config.factories import optionsModel
from socklab.config.schema import (
    ConsoleTable,
    FileTable,
    ListenTable,
    RecordTable,
    RoomsTable,
    ServerTable,
    ServiceTable,
    TlsTable,
    WebSocketTable,
)
from socklab.limits import BACKLOG, Limits
from socklab.policy import rates
from socklab.protocols.chat import COMMANDS, ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import FIELDS, OneShotFactory
from socklab.testing import MemoryServer
from socklab.transports import output, refusing
from socklab.transports.hold import BURST
from socklab.transports.outbox import MAX_PAYLOAD
from tests.process import CHECKOUT

README = CHECKOUT / "README.md"
CONFIG = CHECKOUT / "docs" / "config.md"
LIMITS = CHECKOUT / "docs" / "limits.md"
PAGES = [
    README,
    *(CHECKOUT / name for name in ("README.ko.md", "CHANGELOG.md")),
    *sorted((CHECKOUT / "docs").rglob("*.md")),
]

# The heading of docs/config.md or docs/limits.md under which a table of keys stands, and what the keys are of.
TABLES: dict[str, type[BaseModel]] = {
    "`[server]`": ServerTable,
    "`[[service]]`": ServiceTable,
    "`listen`": ListenTable,
    "`[service.limits]`": Limits,
    "`[service.websocket]`": WebSocketTable,
    "`[service.tls]`": TlsTable,
    "`[service.record]`": RecordTable,
    "`[rooms]`": RoomsTable,
    "`[console]`": ConsoleTable,
    "echo": optionsModel(EchoFactory),
    "chat": optionsModel(ChatFactory),
    "oneshot": optionsModel(OneShotFactory),
}


class Block(NamedTuple):
    """What stands between two fences."""

    page: Path
    line: int
    language: str
    """As behind the opening fence; its first word is the language, the second tells of what it is a part."""
    text: str


def read(page: Path) -> str:
    """Give a page's text."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> Iterator[Block]:
    """Give the fenced blocks of a language."""
    for match in re.finditer(r"^```(\w[^\n]*)\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL):
        if match[1].split()[0] == language:
            line = match.string.count("\n", 0, match.start()) + 1
            yield Block(page, line, match[1], match[2])


def prose(page: Path) -> str:
    """Give a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)


def section(heading: str, page: Path = CONFIG) -> str:
    """Give what stands under a heading of a page, up to the next one."""
    _, found, rest = read(page).partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no section {heading}"
    return rest.partition("\n## ")[0]


def rows(text: str, *head: str) -> list[list[str]]:
    """Give the rows of the table that has this head; a `|` within a cell is none."""
    lines = iter(text.splitlines())
    wanted = f"| {' | '.join(head)} |"
    assert any(line == wanted for line in lines), f"no table with the head {wanted}"
    next(lines)
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([each.strip() for each in line.strip("|").split(" | ")])
        assert len(cells[-1]) == len(head), line
    return cells


def keys(heading: str) -> dict[str, str]:
    """Give the keys of a section's table with their defaults, both without the backticks.

    Limits have theirs on the page of limits, and nowhere else.
    """
    head = ["key", "type, unit", "default", "what happens"]
    pages = {"`[server]`": [CONFIG, LIMITS], "`[service.limits]`": [LIMITS]}.get(heading, [CONFIG])
    table = [row for page in pages for row in rows(section(heading, page), *head)]
    found = {row[0].strip("`"): row[2].strip("`") for row in table}
    assert len(found) == len(table), "a key stands twice"
    return found


def defaults() -> list[Any]:
    """Give each key that the docs must have: its heading, its name and its model."""
    return [
        pytest.param(heading, key, model, id=f"{heading.strip('`')} {key}")
        for heading, model in TABLES.items()
        for key in model.model_fields
    ]


# The keys


@pytest.mark.parametrize("heading", TABLES)
def test_no_key_is_invented(heading: str) -> None:
    """The pages name no key that the code does not know."""
    assert keys(heading).keys() == TABLES[heading].model_fields.keys()


@pytest.mark.parametrize(("heading", "key", "model"), defaults())
def test_default(heading: str, key: str, model: type[BaseModel]) -> None:
    """The pages say of each key the default that it has."""
    said, default = keys(heading)[key], model.model_fields[key].get_default(call_default_factory=True)
    if default is PydanticUndefined:
        assert said == "required"
    elif default is None:
        assert said == "none"
    elif isinstance(default, BaseModel):
        assert said == "{}"
        assert default == type(default)()
    else:
        # Read as the file would be: "64KiB" is 65536.
        value = tomllib.loads(f"value = {said}")["value"]
        listen = "tcp:0" if model is ConsoleTable else ["tcp:0"]
        required = {
            "protocol": "echo",
            "listen": listen,
            "endpoint": "tcp:0",
            "file": "x",
            "keep": 1,
            "engine": "nats://x",
        }
        given = {name: required[name] for name, field in model.model_fields.items() if field.is_required()}
        read = model.model_validate({**given, key: value}, context={"folder": CHECKOUT})
        assert getattr(read, key) == default


def test_every_table_is_documented() -> None:
    """The schema has no table that TABLES above leaves out."""
    assert FileTable.model_fields.keys() == {"server", "rooms", "console", "service"}
    tables = {
        each
        for model in (FileTable, ServiceTable)
        for field in model.model_fields.values()
        for each in (field.annotation, *get_args(field.annotation))
        if isinstance(each, type) and issubclass(each, BaseModel) and each is not ServiceTable
    }
    assert tables == {ServerTable, Limits, WebSocketTable, TlsTable, RecordTable, RoomsTable, ConsoleTable}


def test_what_cannot_be_set() -> None:
    """docs/limits.md tells the bounds that are not in the config as the code has them."""
    table = rows(section("What cannot be set", LIMITS), "what", "bound", "what happens")
    assert [float(row[1].split()[0]) for row in table] == [
        refusing._AT_ONCE,
        refusing._PATIENCE,
        refusing._ENOUGH,
        BACKLOG,
        BURST,
        output._PATIENCE,
        rates._ADDRESSES,
        MAX_PAYLOAD,
    ]


def test_attributes_of_factory() -> None:
    """docs/config.md tells all that a Factory can say of itself, with the defaults."""
    table = rows(section("Protocols of your own"), "attribute", "default", "what it says")
    said = {row[0].strip("`"): row[1].strip("`") for row in table}
    # `clock` and `rooms` have no default.
    own = {name for name in inspect.get_annotations(Factory) if name not in ("protocol", "clock", "rooms")}
    assert said.keys() == own
    for name, default in said.items():
        value = getattr(Factory, name)
        if isinstance(value, frozenset):
            assert eval(default) == value
        else:
            assert default == (value.__name__ if isinstance(value, type) else repr(value).replace("'", '"'))


def test_commands_of_chat() -> None:
    """docs/config.md lists the commands that chat has."""
    table = rows(section("chat"), "command", "what it does")
    assert {row[0].strip("`").split()[0] for row in table} == {*(f"/{name}" for name in COMMANDS), "//TEXT"}


def test_fields_of_oneshot() -> None:
    """docs/config.md lists the fields that a reply has."""
    table = rows(section("oneshot"), "field", "what stands there")
    assert set(re.findall(r"\{(\w+)\}", " ".join(row[0] for row in table))) == FIELDS


# The configs


def completed(block: Block) -> str:
    """Give a whole config: `toml server` has yet to get a service, `toml service` is the inside of one."""
    text = block.text
    match block.language.split()[1:]:
        case []:
            return text
        case ["server"]:
            return f'{text}[[service]]\nprotocol = "echo"\nlisten = ["tcp:0"]\n'
        case ["service"]:
            lines = ["[[service]]"]
            if not re.search("^protocol =", text, re.MULTILINE):
                lines.append('protocol = "echo"')
            if not re.search("^listen =", text, re.MULTILINE):
                lines.append('listen = ["tcp:0"]')
            return "\n".join([*lines, text])
    raise AssertionError(f"{block.page.name}, line {block.line}: what is {block.language}?")


# The tutorial's name modules that stand on the page too: tests/test_tutorial.py serves them.
CONFIGS = [
    pytest.param(block, id=f"{page.name}:{block.line}")
    for page in PAGES
    if page.name != "write-a-protocol.md"
    for block in blocks(page, "toml")
]


@pytest.mark.usefixtures("forgets_modules")
@pytest.mark.parametrize("block", CONFIGS)
def test_config_loads(block: Block, tmp_path: Path, certificate: Path) -> None:
    """Each config that is shown is a good one."""
    for each in (*certificate.iterdir(), CHECKOUT / "configs" / "shout.py"):
        shutil.copy(each, tmp_path)
    path = tmp_path / "shown.toml"
    path.write_text(completed(block), encoding="utf-8")
    assert loadConfig(path).services


def test_listen_forms(tmp_path: Path, certificate: Path) -> None:
    """Each form of `listen` that docs/config.md lists is one."""
    for each in ("key.pem", "cert.pem"):
        shutil.copy(certificate / each, tmp_path)
    (tmp_path / "certificates").mkdir()
    parts = [(certificate / each).read_bytes() for each in ("key.pem", "cert.pem")]
    (tmp_path / "certificates" / "example.com.pem").write_bytes(b"".join(parts))
    path = tmp_path / "form.toml"
    forms = [row[0].strip("`") for row in rows(section("`listen`"), "form", "what it opens")]
    assert len(forms) > 10
    for form in forms:
        path.write_text(f'[[service]]\nprotocol = "echo"\nlisten = [{form}]\n')
        assert loadConfig(path).services


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a bad config has the errors that are shown below it."""
    monkeypatch.chdir(tmp_path)
    text = section("Errors")
    config = re.search("^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert config
    path = Path("chat.toml")
    path.write_text(config[1])
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    shown = [line for line in text.splitlines() if line.startswith("chat.toml: ")]
    assert caught.value.lines == shown


# The protocol in the README


@pytest.fixture
def shout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The README's protocol, as a module that can be imported; its test stands beside it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    first, second = blocks(README, "python")
    (tmp_path / "shout.py").write_text(first.text)
    (tmp_path / "test_shout.py").write_text(second.text)
    monkeypatch.delitem(sys.modules, "shout", raising=False)
    module = load("shout", tmp_path)
    monkeypatch.setitem(sys.modules, "shout", module)
    return module


def load(name: str, folder: Path) -> ModuleType:
    """Run a file as a module."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("transport", ["tcp", "udp", "websocket"])
def test_protocol_in_readme(shout: ModuleType, transport: str) -> None:
    """The README's protocol does what the README says, over each transport."""
    peer = getattr(MemoryServer(shout.ShoutFactory(marks=3)), transport)()
    for _ in range(2):
        peer.say("hello")
        assert peer.hear() == ["HELLO!!!"]


def test_test_in_readme(shout: ModuleType, tmp_path: Path) -> None:
    """The README's test of it passes."""
    load("test_shout", tmp_path).test_shout()


def test_shout_is_the_shipped_one(shout: ModuleType, tmp_path: Path) -> None:
    """The README's protocol and config are those in configs/."""
    shipped = load("shout", CHECKOUT / "configs")
    for factory in (shout.ShoutFactory, shipped.ShoutFactory):
        peer = MemoryServer(factory(marks=1)).websocket()
        peer.sendMessage(b"ab", True)
        assert peer.receive() == [(b"AB!", True)]
    block, *_ = blocks(README, "toml")
    assert tomllib.loads(block.text) == tomllib.loads(read(CHECKOUT / "configs" / "custom.toml"))


# The pages


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    found = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Each relative link leads to a file, and to a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_pages_are_found(name: str) -> None:
    """Each page of docs/ is named in the README, where a newcomer looks; in Korean, if there is one."""
    text = read(CHECKOUT / name)
    pages = [f"docs/{each.name}" for each in (CHECKOUT / "docs").glob("*.md")]
    assert "docs/lab.md" in pages
    assert [
        each for each in pages if f"({each})" not in text and f"({each.replace('/', '/ko/')})" not in text
    ] == []


def test_files_in_readme() -> None:
    """Each file and folder of the project that the README names is there."""
    named = set(re.findall(r"\b(?:configs|docs|protocols|socklab|tests)/[\w./-]*\w", read(README)))
    assert "configs/custom.toml" in named
    assert [each for each in named if not (CHECKOUT / each).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make(page: Path) -> None:
    """Each `make TARGET` that is shown is a target."""
    targets = set(re.findall(r"^([a-z]+):", read(CHECKOUT / "Makefile"), re.MULTILINE))
    shown = {
        target
        for block in blocks(page, "console")
        for target in re.findall(r"^\$ make (\w+)", block.text, re.MULTILINE)
    }
    assert shown <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short(page: Path) -> None:
    """Prose is wrapped; tables and blocks need not be."""
    lines = [line for line in prose(page).splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 115] == []
