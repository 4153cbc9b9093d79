"""`socklab probe`: each trouble has a name, and each good thing a line."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from socklab.sockets import Listening, holderOf, listening, unixInode, whoHas
from socklab.transports.guard import isOwnAddress
from tests.cli.support import Run
from tests.client.servers import ServeWith, reset
from tests.process import Server


def findings(result: Result) -> dict[str, tuple[str, str]]:
    """Give for each topic the verdict and the words; the last, if there are several."""
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    return {topic: (verdict, text) for verdict, topic, text in lines}


def test_echo(run: Run, lab: Server) -> None:
    """A good server: who holds the port, what it answers, and how it takes split and large writes and FIN."""
    port = lab.ports["echo", "tcp"]
    result = run("probe", f"tcp://127.0.0.1:{port}")
    assert result.exit_code == 0, result.stdout
    found = findings(result)
    assert found["connect"][1].startswith(f"127.0.0.1:{port} accepts connections (")
    assert f"(pid {lab.pid}, user " in found["process"][1]
    assert found["bound"][1].startswith("bound to 127.0.0.1: only programs on this machine reach it")
    assert found["answer"] == ("ok", r'it echoes "socklab probe\n"')
    assert found["split"] == ("ok", "a message in two writes is answered as one is")
    assert found["size"] == ("ok", "11680 B in packets of the full size arrive")
    assert found["half-close"] == ("ok", "after our FIN it still answers, then closes")


def test_read_taken_for_a_message(run: Run, lab: Server) -> None:
    """A server that answers what the first read brings is caught at it: status 1."""
    result = run("probe", f"tcp://127.0.0.1:{lab.ports['oneshot', 'tcp']}")
    assert result.exit_code == 1
    assert findings(result)["split"] == (
        "bad",
        "it answers the first of two writes and closes: it takes a read for a message",
    )


def test_nothing_is_sent(run: Run, lab: Server) -> None:
    """--no-send only connects."""
    result = run("probe", "--no-send", f"tcp://127.0.0.1:{lab.ports['chat', 'tcp']}")
    assert (result.exit_code, [*findings(result)]) == (0, ["connect", "process", "bound"])


@pytest.mark.parametrize("transport", ["udp", "unix", "ws"])
def test_other_transports(run: Run, lab: Server, transport: str) -> None:
    """UDP, Unix sockets and WebSocket are probed, too."""
    where = f"unix://{lab.path('echo')}" if transport == "unix" else f"127.0.0.1:{lab.ports['echo', transport]}"
    result = run("probe", where if transport == "unix" else f"{transport}://{where}")
    found = findings(result)
    assert (result.exit_code, found["answer"][0]) == (0, "ok"), result.stdout
    assert f"(pid {lab.pid}, user " in found["process"][1]
    assert {"udp": "size", "unix": "half-close", "ws": "close"}[transport] in found


@pytest.mark.parametrize(("transport", "scheme", "end"), [("tls", "tls", ""), ("ws", "ws", "/")])
def test_what_it_speaks(run: Run, lab: Server, transport: str, scheme: str, end: str) -> None:
    """TLS and WebSocket on a port that was taken for another are recognised."""
    port = lab.ports["echo", transport]
    result = run("probe", f"tcp://127.0.0.1:{port}")
    word = {"tls": "TLS", "ws": "WebSocket"}[scheme]
    assert findings(result)["speaks"] == ("note", f"this port speaks {word}: {scheme}://127.0.0.1:{port}{end}")


def test_http(run: Run, serve: ServeWith) -> None:
    """So is HTTP."""

    def answer(connection: socket.socket) -> None:
        if connection.recv(1000):
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    port = serve(answer)
    result = run("probe", f"tcp://127.0.0.1:{port}")
    assert findings(result)["speaks"] == ("note", f"this port speaks HTTP: http://127.0.0.1:{port}/")
    result = run("probe", f"ws://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert findings(result)["websocket"] == ("bad", "the server answered 404 Not Found to the WebSocket handshake")


def test_websocket_within_tls(run: Run, lab: Server) -> None:
    """ws:// to a port of TLS: status 1, and what to say instead."""
    port = lab.ports["echo", "wss"]
    result = run("probe", f"ws://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert findings(result)["speaks"] == ("note", f"this port speaks TLS: wss://127.0.0.1:{port}")


def test_refused(run: Run, free: int, lab: Server) -> None:
    """Nobody listens: what to do, and who listens near: status 1."""
    result = run("probe", f"tcp://127.0.0.1:{free}")
    found = findings(result)
    assert result.exit_code == 1
    assert found["connect"][0] == "bad"
    assert "refused: nobody listens on this port: start the server" in found["connect"][1]
    assert found["listening"][1].startswith("near it on this machine: ")
    result = run("probe", f"udp://127.0.0.1:{free}")
    assert (result.exit_code, findings(result)["answer"][0]) == (1, "bad")


def test_loopback_only(run: Run) -> None:
    """Who listens on another address of the machine than was asked for is named."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        port = listening.getsockname()[1]
        result = run("probe", f"tcp://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert findings(result)["bound"][1].endswith(f"listens on 127.0.0.2:{port} only")


@pytest.fixture
def full() -> Iterator[int]:
    """A port whose program accepts nobody, and whose queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        clients = [socket.socket() for _ in range(3)]
        for each in clients:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield port
        for each in clients:
            each.close()


def test_timed_out(run: Run, full: int) -> None:
    """A port that does not answer: the full queue behind it is told."""
    result = run("probe", f"tcp://127.0.0.1:{full}", "--timeout", "300ms")
    found = findings(result)
    assert result.exit_code == 1
    assert "timed out: the queue of connections is full, or a firewall" in found["connect"][1]
    assert found["queue"][1].endswith("connections in its queue and accepts none")


def test_busy(run: Run) -> None:
    """A program that does not accept, though its queue has room, serves somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        result = run("probe", f"tcp://127.0.0.1:{listening.getsockname()[1]}")
    found = findings(result)
    assert result.exit_code == 1
    assert (
        found["queue"][1]
        == "the program does not accept what connects: it is busy, or serves one client at a time"
    )


def test_closes_at_once(run: Run, serve: ServeWith) -> None:
    """A server that closes at once may refuse this machine."""
    result = run("probe", f"tcp://127.0.0.1:{serve(lambda connection: None)}")
    assert result.exit_code == 1
    assert findings(result)["greeting"][1] == (
        "the server closed the connection at once: it may refuse this machine; its log tells"
    )


def test_greeting(run: Run, serve: ServeWith) -> None:
    """A server that speaks first is recognised, and nothing in its words moves the cursor."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 \x1b[2J hello\r\n")
        reset(connection)

    result = run("probe", f"tcp://127.0.0.1:{serve(greet)}")
    assert r'it speaks first: "220 \x1b[2J hello\r\n", as SMTP or FTP does' in result.stdout


