"""`[rooms]`: every wrong value in one line, and nothing that is secret in any."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import trustme

from socklab.config import loadConfig
from socklab.plan import plan
from socklab.source import Given, reading
from tests.config.support import complaints, load, one

ENGINE = 'expected a URL, such as "nats://127.0.0.1:4222"'

MISTAKES = [
    ("", "is missing: " + ENGINE + ", or a list of them", "engine"),
    ("engine = 3", ENGINE + ", or a list of them, got 3", "engine"),
    ("engine = []", ENGINE + ", or a list of them, got []", "engine"),
    ('engine = "redis://u:secret@h:1"', ENGINE + ' or "tls://host:4222", got "redis://h:1"', "engine"),
    ('engine = "secret@host"', ENGINE + ' or "tls://host:4222"', "engine"),
    ('engine = "nats://u:12/secret@host:4222"', ENGINE + ' or "tls://host:4222"', "engine"),
    ('engine = "nats://u:12?secret@host:4222"', ENGINE + ' or "tls://host:4222"', "engine"),
    ('engine = "nats://u:12#secret@host:4222"', ENGINE + ' or "tls://host:4222"', "engine"),
    ('engine = "127.0.0.1:4222"', ENGINE + ' or "tls://host:4222", got "127.0.0.1:4222"', "engine"),
    ('engine = ["nats://secret@h", 5]', ENGINE + ", or a list of them", "engine"),
    ('engine = {a = "nats://secret@h"}', ENGINE + ", or a list of them", "engine"),
    ('engine = "nats://h:99999"', ENGINE, "engine"),
    ('engine = "nats://h/path"', ENGINE + ' or "tls://host:4222", got "nats://h"', "engine"),
    ('engine = ["nats://h", "x"]', ENGINE + ' or "tls://host:4222", got "x"', "engine[2]"),
    (
        'engine = "nats://h"\nname = "a.b"',
        'expected a name of at most 32 letters, digits, - and _, got "a.b"',
        "name",
    ),
    ('engine = "nats://h"\nreplicas = 2', "expected 1, 3 or 5, got 2", "replicas"),
    ('engine = "nats://h"\nkeep = 9', "expected a duration of at least 10 s, got 9", "keep"),
    ('engine = "nats://h"\nkeep_bytes = "1MB"', 'expected a size of at least 2 MiB, got "1MB"', "keep_bytes"),
    ('engine = "nats://h"\nqueue = 0', "expected an integer of at least 1, got 0", "queue"),
    ('engine = "nats://h"\ntoken_file = "empty"', "the file is empty", "token_file"),
    ('engine = "tls://h"\nca = "token"', "has no certificate in PEM", "ca"),
    ('engine = "nats://h"\nca = "ca.pem"', "no engine of this table is asked over TLS: it needs a tls: URL", "ca"),
    (
        'engine = "nats://h"\ntoken_file = "token"\ncredentials = "token"',
        "goes without token_file: one of them is enough",
        "credentials",
    ),
    ('engine = "nats://h"\ntoken = "secret"', "unknown key; did you mean `token_file`?", "token"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that a config can name."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "token").write_text("secret\n")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


@pytest.mark.parametrize(("table", "what", "key"), MISTAKES)
def test_mistakes(folder: Path, table: str, what: str, key: str) -> None:
    """Each mistake is one line, without passwords and tokens."""
    (said,) = complaints(folder, f"[rooms]\n{table}\n{one()}")
    assert said == f"FILE: rooms.{key}: {what}"
    assert "secret" not in said


def test_missing_file(folder: Path) -> None:
    """A file that cannot be read is a mistake."""
    (said,) = complaints(folder, f'[rooms]\nengine = "nats://h"\ntoken_file = "none"\n{one()}')
    assert said.startswith("FILE: rooms.token_file: ")


def test_missing_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nats-py the line says how to install it."""
    found = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "nats" else found(name, package)

    monkeypatch.setattr("socklab.config.rooms.find_spec", find)
    assert complaints(folder, f'[rooms]\nengine = "nats://h"\n{one()}') == [
        "FILE: rooms.engine: nats-py is not installed: pip install 'socklab[cluster]'"
    ]


def test_good(folder: Path) -> None:
    """What is read from files is there, and not shown with the rest."""
    text = '[rooms]\nengine = ["tls://h", "nats://n:secret@i:1"]\nca = "ca.pem"\ntoken_file = "token"\nqueue = 5\n'
    config = load(folder, text + one())
    assert config.rooms is not None
    assert config.rooms.token == "secret"
    assert config.rooms.tls is not None
    assert config.rooms.queue.lines == 5
    assert "secret" not in repr(config)


def test_reload(folder: Path) -> None:
    """A change needs a restart, and the plan says so."""
    old = load(folder, f'[rooms]\nengine = "nats://h"\n{one()}')
    new = load(folder, f'[rooms]\nengine = "nats://h"\nqueue = 5\n{one()}')
    assert [*plan(old, new).lines()] == ["= echo", "! [rooms]: needs a restart"]
    assert [*plan(old, old).lines()] == ["= echo"]


def test_reload_as_somebody_else(folder: Path) -> None:
    """A file that the server may not read any more, as the user that it has become, is no change; to name it no
    more is one, and so is any other."""
    table = '[rooms]\nengine = "tls://h"\nca = "ca.pem"\ntoken_file = "token"\n'
    old = load(folder, table + one())

    def planned(text: str) -> list[str]:
        path = folder / "lab.toml"
        with reading(Given({str(path): (text + one()).encode()})):
            return [*plan(old, loadConfig(path, again=True)).lines()]

    assert planned(table) == ["= echo"]
    for other in (table.replace('token_file = "token"\n', ""), table + "queue = 5\n", ""):
        assert planned(other) == ["= echo", "! [rooms]: needs a restart"]
