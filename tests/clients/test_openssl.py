"""openssl s_client, which shows what a TLS handshake agrees on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process import Server

from .outside import Client, requireClient


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
