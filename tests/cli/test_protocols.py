"""`socklab protocols`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from socklab.config import loadConfig
from tests.cli.support import SHOUT, Install, Run
from tests.config.support import one

ECHO = """\
echo (built in)
  Echo, over TCP byte for byte, over UDP and WebSocket message for message.
  served over: streams, UDP, WebSocket
  prefix: text (default "")
    text put before each text message or line; with it a stream is read in lines.
"""


def heads(listing: str) -> list[str]:
    """Give the first line of each protocol."""
    return [each.partition("\n")[0] for each in listing.split("\n\n")]


# What is listed


def test_name(run: Run) -> None:
    """One protocol: where it is from, what it does, where it is served, its options."""
    result = run("protocols", "echo")
    assert (result.exit_code, result.stdout, result.stderr) == (0, ECHO, "")


def test_all(run: Run, install: Install) -> None:
    """Without a name: the built-in ones, then those of packages with their versions, by name."""
    install(
        "shouting", "1.2", {"whisper": "shouting:ShoutFactory", "shout": "shouting:ShoutFactory"}, shouting=SHOUT
    )
    result = run("protocols")
    assert result.exit_code == 0
    assert result.stdout.startswith(ECHO)
    ours = [each for each in heads(result.stdout) if "built in" in each or "shouting" in each]
    assert ours == [
        "echo (built in)",
        "chat (built in)",
        "oneshot (built in)",
        "shout (shouting 1.2)",
        "whisper (shouting 1.2)",
    ]


def test_entry_point(run: Run, install: Install) -> None:
    """A Factory without a docstring is told by its protocol's."""
    install("shouting", "1.2", {"shout": "shouting:ShoutFactory"}, shouting=SHOUT)
    assert run("protocols", "shout").stdout == (
        "shout (shouting 1.2)\n"
        "  Send each message back in capitals.\n"
        "  served over: streams, UDP, WebSocket\n"
        "  marks: an integer (default 0)\n"
        "    how many exclamation marks to add.\n"
    )


def test_broken_entry_point(run: Run, install: Install) -> None:
    """One that does not import has its error in one line, and stops no other; asked for, it is a failure."""
    install("aaa", "1", {"broken": "aaa:Factory"}, aaa="import nothing_such\n")
    install("shouting", "1.2", {"shout": "shouting:ShoutFactory"}, shouting=SHOUT)
    result = run("protocols")
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if "nothing_such" in line]
    assert line.startswith("  cannot be served: ")
    assert line.endswith("aaa.py, line 1)")
    assert {"broken (aaa 1)", "shout (shouting 1.2)"} <= {*heads(result.stdout)}
    result = run("protocols", "broken")
    assert result.exit_code == 1
    assert result.stdout == f"broken (aaa 1)\n{line}\n"


def test_options_that_cannot_be_checked(run: Run, install: Install) -> None:
    """An annotation that means nothing is told with the protocol."""
    install("aaa", "1", {"odd": "aaa:make"}, aaa="def make(size: 'Nonsense'): ...\n")
    result = run("protocols", "odd")
    assert result.exit_code == 1
    said = "odd (aaa 1)\n  cannot be served: make needs size, and name 'Nonsense' is not defined ("
    assert result.stdout.startswith(said)
    assert result.stdout.endswith("aaa.py, line 1)\n")


def test_two_packages(run: Run, install: Install) -> None:
    """A name that two packages give is listed with both, and why neither is served."""
    install("first", "1", {"shout": "first:ShoutFactory"}, first=SHOUT)
    install("second", "2", {"shout": "second:ShoutFactory"}, second=SHOUT)
    listing = run("protocols").stdout
    assert {"shout (first 1)", "shout (second 2)"} <= {*heads(listing)}
    assert listing.count('cannot be served: more than one package has a protocol "shout"') == 2


# What NAME may be


def test_unknown(run: Run) -> None:
    """A name that is none: one line, status 1."""
    assert run("protocols", "").exit_code == 1
    result = run("protocols", "ecko")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: expected chat, echo, oneshot")
    assert result.stderr.endswith('got "ecko"; did you mean `echo`?\n')
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--folder", "sub"),
        ("--config", "sub/shout.toml"),
        ("--config", "sub/none.toml"),
    ],
)
def test_module(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A module is found in the folder that is named, or in that of the config."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shout.py").write_text(SHOUT)
    (tmp_path / "sub" / "shout.toml").write_text("")
    result = run("protocols", "shout:ShoutFactory", *arguments)
    assert result.exit_code == 0
    assert heads(result.stdout) == [f"shout:ShoutFactory ({tmp_path}/sub/shout.py)"]


