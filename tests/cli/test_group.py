"""The console script as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from click.testing import CliRunner

from socklab.cli import main
from socklab.cli.console import command as console
from tests.cli.support import SHOUT, Run
from tests.config.support import one
from tests.process import ENVIRONMENT


def python(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python, in a folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_script() -> None:
    """setup.cfg installs it as `socklab`."""
    [script] = entry_points(group="console_scripts", name="socklab")
    assert script.load() is main


def test_version(run: Run) -> None:
    """--version: the name and the version."""
    assert run("--version").stdout == f"socklab {version('socklab')}\n"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help(run: Run, command: str) -> None:
    """Each command is listed with a line that is whole, and its --help has an example and its statuses."""
    listed = [line.split(maxsplit=1) for line in run("--help").stdout.splitlines()]
    [line] = [words[1] for words in listed if words and words[0] == command]
    assert not line.endswith("...")
    text = run(command, "-h").stdout
    assert f"  Example:\n    socklab {command}" in text.replace("Examples:", "Example:")
    assert run(command, "--help").stdout == text


@pytest.mark.parametrize("command", sorted(console.commands))
def test_help_of_console(run: Run, command: str) -> None:
    """So has each command of `socklab console`."""
    text = run("console", command, "--help").stdout
    assert f"  Example:\n    socklab console {command}" in text.replace("Examples:", "Example:")


def test_unknown_command(run: Run) -> None:
    """A command that there is not: status 2, and the nearest one."""
    result = run("chek")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such command 'chek'" in result.stderr


def test_module(tmp_path: Path) -> None:
    """`python -m socklab` is the same."""
    (tmp_path / "lab.toml").write_text(one())
    done = python("-m", "socklab", "check", "lab.toml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "lab.toml: good: 1 service, 1 listener\n"), done.stderr


def test_help_is_quick(tmp_path: Path) -> None:
    """Help and completion import no config, no transport and no reader of docstrings."""
    script = (
        "import sys, socklab.cli\n"
        "try: socklab.cli.main(['--help'])\n"
        "finally: print([each for each in sys.modules if each.startswith(\n"
        "    ('socklab.client', 'socklab.config', 'twisted', 'pydantic', 'docstring_parser',\n"
        "    'autobahn', 'rich', 'prompt_toolkit'))])\n"
    )
    done = python("-c", script, folder=tmp_path)
    assert done.stdout.endswith("\n[]\n"), done.stderr


def test_no_reactor(tmp_path: Path) -> None:
    """No command installs a reactor: who embeds one chooses it."""
    (tmp_path / "lab.toml").write_text(one(listen="'tcp:0', 'udp:0', 'ws:tcp:0:interface=\\:\\:1'"))
    commands = ["protocols", "check lab.toml", "explain lab.toml ws ::1", "new something-new"]
    script = (
        "import sys, socklab.cli\n"
        "for command in sys.argv[1:]:\n"
        "    try: socklab.cli.main(command.split())\n"
        "    except SystemExit as end: print(end.code, 'twisted.internet.reactor' in sys.modules, command)\n"
    )
    done = python("-c", script, *commands, folder=tmp_path)
    said = [line for line in done.stdout.splitlines() if line.startswith("0 False ")]
    assert said == [f"0 False {command}" for command in commands], done.stdout + done.stderr


def test_terminal_that_lacks_characters(tmp_path: Path) -> None:
    """What the encoding of the output lacks stands as an escape, and is no traceback."""
    (tmp_path / "shout.py").write_text(SHOUT.replace("capitals", "대문자"), encoding="utf-8")
    done = python("-m", "socklab", "protocols", "shout:ShoutFactory", folder=tmp_path, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "\n  Send each message back in \\ub300\\ubb38\\uc790.\n" in done.stdout


def test_reader_that_leaves(tmp_path: Path) -> None:
    """When nobody reads on, as behind `head`, it ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "socklab", "protocols"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


# Completion


def completed(words: str, script: str = "") -> list[str]:
    """Give what bash would offer after these words."""
    environment = {
        "_SOCKLAB_COMPLETE": script or "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = CliRunner().invoke(main, prog_name="socklab", env=environment)
    assert done.exit_code == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "socklab ",
            [
                f"plain,{each}"
                for each in (
                    "certificate",
                    "check",
                    "connect",
                    "console",
                    "explain",
                    "export",
                    "new",
                    "plan",
                    "probe",
                    "protocols",
                    "replay",
                    "send",
                    "show",
                    "status",
                )
            ],
        ),
        ("socklab pro", ["plain,probe", "plain,protocols"]),
        ("socklab send --until ", ["plain,line", "plain,message", "plain,eof", "plain,idle"]),
        ("socklab connect --encoding cp", ["plain,cp949"]),
        ("socklab send --sh", ["plain,--show"]),
        ("socklab protocols --j", ["plain,--json"]),
        ("socklab protocols one", ["plain,oneshot"]),
        ("socklab check l", ["file,l"]),
        ("socklab protocols --folder x", ["dir,x"]),
    ],
)
def test_completion(words: str, expected: list[str]) -> None:
    """TAB completes commands, options, names of protocols, words, files and folders."""
    assert completed(words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    """It prints what makes a shell ask it."""
    text = "\n".join(completed("", f"{shell}_source"))
    assert f"_SOCKLAB_COMPLETE={shell}_complete" in text
