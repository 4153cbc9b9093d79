"""The project that `socklab new` writes works as it is, whatever it is called."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from socklab.cli import main
from tests.process import ENVIRONMENT

# The second is as long as a name may be.
NAMES = ["shout", "my-" + 29 * "s"]


@pytest.fixture(scope="module", params=NAMES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project's folder."""
    folder = tmp_path_factory.mktemp("new")
    result = CliRunner().invoke(main, ["new", request.param, "--folder", str(folder)])
    assert result.exit_code == 0, result.output
    return folder / str(request.param)


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module in the project's folder, as if the project were installed."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**ENVIRONMENT, "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}{os.pathsep}{project}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def test_tests(project: Path) -> None:
    """Its tests pass, those over the network too."""
    # No plugin that the environment of these tests happens to have: the project needs none but socklab's.
    done = run(project, "pytest", "-p", "no:xdist", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_types(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """mypy, strict as its setup.cfg has it, finds nothing."""
    # One cache for all: most of what it reads is Twisted.
    done = run(project, "mypy", f"--cache-dir={tmp_path_factory.getbasetemp() / 'mypy'}", "--strict")
    assert (done.returncode, done.stdout) == (0, "Success: no issues found in 3 source files\n")


def test_format(project: Path) -> None:
    """ruff finds it well formatted, and nothing to say, with its own defaults."""
    for command in (("format", "--check"), ("check",)):
        done = run(project, "ruff", *command, "--isolated", "--no-cache")
        assert done.returncode == 0, done.stdout


def test_config(project: Path) -> None:
    """Its config is good, and README.md says what is said of it."""
    file = f"{project.name}.toml"
    done = run(project, "socklab", "check", file)
    # Somebody may have the ports meanwhile.
    said = re.sub("^note: .*\n", "", done.stdout, flags=re.MULTILINE)
    assert (done.returncode, said) == (0, f"{file}: good: 1 service, 3 listeners\n")
    assert f"$ socklab check {file}\n{said}$ twistd " in (project / "README.md").read_text()


def test_options(project: Path) -> None:
    """The options in README.md are those of the Factory."""
    package = project.name.replace("-", "_")
    factory = "".join(each.capitalize() for each in package.split("_")) + "Factory"
    done = run(project, "socklab", "protocols", f"{package}:{factory}")
    assert done.returncode == 0, done.stdout
    shown = done.stdout.partition("\n")[2]
    assert f"\n{project.name} ({project.name} 0.1.0)\n{shown}```\n" in (project / "README.md").read_text()
