"""Certificates as people have them, with a real client."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import Factory as PlainFactory
from twisted.internet.threads import deferToThread
from twisted.protocols.wire import Echo
from twisted.trial.unittest import TestCase

from socklab import Factory, MessageProtocol
from socklab.events import Events, Opened
from socklab.testing import MemoryServer
from socklab.transports.listen import Listen, endpointOf, parseListen
from socklab.transports.serving import Serving
from socklab.transports.tls import ClientCertificates, ServerCertificate, readFiles, readFolder
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
    context = wire.trusting(root)
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
    context = wire.trusting(authority)
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
    """The protocol sees whose certificate is shown, the log what TLS has settled; nobody gets in without."""
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
        assert 'server name "localhost")' in log
        name = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert log.count(f'tls version "{name}", tls cipher "') >= 2
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


def store(folder: Path, name: str, leaf: trustme.LeafCert) -> None:
    """Keep a key with its certificate in one file."""
    folder.mkdir(exist_ok=True)
    leaf.private_key_and_cert_chain_pem.write_to_path(folder / name)


@pytest.fixture(scope="module")
def hosts(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a folder of certificates; each of its services has room for 64."""
    folder = tmp_path_factory.mktemp("hosts")
    for name in ("a.example", "b.example", "*.c.example"):
        store(folder / "certificates", f"{name.replace('*', 'any')}.pem", authority.issue_cert(name))
    service = (
        "[[service]]\nname = '{}'\nprotocol = 'echo'\n"
        "listen = ['tls:certificates:0:interface=127.0.0.1', 'ws:tls:certificates:0:interface=127.0.0.1']\n"
        "[service.limits]\nmax_connections = 64\n{}\n"
    )
    # Of like lines of one service the log soon leaves some out: there is a service for each transport.
    services = [
        service.format(f"{name} {transport}", limits)
        for name, limits in (("echo", ""), ("impatient", "handshake_timeout = 0.5"))
        for transport in ("tls", "wss")
    ]
    (folder / "lab.toml").write_text("".join(services))
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server


def secure(port: int, authority: trustme.CA | None, name: str | None, *protocols: str) -> ssl.SSLSocket:
    """Connect with TLS.

    @param authority: who must have signed the server's certificate; None for anybody.
    @param name: the host to ask for.
    """
    context = wire.trusting(authority)
    if protocols:
        context.set_alpn_protocols([*protocols])
    return context.wrap_socket(wire.tcp(port), server_hostname=name)


@pytest.mark.parametrize("transport", ["tls", "wss"])
@pytest.mark.parametrize("name", ["a.example", "b.example", "B.Example", "x.c.example"])
def test_host(name: str, transport: str, hosts: Server, authority: trustme.CA) -> None:
    """With tls: a client gets the certificate of the host that it asks for, and the protocol within."""
    with secure(hosts.ports["echo tls", transport], authority, name, "h2", "http/1.1") as client:
        if transport == "tls":
            assert client.selected_alpn_protocol() is None
            client.sendall(b"hello")
            assert wire.exactly(client, 5) == b"hello"
        else:
            assert client.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("name", [None, "none.example", "x.y.c.example", "127.0.0.1"])
def test_unknown_host(name: str | None, hosts: Server) -> None:
    """Who asks for no host, or for one that is not there, gets the first certificate."""
    with secure(hosts.ports["echo tls", "tls"], None, name) as client:
        shown = client.getpeercert(binary_form=True)
        assert shown is not None
        assert b"a.example" in shown


HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
KINDS = {
    "text": (b"hello\n", r"TLS failed: what came is no TLS \(wrong version number\)"),
    "http": (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "TLS failed: an HTTP request without TLS: the client needs https:// or wss://",
    ),
    "bad hello": (HELLO, "TLS failed: "),
    "half a hello": (HELLO[:7], "no (TLS|WebSocket) handshake within 0.5 s"),
    "silence": (b"", "no (TLS|WebSocket) handshake within 0.5 s"),
}