def test_module_here(run: Run, tmp_path: Path) -> None:
    """Without either it is found in the current folder."""
    (tmp_path / "shout.py").write_text(SHOUT)
    assert run("protocols", "shout:ShoutFactory").exit_code == 0
    result = run("protocols", "shout:Nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: shout has no Nothing\n"


def test_folder_and_config(run: Run, tmp_path: Path) -> None:
    """Both at once contradict each other."""
    result = run("protocols", "--folder", ".", "--config", "x.toml")
    assert result.exit_code == 2
    assert "Give --folder or --config, not both." in result.stderr


# --config


def test_config(run: Run, tmp_path: Path) -> None:
    """With a config alone: the protocols that it names, each once, the missing ones with the reason."""
    (tmp_path / "shout.py").write_text(SHOUT)
    names = ("shout:ShoutFactory", "echo", "shout:ShoutFactory", "ecko")
    (tmp_path / "lab.toml").write_text("".join(one(each, more="nonsense = 1") for each in names))
    result = run("protocols", "--config", "lab.toml")
    assert result.exit_code == 0
    assert heads(result.stdout) == [
        f"shout:ShoutFactory ({tmp_path}/shout.py)",
        "echo (built in)",
        "ecko (lab.toml)",
    ]
    assert "  cannot be served: expected chat, echo," in result.stdout


@pytest.mark.parametrize("text", ["", "service = 3", "service = [3]", "[[service]]\nprotocol = 3"])
def test_config_without_names(run: Run, tmp_path: Path, text: str) -> None:
    """A config that names none has none."""
    (tmp_path / "lab.toml").write_text(text)
    result = run("protocols", "--config", "lab.toml")
    assert (result.exit_code, result.output) == (0, "")


def test_config_that_is_none(run: Run, tmp_path: Path) -> None:
    """A file that is no TOML, or not there, is one line."""
    (tmp_path / "lab.toml").write_text("[")
    result = run("protocols", "--config", "lab.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: lab.toml: ")
    assert run("protocols", "--config", "none.toml").stderr == "Error: none.toml: no such file or directory\n"


# For programs, and for terminals


def test_json(run: Run) -> None:
    """--json: the same, as an array; a default is what would stand in the file."""
    [echo] = json.loads(run("protocols", "echo", "--json").stdout)
    assert echo == {
        "name": "echo",
        "origin": "built in",
        "doc": "Echo, over TCP byte for byte, over UDP and WebSocket message for message.",
        "served": ["streams", "UDP", "WebSocket"],
        "options": [
            {
                "name": "prefix",
                "type": "text",
                "required": False,
                "default": '""',
                "doc": "text put before each text message or line; with it a stream is read in lines.",
            }
        ],
        "error": None,
    }
    everything = json.loads(run("protocols", "--json").stdout)
    assert {"echo", "chat", "oneshot"} <= {each["name"] for each in everything}


def test_defaults_are_good(run: Run, tmp_path: Path) -> None:
    """The defaults that are shown of the built-in ones can be put into a config, and are what they were."""
    for name in ("echo", "chat", "oneshot"):
        [offer] = json.loads(run("protocols", name, "--json").stdout)
        given = [each for each in offer["options"] if each["default"] is not None]
        assert given
        lines = [f"{each['name']} = {each['default']}\n" for each in given]
        (tmp_path / "lab.toml").write_text(one(name, more="".join(["[service.options]\n", *lines])))
        (tmp_path / "bare.toml").write_text(one(name))
        [service], [bare] = (loadConfig(tmp_path / each).services for each in ("lab.toml", "bare.toml"))
        assert service.options == bare.options
        assert tomllib.loads("".join(lines))


def test_module_that_prints(run: Run, install: Install) -> None:
    """What a module prints when it is imported goes to standard error, and spoils no JSON."""
    install("noisy", "1", {"noisy": "noisy:ShoutFactory"}, noisy=f"print('here I am')\n{SHOUT}")
    result = run("protocols", "noisy", "--json")
    assert [each["name"] for each in json.loads(result.stdout)] == ["noisy"]
    assert result.stderr == "here I am\n"


@pytest.mark.parametrize("columns", ["20", "300"])
def test_width(run: Run, install: Install, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Lines are the same whatever the terminal, wide characters or not: one for each fact, and none is cut."""
    monkeypatch.setenv("COLUMNS", columns)
    source = SHOUT.replace("how many exclamation marks to add", "느낌표를 몇 개나 붙일지 " * 20)
    install("shouting", "1.2", {"shout": "shouting:ShoutFactory"}, shouting=source)
    [_, _, _, _, line] = run("protocols", "shout").stdout.splitlines()
    assert line == "    " + ("느낌표를 몇 개나 붙일지 " * 20).strip() + " ."
