"""Protocols that packages bring: entry points of the group `socklab.protocols`."""

from __future__ import annotations

import configparser
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from socklab.config.finding import BUILTIN, GROUP
from socklab.protocols.echo import EchoFactory
from tests.config.support import OWN, complaints, load, one, service
from tests.process import CHECKOUT

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package: its name, the lines of its entry points, and its modules."""

    def package(name: str, entryPoints: str, **modules: str) -> Path:
        site = tmp_path / "site" / name
        metadata = site / f"{name}-1.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entryPoints}\n")
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(site))
        return site

    return package


def told(folder: Path, name: str) -> str:
    """Give what is wrong with a name."""
    (line,) = complaints(folder, one(name))
    return line.removeprefix(f'FILE: service[1] "{name}": protocol: ')


def test_name(tmp_path: Path, install: Install) -> None:
    """An installed package's entry point is a protocol's name; it is among the names that are told."""
    install("shouting", "shout = shouting:SaysFactory", shouting=OWN)
    found = service(load(tmp_path, one("shout", more="[service.options]\nmarks = 2")))
    assert (found.name, type(found.factory).__name__, found.factory.marks) == ("shout", "SaysFactory", 2)
    known = 'chat, echo, oneshot, shout or "package.module:Name"'
    assert told(tmp_path, "shuot") == f'expected {known}, got "shuot"; did you mean `shout`?'


def test_built_in_is_not_replaced(tmp_path: Path, install: Install) -> None:
    """What a package calls `echo` does not change what a config that names echo serves."""
    install("shouting", "echo = shouting:SaysFactory", shouting=OWN)
    assert type(service(load(tmp_path, one("echo"))).factory) is EchoFactory


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("shouting:Nope", "shouting has no Nope"),
        ("shouting:constant", "shouting:constant is no Factory and no Protocol class, but int"),
        ("shouting", '"shouting" is not as "package.module:Name" is'),
        ("no module:F", '"no module:F" is not as "package.module:Name" is'),
        ("absent.at.all:F", "there is no module absent.at.all, installed"),
        (
            "raising:F",
            "raising does not import: ZeroDivisionError: division by zero (DIR/site/shouting/raising.py, line 2)",
        ),
        ("own:SaysFactory", "there is no module own, installed"),
    ],
)
def test_broken(value: str, why: str, tmp_path: Path, install: Install) -> None:
    """A broken entry point is told with the package that has it, and not looked for beside the config."""
    install("shouting", f"shout = {value}", shouting=OWN, raising="\n1/0\n")
    (tmp_path / "own.py").write_text(OWN)
    assert told(tmp_path, "shout") == f'the entry point "shout" of shouting 1: {why}'


def test_two_packages(tmp_path: Path, install: Install) -> None:
    """A name that two packages have is nobody's, and both are told; the module still says which is meant."""
    install("shouting", "shout = shouting:SaysFactory", shouting=OWN)
    install("louder", "shout = louder:BytesFactory", louder=OWN)
    packages = "louder 1 (louder:BytesFactory) and shouting 1 (shouting:SaysFactory)"
    assert told(tmp_path, "shout") == (
        f'more than one package has a protocol "shout", {packages}: name the one by its module'
    )
    load(tmp_path, one("shouting:SaysFactory"))


def test_same_protocol_in_two_packages(tmp_path: Path, install: Install) -> None:
    """Two packages that mean the same Factory do not contradict each other."""
    install("shouting", "shout = shouting:SaysFactory", shouting=OWN)
    install("shouting-plus", "shout = shouting:SaysFactory")
    load(tmp_path, one("shout"))


def test_unreadable_metadata(tmp_path: Path, install: Install) -> None:
    """What is wrong with a package's metadata is told in a line, and only if a name must be looked for."""
    install("shouting", "this is no entry point")
    assert told(tmp_path, "shout").startswith("the entry points of the installed packages cannot be read: ")
    load(tmp_path, one("echo"))


def test_built_in_ones_are_those_of_the_package() -> None:
    """A checkout that is not installed serves what the installed package does."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    lines = setup["options.entry_points"][GROUP].split("\n")
    registered = dict(line.split(" = ") for line in lines if line)
    assert registered == {name: entry.value for name, entry in BUILTIN.items()}
