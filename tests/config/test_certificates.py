"""Certificates that a config names."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.internet.testing import MemoryReactor

from socklab.config import ConfigError, loadConfig
from socklab.service import Options
from socklab.transports.advice import probe
from socklab.transports.listen import endpointOf, parseListen
from socklab.transports.tls import readFolder
from tests.config.support import ECHO, READABLE, complaints, one, service
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
            ("privateKey=other.pem:certKey=cert.pem", "DIR/other.pem is not the key of DIR/cert.pem"),
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
        assert line == f'{ECHO}listen[1]: "ssl:0:{text}": {why}'

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
                timeout=120,
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

    def test_too_weak(self, tmp_path: Path) -> None:
        """A key that OpenSSL finds too short for today is told, too."""
        write(tmp_path / "weak.pem", *selfSigned(rsa.generate_private_key(65537, 1024)))
        (line,) = complaints(tmp_path, one(listen="'ssl:0:privateKey=weak.pem'"))
        assert line.endswith('"ssl:0:privateKey=weak.pem": DIR/weak.pem cannot be served: ee key too small')

    @pytest.mark.parametrize("order", [("key", "cert"), ("cert", "key")])
    def test_one_file(self, order: tuple[str, ...], pems: Path, tmp_path: Path) -> None:
        """In one file the key may stand before or behind the certificate, with other text between them."""
        parts = [(pems / f"{each}.pem").read_bytes() for each in order]
        (tmp_path / "server.pem").write_bytes(b"Bag Attributes\n".join(parts))
        assert parseListen("ssl:0", tmp_path).certificate is not None

    def test_same_object(self, pems: Path) -> None:
        """What the check of a config has read is what is served, also on another port."""
        listen = parseListen("ws:ssl:3001:privateKey=key.pem:certKey=cert.pem", pems)
        assert listen.certificate is not None
        assert listen.at(0, pems).certificate is listen.certificate
        assert listen.certificate.names == ["localhost"]
        assert parseListen("tcp:0", pems).certificate is None


def selfSigned(key: Any, *names: str) -> tuple[Any, x509.Certificate]:
    """Give a key with a certificate for hosts."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(1))
    )
    if names:
        hosts = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(hosts, critical=False)
    return key, builder.sign(key, hashes.SHA256())


def write(file: Path, key: Any = None, *certificates: x509.Certificate) -> None:
    """Write a key and certificates into a file."""
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    if key is not None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(pem)


def pair(*names: str) -> tuple[Any, x509.Certificate]:
    """Give a new key with a certificate for hosts."""
    return selfSigned(ec.generate_private_key(ec.SECP256R1()), *names)


