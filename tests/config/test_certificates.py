"""Certificates that a config names."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from socklab.transports.listen import parseListen
from tests.config.support import (
    ECHO,
    READABLE,
    complaints,
    one,
)
from tests.process import ENVIRONMENT, twistd


@pytest.fixture(scope="module")
def pems(authority: trustme.CA, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PEM files, good and bad."""
    folder = tmp_path_factory.mktemp("pems")
    key = (certificate / "key.pem").read_bytes()
    cert = (certificate / "cert.pem").read_bytes()
    secret = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for name, content in {
        "key.pem": key,
        "cert.pem": cert,
        "server.pem": key + cert,
        "chain.pem": authority.cert_pem.bytes(),
        "other.pem": authority.issue_cert("localhost").private_key_pem.bytes(),
        "secret.pem": secret,
        "junk.pem": b"junk\n",
    }.items():
        (folder / name).write_bytes(content)
    return folder


class TestCertificates:
    """`ssl:`"""

    @pytest.mark.parametrize(
        "text",
        [
            "ssl:0",
            "ssl:0:privateKey=server.pem",
            "ssl:0:privateKey=key.pem:certKey=cert.pem",
            "ssl:0:privateKey=key.pem:certKey=cert.pem:extraCertChain=chain.pem",
        ],
    )
    def test_good(self, text: str, pems: Path) -> None:
        """Key and certificate may be one file or two, relative to the config file's folder."""
        assert parseListen(text, pems).transport == "tls"
        assert parseListen(f"ws:{text}", pems).transport == "wss"
        assert parseListen(text, pems).description == "tcp:0:backlog=1024"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("privateKey=nope.pem:certKey=cert.pem", "DIR/nope.pem: no such file or directory" + READABLE),
            ("privateKey=key.pem:certKey=nope.pem", "DIR/nope.pem: no such file or directory" + READABLE),
            ("privateKey=.:certKey=cert.pem", "DIR: is a directory" + READABLE),
            ("privateKey=other.pem:certKey=cert.pem", "DIR/other.pem is not the key of DIR/cert.pem: "),
            (
                "privateKey=secret.pem:certKey=cert.pem",
                "DIR/secret.pem holds no private key without a passphrase in PEM form",
            ),
            (
                "privateKey=junk.pem:certKey=cert.pem",
                "DIR/junk.pem holds no private key without a passphrase in PEM form",
            ),
            (
                "privateKey=cert.pem:certKey=cert.pem",
                "DIR/cert.pem holds no private key without a passphrase in PEM form",
            ),
            ("privateKey=key.pem:certKey=junk.pem", "DIR/junk.pem holds no certificate in PEM form"),
            ("privateKey=key.pem", "DIR/key.pem holds no certificate in PEM form"),
            (
                "privateKey=key.pem:certKey=cert.pem:extraCertChain=junk.pem",
                "DIR/junk.pem holds no certificate chain in PEM form",
            ),
            (
                "privateKey=key.pem:certKey=cert.pem:extraCertChain=nope.pem",
                "DIR/nope.pem: no such file or directory" + READABLE,
            ),
            (
                "privateKey=key.pem:certKey=cert.pem:dhParameters=nope.pem",
                "DIR/nope.pem: no such file or directory" + READABLE,
            ),
        ],
    )
    def test_bad(self, text: str, why: str, pems: Path, tmp_path: Path) -> None:
        """What cannot be served is told when the config is checked, with the file that is at fault."""
        for each in pems.iterdir():
            (tmp_path / each.name).write_bytes(each.read_bytes())
        (line,) = complaints(tmp_path, one(listen=f"'ssl:0:{text}'"))
        begin = f'{ECHO}listen[1]: "ssl:0:{text}": {why}'
        # OpenSSL's own words for keys that do not match differ from version to version.
        assert line.startswith(begin) if why.endswith(": ") else line == begin

    def test_nobody_is_asked_for_a_passphrase(self, pems: Path, tmp_path: Path) -> None:
        """A key with a passphrase is refused at a terminal too, where OpenSSL would ask for it."""
        listen = f"'ssl:0:privateKey={pems}/secret.pem:certKey={pems}/cert.pem'"
        (tmp_path / "lab.toml").write_text(one(listen=listen))
        command = twistd("-n", "--pidfile=", "socklab", "--check", "--config", str(tmp_path / "lab.toml"))
        script = (
            "import os, sys; os.setsid(); os.close(os.open(os.ttyname(0), os.O_RDWR)); "
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        main, terminal = pty.openpty()
        try:
            done = subprocess.run(
                [sys.executable, "-c", script, *command],
                stdin=terminal,
                capture_output=True,
                env=ENVIRONMENT,
                cwd=tmp_path,
                timeout=60,
                check=False,
            )
            os.set_blocking(main, False)
            with contextlib.suppress(BlockingIOError):
                pytest.fail(f"the terminal was written to: {os.read(main, 1000)!r}")
        finally:
            os.close(main)
            os.close(terminal)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"secret.pem holds no private key without a passphrase" in done.stderr
