"""Root runs no module beside a config that others can have written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from socklab.config import loadConfig
from tests.config.support import OWN, complaints, load, one

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from it")

NOBODY = 65534


def writable(what: str) -> str:
    """Give the line about what others can write to."""
    return f"{what} is writable by others than its owner, and root runs no code from there: chmod go-w {what}"


def foreign(what: str) -> str:
    """Give the line about what belongs to somebody else."""
    return (
        f"{what} belongs to user {NOBODY}, not to root or who owns the config's folder, and root "
        f"runs no code of others: chown -h root {what}"
    )


def told(folder: Path, module: str = "own") -> str:
    """Give what is wrong with a protocol of this module."""
    (line,) = complaints(folder, one(f"{module}:Says"))
    return line.removeprefix(f'FILE: service[1] "{module}:Says": protocol: ').replace("FILE", "DIR/lab.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module, a package and a package in that, all fit to run."""
    folder = tmp_path / "lab"
    inner = folder / "package" / "inner"
    inner.mkdir(parents=True)
    (folder / "own.py").write_text(OWN)
    (folder / "package" / "__init__.py").touch()
    (inner / "__init__.py").touch()
    (inner / "own.py").write_text(OWN)
    return folder


def test_trusted(folder: Path) -> None:
    """What only root, or the owner of the config's folder, can write to runs."""
    load(folder, one("own:Says"))
    for each in (folder, folder / "package", folder / "package" / "inner"):
        os.chown(each, NOBODY, NOBODY)
    load(folder, one("package.inner.own:Says"))


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702])
@pytest.mark.parametrize("module", ["own", "package.inner.own"])
def test_folder(mode: int, module: str, folder: Path) -> None:
    """A folder that others can write to, also a sticky one: Python would take what they add there first."""
    folder.chmod(mode)
    assert told(folder, module) == writable("DIR")
    assert str(folder) not in sys.path
    # What does not come from there is no matter.
    load(folder, one("echo"))
    load(folder, one("twisted.protocols.wire:Echo"))


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o664])
@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("own", "own.py"),
        ("package.inner.own", "package"),
        ("package.inner.own", "package/__init__.py"),
        ("package.inner.own", "package/inner"),
        ("package.inner.own", "package/inner/own.py"),
        ("own", "lab.toml"),
    ],
)
def test_part(mode: int, module: str, what: str, folder: Path) -> None:
    """A module, a folder of its package, the config itself, that others can write to."""
    load(folder, one())
    (folder / what).chmod(mode)
    assert told(folder, module) == writable(f"DIR/{what}")


@pytest.mark.parametrize("what", ["own.py", "lab.toml"])
def test_owner(what: str, folder: Path) -> None:
    """A file that belongs to somebody else than the folder does."""
    load(folder, one())
    os.chown(folder / what, NOBODY, NOBODY)
    assert told(folder) == foreign(f"DIR/{what}")


@pytest.mark.parametrize("what", ["__pycache__", f"__pycache__/own.{sys.implementation.cache_tag}.pyc"])
def test_cache(what: str, folder: Path) -> None:
    """Python runs what it finds compiled: that others can write to it is as bad."""
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / f"own.{sys.implementation.cache_tag}.pyc").touch()
    (folder / what).chmod(0o666)
    assert told(folder) == writable(f"DIR/{what}")


def test_imported_too(folder: Path) -> None:
    """What the module imports from there runs as well, be it at once or later."""
    (folder / "helper.py").touch(0o644)
    (folder / "helper.py").chmod(0o666)
    (folder / "own.py").write_text(f"{OWN}\nimport helper\n")
    assert told(folder) == writable("DIR/helper.py")
    (folder / "late.py").write_text(f"{OWN}\ndef later():\n    import helper\n")
    load(folder, one("late:Says"))
    with pytest.raises(ImportError, match="writable by others"):
        sys.modules["late"].later()


def test_folder_above(folder: Path) -> None:
    """Who can write to a folder above can put another one in the place of this; not so in a sticky one."""
    folder.parent.chmod(0o777)
    assert told(folder) == writable(str(folder.parent))
    folder.parent.chmod(0o1777)
    load(folder, one("own:Says"))


class TestLinks:
    """Symbolic links: both where they stand and where they lead."""

    def test_module(self, folder: Path, tmp_path: Path) -> None:
        """A link to a module that others can write to."""
        shared = tmp_path / "shared"
        shared.mkdir()
        (folder / "own.py").rename(shared / "own.py")
        (folder / "own.py").symlink_to("../shared/own.py")
        load(folder, one("echo"))
        (shared / "own.py").chmod(0o666)
        assert told(folder) == writable("DIR/../shared/own.py")
        (shared / "own.py").chmod(0o644)
        shared.chmod(0o777)
        assert told(folder) == writable("DIR/../shared")
        shared.chmod(0o755)
        os.chown(folder / "own.py", NOBODY, NOBODY, follow_symlinks=False)
        assert told(folder) == foreign("DIR/own.py")
        os.chown(folder / "own.py", 0, 0, follow_symlinks=False)
        load(folder, one("own:Says"))

    def test_package(self, folder: Path, tmp_path: Path) -> None:
        """A link to a package in a folder that others can write to."""
        shared = tmp_path / "shared"
        shared.mkdir()
        (folder / "package").rename(shared / "package")
        (folder / "package").symlink_to(shared / "package")
        shared.chmod(0o777)
        assert told(folder, "package.inner.own") == writable(str(shared))

    def test_config(self, folder: Path, tmp_path: Path) -> None:
        """A link to the config in a folder where others could make it lead elsewhere."""
        load(folder, one("echo"))
        (folder / "lab.toml").write_text(one("own:Says"))
        shared = tmp_path / "shared"
        shared.mkdir()
        (shared / "link.toml").symlink_to(folder / "lab.toml")
        shared.chmod(0o777)
        with pytest.raises(Exception, match="shared is writable by others than its owner"):
            loadConfig(shared / "link.toml")
        shared.chmod(0o1777)
        loadConfig(shared / "link.toml")


def test_other_users_run_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root has nothing to give away but what is theirs."""
    folder.chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    load(folder, one("own:Says"))
