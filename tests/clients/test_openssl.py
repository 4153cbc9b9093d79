"""openssl s_client, which shows what a TLS handshake agrees on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.process import Server

from .outside import Client, requireClient, run


@pytest.fixture(scope="module", autouse=True)
def _openssl() -> None:
    requireClient("openssl")


def connected(port: int, folder: Path, *arguments: str) -> Client:
    """Start s_client, which checks the certificate and its name."""
    check = ("-CAfile", folder / "ca.pem", "-verify_return_error", "-verify_hostname", "localhost")
    return Client("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *check, *arguments)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_echo(folder: Path, secure: Server, version: str) -> None:
    """TLS 1.2 and 1.3: the certificate is good, lines come back."""
    option = f"-tls{version.replace('.', '_')}"
    with connected(secure.ports["echo", "tls"], folder, option, "-servername", "localhost") as client:
        client.hear("Verify return code: 0 (ok)")
        assert f"New, TLSv{version}".encode() in client.printed
        client.say("암호화")
        client.hear("암호화\n")
        client.say("Q")
        assert client.wait() == 0


def test_old_versions(folder: Path, secure: Server) -> None:
    """TLS 1.1 is refused, and the log says why."""
    with connected(secure.ports["echo", "tls"], folder, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as client:
        assert client.wait() != 0
    secure.waitFor("cut: TLS failed: unsupported protocol")


def test_plain_text(secure: Server) -> None:
    """A client without TLS is told by its end that this is no place for it; the log says why."""
    requireClient("ncat")
    with Client("ncat", "127.0.0.1", secure.ports["echo", "tls"]) as client:
        client.say("hello")
        secure.waitFor("cut: TLS failed: ")


def test_alpn(folder: Path, secure: Server) -> None:
    """Who offers protocols to a server that has none in mind is served without one (as if it had not asked)."""
    with connected(secure.ports["echo", "tls"], folder, "-alpn", "h2,http/1.1") as client:
        client.hear("No ALPN negotiated")
        client.say("hello")
        client.hear("hello\n")


def test_alpn_websocket(folder: Path, secure: Server) -> None:
    """A WebSocket port chooses http/1.1, with which a handshake begins, and leaves a stranger's offer alone."""
    with connected(secure.ports["echo", "wss"], folder, "-alpn", "h2,http/1.1") as client:
        client.hear("ALPN protocol: http/1.1")
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.hear("HTTP/1.1 426 ")
        assert client.wait() == 0
    with connected(secure.ports["echo", "wss"], folder, "-alpn", "h2") as client:
        client.hear("No ALPN negotiated")


def test_chat(folder: Path, secure: Server) -> None:
    """Members read each other; /quit ends s_client."""
    port = secure.ports["chat", "tls"]
    with connected(port, folder, "-quiet") as first:
        first.say("/nick 하나")
        first.hear("* you are 하나 now\n")
        with connected(port, folder, "-quiet") as second:
            second.say("안녕")
            first.hear(": 안녕\n")
            first.say("반가워")
            second.hear("하나: 반가워\n")
            second.say("/quit")
            assert second.wait() == 0
        first.hear("has left\n")


def test_resumption(folder: Path, secure: Server) -> None:
    """TLS 1.2: who comes again resumes the session, five times of five."""
    with connected(secure.ports["echo", "tls"], folder, "-tls1_2", "-reconnect") as client:
        client.hear("Reused, TLSv1.2", times=5)


def test_resumption_13(folder: Path, secure: Server) -> None:
    """TLS 1.3: who has kept a ticket resumes the session with it."""
    port, ticket = secure.ports["echo", "tls"], folder / "ticket.pem"
    with connected(port, folder, "-tls1_3", "-sess_out", str(ticket)) as client:
        client.hear("New, TLSv1.3")
        # The ticket comes before what the server sends.
        client.say("hello")
        client.hear("hello\n")
        client.say("Q")
        assert client.wait() == 0
    with connected(port, folder, "-tls1_3", "-sess_in", str(ticket)) as client:
        client.hear("Reused, TLSv1.3")


def test_renegotiation(folder: Path, secure: Server) -> None:
    """Who would negotiate anew is refused (RFC 9325, 3.5)."""
    with connected(secure.ports["echo", "tls"], folder, "-tls1_2") as client:
        client.hear("Verify return code: 0 (ok)")
        assert b"Compression: NONE" in client.printed
        client.say("R")
        client.hear("no renegotiation")


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "AES256-SHA", "NULL-SHA256"])
def test_weak_ciphers(cipher: str, folder: Path, secure: Server) -> None:
    """Ciphers without forward secrecy, or without authenticated encryption, are refused."""
    arguments = ("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    with connected(secure.ports["echo", "tls"], folder, *arguments) as client:
        client.hear("handshake failure")
        assert client.wait() != 0


@pytest.fixture(scope="module")
def hosts(folder: Path) -> Iterator[Server]:
    """Two hosts in a folder of certificates; and one that asks clients for theirs."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "hosts-ca.pem")
    (folder / "certificates").mkdir()
    for name in ("a.example", "b.example"):
        leaf = authority.issue_cert(name, key_type=trustme.KeyType.RSA)
        leaf.private_key_and_cert_chain_pem.write_to_path(folder / "certificates" / f"{name}.pem")
    authority.issue_cert("alice@example.com", common_name="alice").private_key_and_cert_chain_pem.write_to_path(
        folder / "alice.pem"
    )
    (folder / "hosts.toml").write_text(
        "[server]\ntrace = 'text'\n"
        "[[service]]\nprotocol = 'echo'\nlisten = ['tls:certificates:0:interface=127.0.0.1']\n"
        "[[service]]\nname = 'closed'\nprotocol = 'echo'\nlisten = ['tls:certificates:0:interface=127.0.0.1']\n"
        "[service.tls]\nclient_ca = 'hosts-ca.pem'\n"
    )
    with Server(folder / "hosts.toml", folder=folder) as server:
        yield server


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["-servername", "a.example"], "a.example"),
        (["-servername", "b.example"], "b.example"),
        (["-servername", "c.example"], "a.example"),
        (["-noservername"], "a.example"),
    ],
)
def test_server_name(arguments: list[str], shown: str, folder: Path, hosts: Server) -> None:
    """tls: the certificate is that of the host which is asked for, else the first."""
    check = ("-CAfile", folder / "hosts-ca.pem", "-verify_return_error", "-verify_hostname", shown)
    port = hosts.ports["echo", "tls"]
    with Client("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *check, *arguments) as client:
        client.hear("Verify return code: 0 (ok)")
        client.say("hello")
        client.hear("hello\n")


def test_half_close(hosts: Server) -> None:
    """tls: what is owed is sent after the end of the client's input."""
    requireClient("ncat")
    data = b"x" * 1_000_000
    assert run("ncat", "--ssl", "127.0.0.1", hosts.ports["echo", "tls"], input=data, status=None) == data


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_client_certificate_resumed(version: str, folder: Path, hosts: Server) -> None:
    """Who has shown a certificate is known by it again when it resumes the session."""
    ticket = folder / f"{version}.pem"
    port = hosts.ports["closed", "tls"]
    own = (f"-{version}", "-cert", folder / "alice.pem", "-key", folder / "alice.pem", "-servername", "b.example")
    for option, how in (("-sess_out", "New"), ("-sess_in", "Reused")):
        with Client("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *own, option, ticket) as client:
            client.hear(f"{how}, TLSv")
            client.say("hello")
            client.hear("hello\n")
            client.say("Q")
            assert client.wait() == 0
    hosts.waitFor('opened (certificate "CN=alice', times=2)
