"""`socklab new`: what it writes, and what it refuses."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from socklab.cli.project import FILES
from tests.cli.support import Install, Run
from tests.process import ENVIRONMENT

WRITTEN = [
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "my-shout.toml",
    "my_shout/__init__.py",
    "my_shout/py.typed",
    "tests/test_memory.py",
    "tests/test_network.py",
    ".gitignore",
]


def tree(folder: Path) -> set[str]:
    """Give all files and folders below one."""
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


# What it writes


def test_files(run: Run, tmp_path: Path) -> None:
    """It writes these files into the folder of that name, and says so."""
    result = run("new", "my-shout")
    assert result.exit_code == 0
    assert result.stdout.partition("\n\n")[0].splitlines() == [f"wrote my-shout/{each}" for each in WRITTEN]
    assert tree(tmp_path / "my-shout") == {*WRITTEN, "my_shout", "tests"}


def test_every_template_is_used() -> None:
    """The folder of templates holds those that are written, and no other."""
    assert {each.name for each in (files("socklab.cli") / "template").iterdir()} == {
        f"{each}.tmpl" for each in FILES
    }


def test_nothing_is_left_to_fill_in(run: Run, tmp_path: Path) -> None:
    """No placeholder is left, and the name stands where it belongs."""
    run("new", "my-shout")
    project = tmp_path / "my-shout"
    texts = {each: (project / each).read_text() for each in WRITTEN}
    assert not [each for each, text in texts.items() if "${" in text or "$name" in text or "$package" in text]
    assert "my-shout = my_shout:MyShoutFactory\n" in texts["setup.cfg"]
    assert "class MyShoutProtocol(MessageProtocol):" in texts["my_shout/__init__.py"]
    assert 'protocol = "my_shout:MyShoutFactory"' in texts["my-shout.toml"]


def test_next(run: Run) -> None:
    """It ends with what to type next."""
    assert run("new", "shout").stdout.endswith(
        "  cd shout\n"
        "  python -m pip install -e '.[test]'\n"
        "  pytest\n"
        "  twistd -n --pidfile= socklab --config shout.toml\n"
        "\n"
        "shout/README.md tells more.\n"
    )


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="it is not run from a virtual environment")
@pytest.mark.parametrize("active", [True, False])
def test_next_in_another_environment(run: Run, monkeypatch: pytest.MonkeyPatch, active: bool) -> None:
    """Run by its path, it says first how its own environment is entered."""
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix if active else "/elsewhere")
    first = f". {shlex.quote(f'{sys.prefix}/bin/activate')}"
    assert (f"\n  {first}\n  cd shout\n" in run("new", "shout").stdout) is not active


def test_folder(run: Run, tmp_path: Path) -> None:
    """--folder: where the project's own folder is made; what to type next leads there."""
    (tmp_path / "a b").mkdir()
    result = run("new", "shout", "--folder", "a b")
    assert result.exit_code == 0
    assert "\n  cd 'a b/shout'\n" in result.stdout
    assert (tmp_path / "a b" / "shout" / "setup.cfg").exists()


def test_empty_folder(run: Run, tmp_path: Path) -> None:
    """A folder of that name may be there, if it is empty."""
    (tmp_path / "shout").mkdir()
    assert run("new", "shout").exit_code == 0
    assert (tmp_path / "shout" / "setup.cfg").exists()


def test_empty_folder_of_module(tmp_path: Path) -> None:
    """So it is for `python -m socklab`, which could import that folder."""
    (tmp_path / "shout").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "socklab", "new", "shout"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# What it refuses

EXPECTED = "expected an ASCII letter, then letters and digits, with - or _ between them, got"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", f'{EXPECTED} ""'),
        ("2fast", f'{EXPECTED} "2fast"'),
        ("_shout", f'{EXPECTED} "_shout"'),
        ("shout_", f'{EXPECTED} "shout_"'),
        ("a.b", f'{EXPECTED} "a.b"'),
        ("a/b", f'{EXPECTED} "a/b"'),
        ("..", f'{EXPECTED} ".."'),
        ("외침", f'{EXPECTED} "외침"'),
        ("shout\n", f'{EXPECTED} "shout\n"'),
        ("a" * 33, "expected at most 32 characters, got 33"),
        ("class", '"class" is a word of Python\'s own'),
        ("json", 'Python has a module "json" already'),
        ("twisted", 'a module "twisted" is installed already'),
        ("typing-extensions", 'a module "typing_extensions" is installed already'),
        ("docstring-parser", 'a module "docstring_parser" is installed already'),
        ("pytest-xdist", 'a package "pytest-xdist" is installed already'),
        ("tests", 'a folder "tests" stands beside the package already'),
        ("echo", 'there is a protocol "echo" already'),
        ("OneShot", 'there is a protocol "OneShot" already'),
    ],
)
def test_bad_name(run: Run, tmp_path: Path, name: str, why: str) -> None:
    """What cannot be the name of all that gets it is refused in one line, status 2, and nothing is written."""
    result = run("new", "--", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"\n\nError: Invalid value for NAME: {why}\n")
    assert tree(tmp_path) == set()


def test_name_of_installed_protocol(run: Run, install: Install, tmp_path: Path) -> None:
    """The name of an installed package's protocol is taken; - and _ are the same."""
    install("shouting", "1.2", {"my_shout": "shouting:ShoutFactory"})
    result = run("new", "my-shout")
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'there is a protocol "my-shout" already' in result.stderr
    assert tree(tmp_path) == set()


def test_full_folder(run: Run, tmp_path: Path) -> None:
    """A folder that holds something is left as it is: one line, status 1."""
    (tmp_path / "shout").mkdir()
    (tmp_path / "shout" / "notes.txt").write_text("mine")
    result = run("new", "shout")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: shout is there already, and not empty\n"
    assert tree(tmp_path) == {"shout", "shout/notes.txt"}


def test_file_in_the_way(run: Run, tmp_path: Path) -> None:
    """So is a file."""
    (tmp_path / "shout").write_text("mine")
    result = run("new", "shout")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: shout: file exists\n"
    assert (tmp_path / "shout").read_text() == "mine"


def test_no_folder(run: Run, tmp_path: Path) -> None:
    """A folder to make it in must be there."""
    result = run("new", "shout", "--folder", "none")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Directory 'none' does not exist." in result.stderr
    assert tree(tmp_path) == set()
