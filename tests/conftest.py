"""What several test modules share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, settings

# Each of some 300 processes, and pytest's own two, would compile anew all that they import: a fifth of the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from tests.clients.outside import HERE, requireClient, run

pytest_plugins = ["pytester"]

# How long an example takes says more of the machine than of the code. With CI=true the rest is Hypothesis's own
# profile for that: the same examples in each run.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Tests that run in the background of a shell have SIGINT ignored, and so would all processes that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def forgets_modules(tmp_path: Path) -> Iterator[None]:
    """Forget the modules that a config has brought: those of the next may have the same names."""
    path = sys.path[:]
    yield
    sys.path[:] = path
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled Java clients."""
    requireClient("javac", "java")
    folder = tmp_path_factory.mktemp("classes")
    run("javac", "-encoding", "UTF-8", "-d", folder, *sorted((HERE / "java").glob("*.java")))
    return folder


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `key.pem` and `cert.pem` for localhost, and their authority's `ca.pem`."""
    folder = tmp_path_factory.mktemp("certificate")
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder
