"""socat: it ends when the server closes, says close_notify over TLS, and sends datagrams of any length."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.process import Server

from .outside import LONG, Chat, Client, Serve, port6, requireClient, run

LOCAL = "127.0.0.1"
# How long socat waits for the rest of the answer after the end of its own input, at most.
PATIENT = ("socat", "-t", 30, "-")


@pytest.fixture(scope="module", autouse=True)
def _socat() -> None:
    requireClient("socat")


def test_echo(echo: Server) -> None:
    """What is piped in comes back, bytes that are no text too."""
    port = echo.ports["echo", "tcp"]
    assert run(*PATIENT, f"TCP:{LOCAL}:{port}", input=b"a\r\nb\0\xff") == b"a\r\nb\0\xff"


def test_half_close(special: Server) -> None:
    """socat ends its side (FIN), then gets all of 8 MB back, and is not kept waiting for the server's FIN."""
    data = random.Random(1).randbytes(8_000_000)
    assert run(*PATIENT, f"TCP:{LOCAL}:{special.ports['bulk', 'tcp']}", input=data) == data


def test_echo_ipv6(lab: Server) -> None:
    """`TCP6:[::1]` and `UDP6:[::1]` work as IPv4 does."""
    assert run(*PATIENT, f"TCP6:[::1]:{port6(lab, 'echo', 'tcp')}", input=b"six\n") == b"six\n"
    with Client("socat", "-", f"UDP6:[::1]:{port6(lab, 'echo', 'udp')}") as client:
        client.say("여섯")
        client.hear("여섯\n")
    lab.waitFor("echo: udp [::1]:")


def test_unix_socket(special: Server) -> None:
    """A Unix socket echoes, and half-close works there too."""
    path = special.path("bulk")
    assert path.stat().st_mode & 0o777 == 0o600
    data = random.Random(2).randbytes(3_000_000)
    assert run(*PATIENT, f"UNIX-CONNECT:{path}", input=data) == data


def test_long_datagram(echo: Server) -> None:
    """A datagram of 60,000 bytes comes back as one, and so does the longest there is."""
    for length in (60_000, 65_507):
        data = b"0123456789" * (length // 10) + b"x" * (length % 10)
        with Client("socat", "-b", 65536, "-", f"UDP:{LOCAL}:{echo.ports['echo', 'udp']}") as client:
            client.send(data)
            assert client.hear(data) == data
        echo.waitFor(f"received {length} B ")
        echo.waitFor(f"sent {length} B ")


def test_datagrams_keep_their_bounds(echo: Server) -> None:
    """Two datagrams come back as two, in their order."""
    with Client("socat", "-v", "-", f"UDP:{LOCAL}:{echo.ports['echo', 'udp']}") as client:
        client.send(b"first")
        client.hear("length=5 ", times=2)
        client.send(b"second one")
        client.hear("length=10 ", times=2)


def test_oneshot_closes(oneshot: Server) -> None:
    """After the answer the server ends the connection: socat ends by itself, its input still open."""
    with Client("socat", "-", f"TCP:{LOCAL}:{oneshot.ports['greeter', 'tcp']}") as client:
        client.say("질문")
        client.hear("you said: 질문\n")
        assert client.wait() == 0
    with Client("socat", "-", f"TCP:{LOCAL}:{oneshot.ports['eight-bytes', 'tcp']}") as client:
        client.send(b"12345678")
        assert client.wait() == 0
        assert client.printed == b"12345678"


def test_oneshot_eof(oneshot: Server) -> None:
    """All until socat's end of input is the request."""
    address = f"TCP:{LOCAL}:{oneshot.ports['until-eof', 'tcp']}"
    assert run(*PATIENT, address, input="하나\n둘\n".encode()).decode() == "하나\n둘\n"


def test_oneshot_too_late(special: Server) -> None:
    """Who sends nothing gets the answer for that, and the end."""
    with Client("socat", "-", f"TCP:{LOCAL}:{special.ports['late', 'tcp']}") as client:
        assert client.wait() == 0
        assert client.printed == b"you said nothing\n"


def test_tls(folder: Path, secure: Server) -> None:
    """Over TLS the server's certificate is checked; socat ends with close_notify, and gets all of 8 MB first."""
    address = f"OPENSSL:localhost:{secure.ports['echo', 'tls']},pf=ip4,cafile={folder / 'ca.pem'}"
    assert run(*PATIENT, address, input=b"hello\n") == b"hello\n"
    data = random.Random(3).randbytes(8_000_000)
    assert run(*PATIENT, address, input=data) == data


def test_tls_stranger(secure: Server) -> None:
    """socat, which does not trust the certificate, leaves; the server says so in its log and goes on."""
    address = f"OPENSSL:{LOCAL}:{secure.ports['echo', 'tls']}"
    assert run(*PATIENT, address, input=b"hello\n", status=1) == b""
    secure.waitFor("cut: TLS failed: tlsv1 alert unknown ca")
    assert run(*PATIENT, f"{address},verify=0", input=b"hello\n") == b"hello\n"


def test_chat_quit(chat: Chat) -> None:
    """/quit ends socat; who is left reads that."""
    port = chat.port("tcp")
    with Client("socat", "-", f"TCP:{LOCAL}:{port}") as stays, Client("socat", "-", f"TCP:{LOCAL}:{port}") as goes:
        stays.hear("Welcome.")
        goes.hear("Welcome.")
        goes.say("/nick 손님")
        stays.hear(" is 손님 now\n")
        goes.say("/quit")
        assert goes.wait() == 0
        stays.hear("* 손님 has left\n")


def test_chat_long_line(chat: Chat) -> None:
    """Who sends a line over the limit is disconnected, and the log says why."""
    with Client("socat", "-", f"TCP:{LOCAL}:{chat.port('tcp')}") as client:
        client.hear("Welcome.")
        client.send(b"x" * 9000)
        assert client.wait() == 0
    chat.server.waitFor("cut: a line of more than 8192 bytes")


def test_server_stops(serve: Serve) -> None:
    """SIGTERM ends socat at once, and with it the server: nobody is waited for."""
    server = serve("chat.toml", LONG)
    with Client("socat", "-", f"TCP:{LOCAL}:{server.ports['chat', 'tcp']}") as client:
        client.hear("Welcome.")
        assert server.stop() == -signal.SIGTERM
        assert client.wait() == 0
