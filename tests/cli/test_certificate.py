"""`socklab certificate`."""

from __future__ import annotations

import datetime
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from tests import wire
from tests.cli.support import Run
from tests.clients.outside import Client, requireClient
from tests.clients.outside import run as runClient
from tests.process import CHECKOUT, Server, onFreePorts

CONFIG = onFreePorts((CHECKOUT / "configs" / "tls.toml").read_text())


def names(file: Path) -> list[str]:
    """Give for whom a certificate is."""
    leaf = x509.load_pem_x509_certificate(file.read_bytes())
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in hosts]


def test_default(run: Run, tmp_path: Path) -> None:
    """It writes a pair for this machine's own names into the current folder, and says what to do with it."""
    result = run("certificate")
    assert result.exit_code == 0
    end = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(365)
    assert result.stdout.startswith(
        "wrote key.pem, which nobody else may read\n"
        f"wrote cert.pem, for localhost, 127.0.0.1, ::1; it ends on {end}\n"
    )
    assert "\n  curl --cacert cert.pem https://localhost:7444/\n" in result.stdout
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert names(tmp_path / "cert.pem") == ["localhost", "127.0.0.1", "::1"]
    assert sorted(os.listdir(tmp_path)) == ["cert.pem", "key.pem"]


def test_hosts(run: Run, tmp_path: Path) -> None:
    """It is for the hosts that are named, and holds as long as was asked for."""
    (tmp_path / "certificates").mkdir()
    result = run("certificate", "--folder", "certificates", "--days", "2", "*.Lab.example", "10.0.0.5", "fe80::1")
    assert result.exit_code == 0
    assert "https://www.Lab.example:7444/" in result.stdout
    file = tmp_path / "certificates" / "cert.pem"
    assert names(file) == ["*.lab.example", "10.0.0.5", "fe80::1"]
    left = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc - datetime.datetime.now(
        datetime.UTC
    )
    assert datetime.timedelta(1) < left <= datetime.timedelta(2)


@pytest.mark.parametrize(
    "host", ["", "a b", "-a.example", "a..example", "https://a.example", "300.1.1.1", "a*.example", "x" * 64, "가"]
)
def test_bad_host(host: str, run: Run, tmp_path: Path) -> None:
    """What is neither a name nor an address is refused, and nothing is written."""
    result = run("certificate", "--", host)
    assert result.exit_code == 2
    assert f"Invalid value for HOST: {host!r} is neither a host name nor an IP address" in result.stderr
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("there", ["key.pem", "cert.pem"])
def test_there_already(there: str, run: Run, tmp_path: Path) -> None:
    """A file that is there is replaced only with --force, and then its mode, too."""
    file = tmp_path / there
    file.write_text("precious\n")
    result = run("certificate")
    assert (result.exit_code, result.stderr) == (1, f"Error: {there} is there already: --force replaces it\n")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["precious\n"]
    assert run("certificate", "--force").exit_code == 0
    assert b"precious" not in file.read_bytes()
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """A folder in the place of a file is one line, and nothing is left behind."""
    (tmp_path / "cert.pem").mkdir()
    result = run("certificate", "--force")
    assert result.exit_code == 1
    assert result.stderr.endswith("cert.pem: is a directory\n")
    assert sorted(os.listdir(tmp_path)) == ["cert.pem", "key.pem"]


def test_served(run: Run, tmp_path: Path) -> None:
    """configs/tls.toml is served with it; clients that trust it check it, and are content."""
    requireClient("curl", "openssl")
    assert run("certificate").exit_code == 0
    (tmp_path / "tls.toml").write_text(CONFIG)
    trusted = tmp_path / "cert.pem"
    with Server(tmp_path / "tls.toml", folder=tmp_path) as server:
        context = ssl.create_default_context(cafile=str(trusted))
        # As Python's is from 3.13 on.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        for name in ("localhost", "127.0.0.1", "::1"):
            connected = wire.tcp(server.ports["echo", "tls"])
            with context.wrap_socket(connected, server_hostname=name) as client:
                client.sendall(b"hello")
                assert wire.exactly(client, 5) == b"hello"
        port = server.ports["echo", "wss"]
        answer = runClient("curl", "-sSi", "--cacert", trusted, f"https://localhost:{port}/")
        assert answer.startswith(b"HTTP/1.1 426 ")
        port = server.ports["echo", "tls"]
        command = ("openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", trusted)
        with Client(*command, "-connect", f"localhost:{port}") as client:
            client.say("안녕")
            client.hear("안녕\n")
