"""What the tests of the commands share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from socklab.cli import main
from tests.cli.support import Install, Run
from tests.config.conftest import _forget as _forget


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `socklab` with arguments, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, prog_name="socklab")
        # What a command does not expect would be a traceback.
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a package with entry points of the group `socklab.protocols` known, as its wheel would."""

    def install(name: str, version: str, entries: dict[str, str], **modules: str) -> None:
        folder = tmp_path_factory.mktemp(name)
        metadata = folder / f"{name}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{entry} = {value}\n" for entry, value in entries.items()]
        (metadata / "entry_points.txt").write_text("".join(["[socklab.protocols]\n", *lines]))
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(folder))

    return install
