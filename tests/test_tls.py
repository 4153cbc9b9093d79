"""Certificates as people have them, with a real client."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from socklab import Factory, MessageProtocol
from socklab.events import Opened
from socklab.testing import MemoryServer
from tests import wire
from tests.config.support import ECHO, READABLE, complaints, one
from tests.process import Server


def test_full_chain(tmp_path: Path) -> None:
    """The intermediate certificates that stand behind the server's own in its file are sent to the client."""
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "fullchain.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    (tmp_path / "lab.toml").write_text(
        "[[service]]\nprotocol = 'echo'\n"
        "listen = ['ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=fullchain.pem']\n"
    )
    context = ssl.create_default_context()
    root.configure_trust(context)
    with Server(tmp_path / "lab.toml", folder=tmp_path) as server:
        client = context.wrap_socket(wire.tcp(server.ports["echo", "tls"]), server_hostname="localhost")
        client.sendall(b"hello")
        assert wire.exactly(client, 5) == b"hello"
        client.close()


WHOIS = """
from cryptography.x509.oid import NameOID
from socklab import Factory, Lines, MessageProtocol

class Whois(MessageProtocol):
    def messageReceived(self, payload, isBinary):
        shown = self.transport.peer.certificate
        who = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value if shown else "nobody"
        self.transport.sendMessage(f"{who} by {self.transport.peer.kind}".encode(), False)

class WhoisFactory(Factory):
    protocol = Whois
    framing = Lines
"""


@pytest.fixture(scope="module")
def strangers() -> trustme.CA:
    """An authority that the server does not know."""
    return trustme.CA()


def serve(folder: Path, certificate: Path, form: str) -> Server:
    """Serve a protocol that tells whose certificate it sees, over TLS and WebSocket."""
    for each in certificate.iterdir():
        shutil.copy(each, folder)
    (folder / "whois.py").write_text(WHOIS)
    own = "interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem"
    (folder / "lab.toml").write_text(
        "[server]\ntrace = 'text'\n[[service]]\nname = 'whois'\nprotocol = 'whois:WhoisFactory'\n"
        f"listen = ['ssl:0:{own}', 'ws:ssl:0:{own}']\n"
        f"[service.tls]\nclient_ca = 'ca.pem'\nclient_certificate = '{form}'\n"
    )
    return Server(folder / "lab.toml", folder=folder)


def shake(
    port: int, authority: trustme.CA, shown: trustme.LeafCert | None, version: ssl.TLSVersion
) -> ssl.SSLSocket:
    """Connect with TLS, and show a certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.maximum_version = version
    if shown is not None:
        shown.configure_cert(context)
    return context.wrap_socket(wire.tcp(port), server_hostname="localhost")


# With TLS 1.3 the client is told only when it reads.
REFUSED = (ssl.SSLError, ConnectionError)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificate(
    version: ssl.TLSVersion, authority: trustme.CA, strangers: trustme.CA, certificate: Path, tmp_path: Path
) -> None:
    """The protocol sees whose certificate a client has shown; without one, or with a stranger's, nobody gets in."""
    alice = issue(authority, "alice")
    with serve(tmp_path, certificate, "required") as server:
        port = server.ports["whois", "tls"]
        with shake(port, authority, alice, version) as client:
            client.sendall(b"?\n")
            assert wire.exactly(client, 13) == b"alice by tls\n"
        plain = shake(server.ports["whois", "wss"], authority, alice, version)
        with wire.websocket(0, plain) as client:
            wire.send(client, b"?")
            assert wire.receive(client) == (1, b"alice by websocket")
        for shown in (None, issue(strangers, "mallory")):
            with pytest.raises(REFUSED), shake(port, authority, shown, version) as client:
                client.sendall(b"?\n")
                assert wire.exactly(client, 1) == b"", "let in"
                raise ConnectionError
        log = server.waitFor(" cut: TLS failed: ", times=2)
        assert 'opened (certificate "CN=alice,' in log
        assert "peer did not return a certificate" in log
        assert "certificate verify failed" in log


@pytest.mark.parametrize("version", VERSIONS)
def test_optional_client_certificate(
    version: ssl.TLSVersion, authority: trustme.CA, strangers: trustme.CA, certificate: Path, tmp_path: Path
) -> None:
    """Where it is optional a client without a certificate gets in; one with a stranger's does not."""
    with serve(tmp_path, certificate, "optional") as server:
        port = server.ports["whois", "tls"]
        for shown, who in ((None, b"nobody by tls\n"), (issue(authority, "bob"), b"bob by tls\n")):
            with shake(port, authority, shown, version) as client:
                client.sendall(b"?\n")
                assert wire.exactly(client, len(who)) == who
        mallory = issue(strangers, "mallory")
        with pytest.raises(REFUSED), shake(port, authority, mallory, version) as client:
            client.sendall(b"?\n")
            assert wire.exactly(client, 1) == b"", "let in"
            raise ConnectionError
        server.waitFor("certificate verify failed")


def issue(authority: trustme.CA, name: str) -> trustme.LeafCert:
    """Give somebody a certificate."""
    return authority.issue_cert(f"{name}@example.com", common_name=name)


@pytest.mark.parametrize(
    ("tls", "line"),
    [
        ("client_ca = 'nope.pem'", "DIR/nope.pem: no such file or directory" + READABLE),
        ("client_ca = 'key.pem'", "DIR/key.pem holds no certificate in PEM form"),
        ("client_ca = 3", "expected the path of a file, got 3"),
    ],
)
def test_bad_authorities(tls: str, line: str, certificate: Path, tmp_path: Path) -> None:
    """An authority that cannot be read is a mistake in the config."""
    for each in certificate.iterdir():
        shutil.copy(each, tmp_path)
    text = one(listen="'ssl:0:privateKey=key.pem:certKey=cert.pem'", more=f"[service.tls]\n{tls}")
    assert complaints(tmp_path, text) == [f"{ECHO}tls.client_ca: {line}"]


def test_authorities_for_nobody(certificate: Path, tmp_path: Path) -> None:
    """An authority without a listener that asks for certificates is a mistake: it would protect nothing."""
    shutil.copy(certificate / "ca.pem", tmp_path)
    why = "no listener of this service asks for it: it needs one on ssl: or tls:"
    text = one(more="[service.tls]\nclient_ca = 'ca.pem'")
    assert complaints(tmp_path, text) == [f"{ECHO}tls.client_ca: {why}"]


@pytest.mark.parametrize("transport", ["tls", "websocket"])
def test_certificate_in_memory(transport: str, authority: trustme.CA) -> None:
    """A peer in memory shows a certificate, too."""
    shown = load_pem_x509_certificate(issue(authority, "alice").cert_chain_pems[0].bytes())
    factory = Factory()
    factory.protocol = MessageProtocol
    server = MemoryServer(factory)
    getattr(server, transport)(certificate=shown)
    getattr(server, transport)()
    first, second = (each.peer for each in server.events if isinstance(each, Opened))
    assert first.kind == second.kind == transport
    assert (first.certificate, second.certificate) == (shown, None)
