"""What the tests of several clients share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process import Server

from .browser import browser as browser
from .browser import newPage as newPage
from .browser import website as website
from .outside import Serve, certify, serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server for this test: `serve(config, (old, new), ...)`, as `serving` does."""
    with ExitStack() as stack:
        yield lambda config, *changes: stack.enter_context(serving(tmp_path, config, *changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the module's shared files."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Server]:
    """configs/lab.toml: echo, chat and a oneshot that takes what the first read brings."""
    (folder / "lab").mkdir()
    with serving(folder / "lab", "lab.toml") as server:
        yield server


@pytest.fixture(scope="module")
def echo(folder: Path) -> Iterator[Server]:
    """configs/echo.toml: exact, and by lines with a prefix."""
    (folder / "echo").mkdir()
    with serving(folder / "echo", "echo.toml") as server:
        yield server


@pytest.fixture(scope="module")
def oneshot(folder: Path) -> Iterator[Server]:
    """configs/oneshot.toml: a request that is a line, all until the end, or 8 bytes."""
    (folder / "oneshot").mkdir()
    with serving(folder / "oneshot", "oneshot.toml") as server:
        yield server


@pytest.fixture(scope="module")
def secure(folder: Path) -> Iterator[Server]:
    """configs/tls.toml: echo and chat over TLS; `folder / "ca.pem"` is whom to trust."""
    (folder / "tls").mkdir()
    certify(folder / "tls").rename(folder / "ca.pem")
    with serving(folder / "tls", "tls.toml") as server:
        yield server


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Server]:
    """configs/http-oneshot.toml: one HTTP request, one answer."""
    (folder / "web").mkdir()
    with serving(folder / "web", "http-oneshot.toml") as server:
        yield server