@pytest.mark.parametrize("transport", ["tls", "wss"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_handshake(kind: str, transport: str, hosts: Server, authority: trustme.CA) -> None:
    """Of 60 at once who do not shake hands none gets two log lines, and the room that they took is free again."""
    sent, why = KINDS[kind]
    service = f"{'impatient' if 'within' in why else 'echo'} {transport}"
    port = hosts.ports[service, transport]
    before, descriptors = len(hosts.log), openFiles(hosts.pid)
    clients = [wire.tcp(port) for _ in range(60)]
    ports = {each.getsockname()[1] for each in clients}
    for each in clients:
        # Who is impatient may have cut it already.
        with contextlib.suppress(ConnectionError):
            each.sendall(sent)
    with patient(port, authority, "b.example"):
        pass
    for each in clients:
        with each:
            while _read(each):
                pass
    with ExitStack() as stack:
        for _ in range(64):
            client = stack.enter_context(patient(hosts.ports[service, "tls"], authority, "a.example"))
            client.sendall(b"hello")
            assert wire.exactly(client, 5) == b"hello"
        assert openFiles(hosts.pid) <= descriptors + 64
    # The log leaves some of them out: it is bounded.
    lines = [each for each in hosts.log[before:].splitlines() if any(f":{one} " in each for one in ports)]
    assert lines
    assert all(re.search(f" cut: {why}", each) for each in lines), lines
    assert len(lines) == len({re.search(r":([0-9]+) cut", each)[1] for each in lines})  # type: ignore[index]


def patient(port: int, authority: trustme.CA, name: str) -> ssl.SSLSocket:
    """Connect with TLS, again if the machine was too busy to shake hands in time."""
    deadline = time.monotonic() + wire.PATIENCE
    while True:
        try:
            return secure(port, authority, name)
        except OSError:
            if time.monotonic() > deadline:
                raise


def _read(client: socket.socket) -> bytes:
    try:
        return client.recv(1000)
    except ConnectionError:
        return b""


def openFiles(pid: int) -> int:
    """Give how many files a process has open."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


class TestRenewal(TestCase):
    """Certificates are renewed while they are served."""

    def setUp(self) -> None:
        self.authority = trustme.CA()
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    async def serve(self, listen: Listen) -> tuple[ServerCertificate, int]:
        """Open a port that echoes; give its certificate and its number."""
        assert listen.certificate is not None
        factory = PlainFactory.forProtocol(Echo)
        serving = Serving("one", factory, Events(), cast(Any, reactor), cast(Any, None))
        port = await endpointOf(listen, cast(IReactorCore, reactor), lambda: serving).listen(factory)
        self.addCleanup(port.stopListening)
        return listen.certificate, cast(Any, port).getHost().port

    def connect(self, port: int, name: str, **options: Any) -> Any:
        """Shake hands in another thread; the Deferred gives the client and the number of the certificate."""

        def shake() -> tuple[ssl.SSLSocket, int]:
            context = wire.trusting(self.authority)
            if shown := options.get("shown"):
                shown.configure_cert(context)
            client = context.wrap_socket(wire.tcp(port), server_hostname=name)
            said = client.getpeercert()
            assert said is not None
            return client, int(cast(str, said["serialNumber"]), 16)

        return deferToThread(shake)

    def issue(self, name: str, file: str = "server.pem") -> int:
        """Put a new certificate where it is served; give its number."""
        leaf = self.authority.issue_cert(name)
        store(self.folder, file, leaf)
        return load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number

    async def test_next_handshake(self) -> None:
        """The next handshake shows the new certificate; who was connected stays."""
        first = self.issue("a.example")
        certificate, port = await self.serve(parseListen("ssl:0:interface=127.0.0.1", self.folder))
        old, number = await self.connect(port, "a.example")
        self.assertEqual(number, first)
        second = self.issue("a.example")
        self.assertTrue(certificate.renew(self.read()))
        new, number = await self.connect(port, "a.example")
        self.assertEqual(number, second)
        self.assertFalse(certificate.renew(self.read()), "it is served already")
        for each in (old, new):
            await self.echoes(each)
            each.close()

    async def test_bad_renewal(self) -> None:
        """A renewal that cannot be read, or is none, is told, and what was served is served on."""
        first = self.issue("a.example")
        _, port = await self.serve(parseListen("ssl:0:interface=127.0.0.1", self.folder))
        key = self.folder / "server.pem"
        good = key.read_bytes()
        for bad in (b"junk", good[: good.index(b"-----BEGIN CERTIFICATE")], None):
            key.unlink()
            if bad is not None:
                key.write_bytes(bad)
            self.assertRaisesRegex((ValueError, OSError), "server.pem", self.read)
            client, number = await self.connect(port, "a.example")
            self.assertEqual(number, first)
            client.close()
            key.write_bytes(good)

    async def test_folder(self) -> None:
        """Hosts that are new in a folder are served, those that are gone no more."""
        self.issue("a.example", "a.pem")
        self.issue("b.example", "b.pem")
        certificate, port = await self.serve(parseListen("tls:.:0:interface=127.0.0.1", self.folder))
        client, _ = await self.connect(port, "b.example")
        (self.folder / "b.pem").unlink()
        third = self.issue("c.example", "c.pem")
        self.assertTrue(certificate.renew(ServerCertificate(readFolder(self.folder))))
        self.assertEqual(certificate.names, ["a.example", "c.example"])
        await self.echoes(client)
        client.close()
        client, number = await self.connect(port, "c.example")
        self.assertEqual(number, third)
        client.close()
        with self.assertRaises(ssl.SSLCertVerificationError):
            await self.connect(port, "b.example")

    async def test_authorities(self) -> None:
        """A new authority of clients is asked for from the next handshake on."""
        self.issue("a.example")
        mine, other = trustme.CA(), trustme.CA()
        listen = parseListen("ssl:0:interface=127.0.0.1", self.folder, self.asking(mine))
        certificate, port = await self.serve(listen)
        client, _ = await self.connect(port, "a.example", shown=issue(mine, "alice"))
        await self.echoes(client)
        self.assertTrue(certificate.renew(self.read(self.asking(other))))
        await self.echoes(client)
        client.close()
        client, _ = await self.connect(port, "a.example", shown=issue(other, "alice"))
        await self.echoes(client)
        client.close()
        client, _ = await self.connect(port, "a.example", shown=issue(mine, "alice"))
        with self.assertRaises(REFUSED):
            await self.echoes(client)
        client.close()

    def read(self, clients: ClientCertificates | None = None) -> ServerCertificate:
        """Read what is in the file now."""
        file = self.folder / "server.pem"
        return ServerCertificate(readFiles(file, file), clients)

    def asking(self, authority: trustme.CA) -> ClientCertificates:
        """Have clients show a certificate of an authority."""
        file = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(file)
        return ClientCertificates.read(file, required=True)

    def echoes(self, client: ssl.SSLSocket) -> Any:
        """Check that a client is served."""

        def talk() -> None:
            client.sendall(b"hello")
            if wire.exactly(client, 5) != b"hello":
                raise ConnectionError

        return deferToThread(talk)