class TestFolders:
    """`tls:`"""

    def test_good(self, tmp_path: Path) -> None:
        """A folder is served where `tcp:` would be, alone and with WebSocket within."""
        write(tmp_path / "certificates" / "example.com.pem", *pair("example.com", "www.example.com"))
        listen = parseListen("tls:certificates:3001:interface=127.0.0.1", tmp_path)
        assert (listen.transport, listen.where) == ("tls", "127.0.0.1:3001")
        assert listen.description == "tcp:3001:interface=127.0.0.1:backlog=1024"
        assert listen.at(0, tmp_path).description == "tcp:0:interface=127.0.0.1:backlog=1024"
        assert listen.certificate is not None
        assert listen.certificate.names == ["example.com", "www.example.com"]
        within = parseListen("ws:tls:certificates:3001", tmp_path)
        assert (within.transport, within.where) == ("wss", "*:3001")
        assert within.conflicts(parseListen("tcp:3001", tmp_path))
        assert probe(parseListen("tls:certificates:1:interface=192.0.2.1", tmp_path)) is not None

    def test_names(self, tmp_path: Path) -> None:
        """A pair serves the names in its certificate; the one that is named after a host has it, not the first."""
        both, one, many = pair("a.example", "b.example"), pair("b.example"), pair("*.c.example")
        write(tmp_path / "a.example.pem", *both)
        write(tmp_path / "b.example.pem", *one)
        write(tmp_path / "c.pem", *many)
        pairs = readFolder(tmp_path)
        assert {name: each.leaf for name, each in pairs.named.items()} == {
            "a.example": both[1],
            "b.example": one[1],
            "*.c.example": many[1],
        }
        assert pairs.default.leaf == both[1]

    def test_default(self, tmp_path: Path) -> None:
        """default.pem is for who asks for nobody known; the files' order in the folder does not matter."""
        theirs, ours = pair("a.example"), pair("z.example")
        write(tmp_path / "a.example.pem", *theirs)
        write(tmp_path / "default.pem", *ours)
        assert readFolder(tmp_path).default.leaf == ours[1]

    def test_certbot(self, tmp_path: Path, authority: trustme.CA) -> None:
        """The folder that certbot keeps is served as it is: folders of key, certificate and chain in files."""
        (tmp_path / "README").write_text("This directory contains your keys and certificates.\n")
        for name in ("a.example", "b.example"):
            leaf = authority.create_child_ca().issue_cert(name)
            folder = tmp_path / name
            folder.mkdir()
            first, *rest = leaf.cert_chain_pems
            leaf.private_key_pem.write_to_path(folder / "privkey.pem")
            first.write_to_path(folder / "cert.pem")
            (folder / "chain.pem").write_bytes(b"".join(each.bytes() for each in rest))
            (folder / "fullchain.pem").write_bytes(b"".join(each.bytes() for each in (first, *rest)))
        pairs = readFolder(tmp_path)
        assert [*pairs.named] == ["a.example", "b.example"]
        assert [len(each.chain) for each in pairs.named.values()] == [1, 1]

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("empty", "DIR/f holds no files NAME.pem with a private key and its certificate"),
            ("junk", "DIR/f/x.pem holds neither a private key nor a certificate in PEM form"),
            ("key", "DIR/f/x.pem: no certificate in DIR/f begins with that of this key"),
            ("certificate", "DIR/f/x.pem: no file in DIR/f holds the private key of this certificate"),
            ("strangers", "DIR/f/x.pem: no certificate in DIR/f begins with that of this key"),
            ("broken", "DIR/f/x.pem holds no certificate in PEM form"),
            ("link", "DIR/f/x.pem: no such file or directory" + READABLE),
        ],
    )
    def test_bad(self, name: str, why: str, tmp_path: Path) -> None:
        """What cannot be served is told when the config is checked, with the file that is at fault."""
        folder = tmp_path / "f"
        folder.mkdir()
        key, certificate = pair("a.example")
        file = folder / "x.pem"
        match name:
            case "junk":
                file.write_text("junk\n")
            case "key":
                write(file, key)
            case "certificate":
                write(file, None, certificate)
            case "strangers":
                write(file, key, pair("a.example")[1])
            case "broken":
                file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            case "link":
                file.symlink_to("none")
        assert complaints(tmp_path, one(listen="'tls:f:0'")) == [f'{ECHO}listen[1]: "tls:f:0": {why}']


def test_again(pems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the running process may not read any more is told, but hinders no reload as it would a start."""
    for each in ("key.pem", "cert.pem"):
        (tmp_path / each).write_bytes((pems / each).read_bytes())
    (tmp_path / "lab.toml").write_text(one(listen="'tcp:0', 'ssl:0:privateKey=key.pem:certKey=cert.pem'"))
    read = Path.read_bytes

    def refuse(self: Path) -> bytes:
        # Root may read anything, so the system's answer is given here.
        if self.name == "key.pem":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    why = f"{tmp_path}/key.pem: permission denied{READABLE}"
    with pytest.raises(ConfigError, match="permission denied"):
        loadConfig(tmp_path / "lab.toml")
    open_, secure = (each.listen for each in service(loadConfig(tmp_path / "lab.toml", again=True)).listeners)
    assert (open_.certificate, open_.trouble) == (None, None)
    assert (secure.certificate, secure.trouble) == (None, why)
    with pytest.raises(ValueError, match="permission denied"):
        endpointOf(secure, cast(Any, MemoryReactor()), cast(Any, None))


@pytest.mark.parametrize(("environment", "status"), [({}, 1), ({"MAINPID": "1"}, 0)])
def test_check_for_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], status: int
) -> None:
    """What ExecReload= of systemd checks is served already: credentials may be hidden from its commands."""

    def refuse(self: Path) -> bytes:
        if self.suffix != ".toml":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return self.read_text().encode()

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    rooms = '[rooms]\nengine = "nats://127.0.0.1"\ntoken_file = "token"\n'
    (tmp_path / "lab.toml").write_text(rooms + one(listen="'ssl:0:privateKey=key.pem:certKey=cert.pem'"))
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["--config", str(tmp_path / "lab.toml"), "--check"])
    assert ended.value.code == status
