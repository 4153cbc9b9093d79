"""The pytest plugin: a fixture that starts whole configs.

It stands beside the package, and imports it late, so that a pytest run that does not use it pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from socklab.testing import ServerProcess, StartServer


@pytest.fixture
def socklab_server(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Start a config, each port of it one that the system chooses, in a `twistd socklab` process of its own::

        def test_shout(socklab_server):
            server = socklab_server("shout.toml")
            with socket.create_connection(server.address("shout", "tcp")) as client:
                client.sendall(b"hello\\n")
                assert client.recv(100) == b"HELLO\\n"
            assert [entry.event for entry in server.transcript("shout", entries=4)] == [
                "opened", "received", "sent", "closed",
            ]

    The config's path is relative to the folder of the test's file. More arguments are those of `twistd socklab`.
    After the test the server is told to stop; peers that are still there then are cut.
    """
    from socklab.testing import ServerProcess

    with ExitStack() as running:

        def start(config: str | Path, *arguments: str) -> ServerProcess:
            path = request.path.parent / config
            server = ServerProcess(path, "--any-port", "--trace", "hex", *arguments, folder=path.parent)
            running.enter_context(server)
            running.callback(_end, server)
            return server

        yield start


def _end(server: ServerProcess) -> None:
    try:
        server.stop(seconds=1)
    except AssertionError:
        # It waits for peers; a second signal cuts them.
        server.stop()
    finally:
        # Shown by pytest when the test has failed.
        sys.stdout.write(server.log)
