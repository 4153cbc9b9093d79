"""What the tests of the client share: one server, and `socklab` run in this process, on a reactor of its own."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.cli.conftest import run as run
from tests.client.servers import Server as SocketServer
from tests.client.servers import ServeWith
from tests.process import Server

CONFIG = """
[[service]]
name = "echo"
protocol = "echo"
listen = [
    'tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1', 'unix:echo.sock',
    'ssl:0:interface=127.0.0.1:privateKey=good.key:certKey=good.pem',
    'ws:ssl:0:interface=127.0.0.1:privateKey=good.key:certKey=good.pem',
]
[[service]]
name = "oneshot"
protocol = "oneshot"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1']
options = { until = "read" }
[[service]]
name = "until-eof"
protocol = "oneshot"
listen = ['tcp:0:interface=127.0.0.1']
options = { until = "eof" }
[[service]]
name = "chat"
protocol = "chat"
listen = [
    'tcp:0:interface=127.0.0.1',
    { endpoint = 'unix:cp949.sock', encoding = "cp949" },
    'ws:tcp:0:interface=127.0.0.1',
]
[[service]]
name = "http"
protocol = "oneshot"
listen = ['tcp:0:interface=127.0.0.1']
options = { until = "http" }
"""
BROKEN = ("expired", "future", "other", "self-signed")


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with each mode on each transport; certificates good and bad are in its folder."""
    folder = tmp_path_factory.mktemp("lab")
    _certify(folder)
    config = CONFIG
    for name in BROKEN:
        config += f'[[service]]\nname = "{name}"\nprotocol = "echo"\n'
        config += f"listen = ['ssl:0:interface=127.0.0.1:privateKey={name}.key:certKey={name}.pem']\n"
    config += '[[service]]\nname = "mutual"\nprotocol = "echo"\ntls = { client_ca = "ca.pem" }\n'
    config += "listen = ['ssl:0:interface=127.0.0.1:privateKey=good.key:certKey=good.pem']\n"
    (folder / "lab.toml").write_text(config)
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server


@pytest.fixture(scope="package")
def certificates(lab: Server) -> Path:
    """The folder with `ca.pem`, and `client.pem` with `client.key`."""
    return lab.path("echo").parent


def _certify(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    now, days = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=3)
    names = ("localhost", "127.0.0.1")
    for name, certificate in {
        "good": authority.issue_cert(*names),
        "expired": authority.issue_cert(*names, not_after=now - days),
        "future": authority.issue_cert(*names, not_before=now + days),
        "other": authority.issue_cert("example.org"),
        "client": authority.issue_cert("me@example.org"),
    }.items():
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        (folder / f"{name}.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    from socklab.cli.selfsigned import make

    pair = make(names, 3)
    (folder / "self-signed.key").write_bytes(pair.key)
    (folder / "self-signed.pem").write_bytes(pair.certificate)


@pytest.fixture
def serve() -> Iterator[ServeWith]:
    """Serve a handler of plain sockets on a free port, each connection in a thread, until the test ends."""
    servers: list[SocketServer] = []

    def serve(handler: object, context: ssl.SSLContext | None = None) -> int:
        servers.append(SocketServer(handler, context))
        return servers[-1].port

    yield serve
    for each in servers:
        each.stop()


@pytest.fixture
def free() -> Iterator[int]:
    """A port on which nobody listens, and nobody can, until the test ends."""
    import errno
    import socket

    while True:
        with socket.socket() as bound, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            bound.bind(("127.0.0.1", 0))
            try:
                datagrams.bind(bound.getsockname())
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            # What anybody else than itself sends there is refused.
            datagrams.connect(datagrams.getsockname())
            yield bound.getsockname()[1]
            return