@pytest.mark.parametrize(
    ("service", "word"),
    [
        ("echo", None),
        ("expired", "expired: the certificate has expired, on "),
        ("future", "not-yet-valid: the certificate is good only from "),
        ("other", "wrong-host: the certificate is for example.org, not for localhost"),
        ("self-signed", "self-signed: the certificate is self-signed"),
    ],
)
def test_certificates(run: Run, lab: Server, certificates: Path, service: str, word: str | None) -> None:
    """What is wrong with a certificate has a word; --insecure makes it a note."""
    port = lab.ports[service, "tls"]
    options = ("--no-send", "--tls-ca", str(certificates / "ca.pem"))
    result = run("probe", f"tls://localhost:{port}", *options)
    found = findings(result)
    assert found["tls"][1].startswith("TLSv1.3, ")
    assert found["certificate"][0] == ("ok" if word is None else "bad")
    assert found["certificate"][1].startswith(word or "good for localhost, until ")
    assert result.exit_code == (0 if word is None else 1)
    if word:
        result = run("probe", f"tls://localhost:{port}", "--insecure", *options)
        assert (result.exit_code, findings(result)["certificate"][0]) == (0, "note")


def test_tls_troubles(run: Run, lab: Server, certificates: Path) -> None:
    """No TLS at all, and a server that asks for a certificate of the client's."""
    result = run("probe", f"tls://localhost:{lab.ports['chat', 'tcp']}")
    assert findings(result)["tls"] == ("bad", "what came is no TLS: the port does not speak it")
    trust = ("--tls-ca", str(certificates / "ca.pem"))
    result = run("probe", f"tls://localhost:{lab.ports['mutual', 'tls']}", *trust)
    assert (result.exit_code, findings(result)["tls"][0]) == (1, "bad")
    assert "asks for a certificate of the client's" in findings(result)["tls"][1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (socket.EAI_NONAME, "example.com: no such host name"),
        (socket.EAI_AGAIN, "example.com: no name server answers"),
    ],
)
def test_no_such_name(run: Run, monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> None:
    """A name that there is not, and one that nobody could be asked for."""

    def nobody(*arguments: object) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    result = run("probe", "tcp://example.com:80")
    assert (result.exit_code, findings(result)["name"][0]) == (1, "bad")
    assert findings(result)["name"][1].startswith(text)


def test_json(run: Run, free: int) -> None:
    """--json: an array of the findings."""
    result = run("probe", f"tcp://127.0.0.1:{free}", "--json")
    found = json.loads(result.stdout)
    assert found[0]["verdict"] == "bad"
    assert found[0]["topic"] == "connect"
    assert "refused" in found[0]["text"]
    assert result.exit_code == 1


def test_usage(run: Run) -> None:
    """What does not fit together: status 2."""
    result = run("probe", "tcp://h:1", "--data", "x", "--no-send")
    assert (result.exit_code, "Give --data or --no-send, not both" in result.stderr) == (2, True)
    result = run("probe", "tcp://h:1", "--data", r"\q")
    assert (result.exit_code, "--data: there is no escape" in result.stderr) == (2, True)


# Who listens


def test_listening() -> None:
    """A socket of this process is found with its address, its queue and its holder."""
    import os

    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        [found] = [each for each in listening("tcp") if each.port == server.getsockname()[1]]
        holder = holderOf(found.inode)
    assert (found.ip, found.waiting, found.isLoopback, found.isForAll) == ("127.0.0.1", 1, True, False)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_unix_socket(tmp_path: Path) -> None:
    """So is a Unix socket, but not one that nobody listens on."""
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert unixInode(path) is None
        server.listen()
        assert unixInode(path) is not None


def test_table(tmp_path: Path) -> None:
    """Addresses in /proc: IPv4, IPv6, and IPv4 as Java binds it."""
    (tmp_path / "net").mkdir()
    line = "0: {} 0:0 0A 0:{} 0:0 0 0 0 {}\n"
    (tmp_path / "net" / "tcp").write_text("head\n" + line.format("0100007F:0050", "00000002", 7))
    words = ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F", "0" * 32)
    lines = "".join(line.format(f"{each}:0051", "0", 8) for each in words)
    (tmp_path / "net" / "tcp6").write_text(f"head\n{lines}")
    assert listening("tcp", tmp_path) == [
        Listening("127.0.0.1", 80, 7, 2),
        Listening("::1", 81, 8),
        Listening("127.0.0.1", 81, 8),
        Listening("::", 81, 8),
    ]
    assert Listening("::", 1, 1).takes("127.0.0.1")
    assert not Listening("0.0.0.0", 1, 1).takes("::1")


def test_who_has_an_address(tmp_path: Path) -> None:
    """Who listens is told apart from a client whose own end has the port, and from one that is over."""
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:{:04X} 0200007F:0050 {} 0:0 0:0 0 0 0 {}\n"
    rows = ((81, "0A", 7), (82, "01", 8), (82, "06", 0), (83, "06", 0), (84, "04", 0))
    (tmp_path / "net" / "tcp").write_text("head\n" + "".join(line.format(*each) for each in rows))

    def who(port: int, kind: str = "tcp") -> str | None:
        return whoHas(kind, "0.0.0.0", port, tmp_path)

    hidden = "a process of another user (as root its name can be seen)"
    end = "a connection to 127.0.0.2 port 80, whose own end has this port, of"
    assert [who(each) for each in range(80, 85)] == [
        None,
        hidden,
        f"{end} {hidden}",
        "a connection that is over (TIME-WAIT); the port is free again within a minute",
        f"{end} a process that has closed it",
    ]
    assert who(81, "udp") is None


def test_own_addresses() -> None:
    """Loopback is this machine's; an address of the documentation is not."""
    assert isOwnAddress("127.0.0.1")
    assert not isOwnAddress("192.0.2.1")
