"""`socklab send`, against a real server."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.cli.support import Run
from tests.client.servers import ServeWith, hostile, reset, silent
from tests.process import Server

QUICK = ("--until", "idle=50ms")


def url(lab: Server, service: str, transport: str = "tcp") -> str:
    """Give the address of a service."""
    if transport == "unix":
        return f"unix://{lab.path(service)}"
    return f"{transport}://127.0.0.1:{lab.ports[service, transport]}"


def sources(stderr: str) -> list[str]:
    """Give the source ports that were told."""
    return re.findall(r"^# 127\.0\.0\.1:(\d+) -> ", stderr, re.MULTILINE)


@pytest.mark.parametrize("transport", ["tcp", "udp", "ws", "unix"])
def test_new_connections(run: Run, lab: Server, transport: str) -> None:
    """Each message goes over a connection of its own, whose port is told; Korean comes back whole."""
    quick = QUICK if transport in ("tcp", "unix") else ()
    result = run("send", url(lab, "echo", transport), "hello", "안녕하세요", *quick)
    assert (result.exit_code, result.stdout) == (0, "hello\n안녕하세요\n")
    if transport != "unix":
        assert len({*sources(result.stderr)}) == 2


@pytest.mark.parametrize("transport", ["tcp", "udp", "ws", "unix"])
def test_persistent(run: Run, lab: Server, transport: str) -> None:
    """With --persistent all goes over one connection, from one port."""
    quick = QUICK if transport in ("tcp", "unix") else ()
    result = run("send", "--persistent", url(lab, "echo", transport), "one", "two", "three", *quick)
    assert (result.exit_code, result.stdout) == (0, "one\ntwo\nthree\n")
    assert result.stderr.count(" -> ") == 1


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_one_shot(run: Run, lab: Server, transport: str) -> None:
    """A server that closes after an answer leaves the next message without a connection: status 1."""
    result = run("send", "--persistent", url(lab, "oneshot", transport), "one", "two", "three")
    assert (result.exit_code, result.stdout) == (1, "one\n")
    assert "Error: the server closed" in result.stderr
    assert run("send", url(lab, "oneshot", transport), "one", "two").stdout == "one\ntwo\n"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--hex", "48 65", "0x6c:6c-6F"], "He\nllo\n"),
        (["--escape", r"a\tb\x41\uac00\\"], "a\tbA가\\\n"),
        (["--file", "two.txt"], "일\n둘\n"),
        (["--file", "two.txt", "--lines", "--persistent", "--until", "line", "x"], "x\n일\n둘\n"),
        (["--show", "hex", "AB"], "41 42\n"),
        (["--show", "hex", "--crlf", "A"], "41 0d 0a\n"),
        (["--show", "both", "한a\n"], "000000  ed 95 9c 61 0a" + " " * 36 + "한·a·\n"),
        (["--show", "raw", "--escape", r"a\x1b"], "a\x1b"),
        (["--escape", r"a\x1b[2J\x9b\n\xff"], "a�[2J�\n�\n"),
        (["--encoding", "cp949", "--show", "hex", "안"], "be c8\n"),
        (["--encoding", "cp949", "안"], "안\n"),
        (["--until", "3", "abcdef"], "abc\ndef\n"),
        (["--until", "eof", "--half-close", "all"], "all\n"),
    ],
)
def test_forms(run: Run, lab: Server, tmp_path: Path, arguments: list[str], shown: str) -> None:
    """What is typed, read and shown, in each form."""
    (tmp_path / "two.txt").write_text("일\r\n둘\n" if "--lines" in arguments else "일\n둘\n")
    result = run("send", url(lab, "echo"), *([] if "--until" in arguments else QUICK), *arguments)
    assert (result.exit_code, result.stdout) == (0, shown), result.stderr


def test_standard_input(lab: Server, tmp_path: Path) -> None:
    """Without DATA standard input is sent, all of it at once, or line by line."""
    from click.testing import CliRunner

    from socklab.cli import main

    result = CliRunner().invoke(main, ["send", url(lab, "echo"), *QUICK], input="a\nb\n")
    assert (result.exit_code, result.stdout) == (0, "a\nb\n")
    assert result.stderr.count(" -> ") == 1
    result = CliRunner().invoke(main, ["send", url(lab, "echo"), "--lines", "-"], input="a\nb")
    assert (result.exit_code, result.stdout) == (0, "a\nb\n")
    assert result.stderr.count(" -> ") == 2
    result = CliRunner().invoke(main, ["send", url(lab, "echo")], input="")
    assert (result.exit_code, "the input is empty" in result.stderr) == (2, True)


def test_websocket_kinds(run: Run, lab: Server) -> None:
    """Text goes as text, hexadecimal as binary; what is no UTF-8 needs --binary."""
    address = url(lab, "echo", "ws")
    assert run("send", address, "--hex", "ff", "--show", "hex").stdout == "ff\n"
    assert run("send", address, "--binary", "--encoding", "cp949", "안").stdout == "안\n"
    result = run("send", address, "--escape", r"\xff")
    assert (result.exit_code, "--binary sends it" in result.stderr) == (2, True)


def test_chat_in_two_encodings(run: Run, lab: Server) -> None:
    """A listener of cp949 is spoken to in cp949."""
    address = f"unix://{lab.path('chat')}"
    result = run("send", address, "--encoding", "cp949", "--lines", "--persistent", "/nick 철수", "/who")
    assert result.stdout == "* you are 철수 now\n* in lobby: 철수 (you)\n"


def test_expect(run: Run, lab: Server) -> None:
    """The status tells whether each answer was what was expected."""
    address = url(lab, "echo")
    assert run("send", address, "pong\n", "--expect", "^p.ng$", *QUICK).exit_code == 0
    result = run("send", address, "pong", "ping", *QUICK, "--expect", "^pong$")
    assert (result.exit_code, result.stdout) == (4, "pong\nping\n")
    assert "# not as expected: ^pong$\n" in result.stderr


def test_no_answer(run: Run, lab: Server) -> None:
    """A server that waits for the end of the line does not answer: status 3, and a hint."""
    result = run("send", url(lab, "chat"), "/who", "--wait", "200ms")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "# no answer within 0.2 s; a server of lines waits for the end of the line: --lines\n" in result.stderr
    assert run("send", url(lab, "chat"), "hello", "--wait", "0").exit_code == 0
    result = run("send", url(lab, "until-eof"), "hello", "--until", "eof", "--wait", "200ms")
    assert (result.exit_code, "the server may wait for our end: --half-close" in result.stderr) == (3, True)


def test_part(run: Run, lab: Server) -> None:
    """What came of an answer that is not whole is shown, and it is said so."""
    result = run("send", url(lab, "echo"), "abc", "--until", "4", "--wait", "200ms")
    assert (result.exit_code, result.stdout) == (3, "abc\n")
    assert "# the answer is not whole: 3 B of it came\n" in result.stderr


@pytest.mark.parametrize("transport", ["tcp", "ws", "tls"])
def test_refused(run: Run, free: int, transport: str) -> None:
    """Nobody listens: one line, status 1."""
    result = run("send", f"{transport}://127.0.0.1:{free}", "hello")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {transport} 127.0.0.1:{free}: refused: nobody listens there\n"


def test_refused_datagram(run: Run, free: int) -> None:
    """Over UDP the system tells that nobody listens: status 1."""
    result = run("send", f"udp://127.0.0.1:{free}", "hello")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("# no answer: the server refused it: nobody listens there\n")


def test_long_datagram(run: Run, lab: Server) -> None:
    """What fits into no datagram is told."""
    result = run("send", url(lab, "echo", "udp"), "x" * 65508)
    assert (result.exit_code, "65508 B do not fit into a datagram" in result.stderr) == (1, True)


def test_reset(run: Run, serve: ServeWith) -> None:
    """A reset has its own name: status 1."""
    result = run("send", f"tcp://127.0.0.1:{serve(reset)}", "hello")
    assert (result.exit_code, "# no answer: the server reset the connection" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("transport", "data", "hint"),
    [
        ("ws", "hello\n", "# this looks like a WebSocket port: try ws://{}/"),
        ("ws", "GET / HTTP/1.1\r\n\r\n", "# this looks like a WebSocket port: try ws://{}/"),
        (
            "tls",
            "hello",
            "# no answer: the server closed the connection; `socklab probe tcp://{}` tells what it speaks",
        ),
    ],
)
def test_another_language(transport: str, data: str, hint: str, run: Run, lab: Server) -> None:
    """A stream of bytes to a port that speaks WebSocket or TLS: what the answer, or the silence, may mean."""
    port = lab.ports["echo", transport]
    result = run("send", f"tcp://127.0.0.1:{port}", data)
    assert hint.format(f"127.0.0.1:{port}") in result.stderr.splitlines()


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "# this looks like TLS: try tls://{}"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "# this looks like HTTP; if it is a WebSocket port, try ws://{}/"),
    ],
)
def test_answer_in_another_language(answer: bytes, hint: str, run: Run, serve: ServeWith) -> None:
    """So do servers of others: what their answer looks like is told."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer)

    where = f"127.0.0.1:{serve(refuse)}"
    assert hint.format(where) in run("send", f"tcp://{where}", "hello").stderr.splitlines()
    result = run("send", f"ws://{where}", "hello")
    assert (result.exit_code, f": say wss://{where}/" in result.stderr) == (1, answer.startswith(b"\x15"))


def test_http_by_hand(run: Run, lab: Server) -> None:
    """To a request that is answered there is nothing to say."""
    result = run("send", url(lab, "http"), "GET / HTTP/1.1\r\n\r\n")
    assert (result.exit_code, "looks like" in result.stderr) == (0, False)


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_websocket_to_tls(transport: str, run: Run, lab: Server) -> None:
    """ws:// to a port of TLS: the hint is wss://."""
    port = lab.ports["echo", transport]
    result = run("send", f"ws://127.0.0.1:{port}", "hello")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"at once; if it speaks TLS, say wss://127.0.0.1:{port}/\n")


def test_hostile(run: Run, serve: ServeWith) -> None:
    """Nothing of the server's moves the cursor, and a character in two reads stays whole."""
    result = run("send", f"tcp://127.0.0.1:{serve(hostile)}", "hello")
    assert (result.exit_code, result.stdout) == (0, "�[2J�]0;owned�한\n�31m�\n")


def test_buffer_size(run: Run, lab: Server) -> None:
    """A read takes at most so much, and no byte is lost: a read is not a message."""
    result = run("send", url(lab, "echo"), "x" * 10000, "--buffer-size", "4096", "--until", "10000")
    assert (result.exit_code, result.stdout) == (0, f"{'x' * 10000}\n")
    found = re.search(r"# 10000 B came in (\d+) reads: ([\d, ]+)", result.stderr)
    assert found
    sizes = [int(each) for each in found[2].split(", ")]
    assert len(sizes) == int(found[1]) >= 3
    assert max(sizes) <= 4096


def test_short_buffer_for_datagrams(run: Run, lab: Server) -> None:
    """Of a datagram that is longer than the buffer, the end is lost."""
    assert run("send", url(lab, "echo", "udp"), "hello", "--buffer-size", "3").stdout == "hel\n"


def test_source_port(run: Run, lab: Server, free: int) -> None:
    """It connects from the port that is asked for, and says why it cannot."""
    # A port that was free a moment ago may have been given to another test's client.
    for _ in range(20):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            own = bound.getsockname()[1]
        result = run("send", url(lab, "echo"), "x", "--source-port", str(own), *QUICK)
        if "in use" not in result.stderr:
            break
    assert (result.exit_code, sources(result.stderr)) == (0, [str(own)])
    result = run("send", url(lab, "echo"), "x", "--source-port", str(free))
    assert result.exit_code == 1
    assert f"Error: source port {free}: in use" in result.stderr


def test_repeat(run: Run, lab: Server) -> None:
    """Repeated, it tells the sum and how long the answers took, not the answers."""
    result = run("send", url(lab, "echo"), "a", "b", "--repeat", "3", "--rate", "500/s", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(
        r"sent 6, answered 6, lost 0\n6 source ports\np50 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms\n", result.stdout
    )
    result = run("send", url(lab, "echo", "udp"), "a", "--repeat", "5", "--persistent")
    assert "sent 5, answered 5, lost 0\n1 source port\n" in result.stdout


def test_repeat_without_answers(run: Run, lab: Server, free: int) -> None:
    """Messages that are lost, and those that cannot be sent, are counted."""
    result = run("send", url(lab, "chat"), "a", "--repeat", "3", "--wait", "50ms", "--persistent")
    assert (result.exit_code, result.stdout) == (3, "sent 3, answered 0, lost 3\n1 source port\n")
    result = run("send", f"tcp://127.0.0.1:{free}", "a", "--repeat", "3")
    assert (result.exit_code, result.stdout) == (1, "sent 0, answered 0, lost 0, not sent 3 (refused 3)\n")


def test_json(run: Run, lab: Server, free: int) -> None:
    """--json: one object with each message, what became of it, and the status."""
    result = run("send", url(lab, "echo", "ws"), "안녕", "--json", "--expect", "안", "--hex", "ff")
    assert result.exit_code == 2
    result = run("send", url(lab, "echo", "ws"), "안녕", "--json", "--expect", "안")
    found = json.loads(result.stdout)
    [message] = found["messages"]
    assert message["sent"] == message["answer"] == {"text": "안녕"}
    assert (message["answered"], message["expected"], message["error"]) == (True, True, None)
    assert message["milliseconds"] > 0
    assert (found["status"], found["summary"]["answered"], result.stderr) == (0, 1, "")
    result = run("send", f"tcp://127.0.0.1:{free}", "x", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["status"], found["messages"][0]["answer"]) == (1, 1, None)
    assert "refused" in found["messages"][0]["error"]


def test_retry(run: Run, free: int) -> None:
    """--retry tries again for so long, then says what was wrong."""
    result = run("send", f"tcp://127.0.0.1:{free}", "x", "--retry", "300ms")
    assert (result.exit_code, result.stderr.count("refused")) == (1, 1)


# TLS and WebSocket


def test_tls(run: Run, lab: Server, certificates: Path) -> None:
    """With its authority a certificate is good, for the address and for the name."""
    trust = ("--tls-ca", str(certificates / "ca.pem"))
    port = lab.ports["echo", "tls"]
    for host in ("localhost", "127.0.0.1"):
        result = run("send", f"tls://{host}:{port}", "안녕", *trust)
        assert (result.exit_code, result.stdout) == (0, "안녕\n"), result.stderr
        assert "tls TLSv1.3" in result.stderr
    result = run("send", f"wss://localhost:{lab.ports['echo', 'wss']}", "안녕", *trust)
    assert (result.exit_code, result.stdout) == (0, "안녕\n")


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ("expired", "the certificate has expired, on "),
        ("future", "the certificate is good only from "),
        ("other", "the certificate is for example.org, not for localhost"),
        ("self-signed", "the certificate is self-signed"),
    ],
)
def test_bad_certificates(run: Run, lab: Server, certificates: Path, service: str, why: str) -> None:
    """What is wrong with a certificate has a name; --insecure takes it."""
    address = f"tls://localhost:{lab.ports[service, 'tls']}"
    result = run("send", address, "x", "--tls-ca", str(certificates / "ca.pem"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {address}: TLS: {why}")
    assert run("send", address, "x", "--insecure").stdout == "x\n"


def test_unknown_authority(run: Run, lab: Server) -> None:
    """An authority that nobody knows is named."""
    result = run("send", f"tls://localhost:{lab.ports['echo', 'tls']}", "x")
    assert (result.exit_code, "which is not trusted here: --tls-ca FILE" in result.stderr) == (1, True)


def test_client_certificate(run: Run, lab: Server, certificates: Path) -> None:
    """A server that asks for a certificate gets it, or it is said that it asks."""
    address = f"tls://localhost:{lab.ports['mutual', 'tls']}"
    trust = ("--tls-ca", str(certificates / "ca.pem"))
    result = run("send", address, "x", *trust)
    assert (result.exit_code, "the server asks for a certificate of the client's" in result.stderr) == (1, True)
    own = ("--tls-cert", str(certificates / "client.pem"), "--tls-key", str(certificates / "client.key"))
    assert run("send", address, "x", *trust, *own).stdout == "x\n"
    wrong = ("--tls-cert", str(certificates / "client.pem"), "--tls-key", str(certificates / "good.key"))
    result = run("send", address, "x", *trust, *wrong)
    assert "good.key: holds no PEM of a key that fits the certificate\n" in result.stderr


def test_wrong_port(run: Run, lab: Server) -> None:
    """TLS to a port without it, and WebSocket to a port of lines or of HTTP, say what came instead."""
    result = run("send", f"tls://127.0.0.1:{lab.ports['chat', 'tcp']}", "x")
    assert (result.exit_code, "what came is no TLS: the port does not speak it" in result.stderr) == (1, True)
    result = run("send", f"ws://127.0.0.1:{lab.ports['chat', 'tcp']}", "x")
    assert "answered 400 Bad Request to the WebSocket handshake: This port speaks lines over TCP" in result.stderr
    result = run("send", f"ws://127.0.0.1:{lab.ports['http', 'tcp']}", "x")
    assert (result.exit_code, "answered 200 OK to the WebSocket handshake" in result.stderr) == (1, True)
    result = run("send", f"ws://127.0.0.1:{lab.ports['echo', 'tcp']}", "x")
    assert "what came is no HTTP" in result.stderr


def test_silent_handshake(run: Run, serve: ServeWith) -> None:
    """A port that answers no handshake is given up, and it is said that it did connect."""
    port = serve(silent)
    for scheme in ("ws", "tls"):
        result = run("send", f"{scheme}://127.0.0.1:{port}", "x", "--timeout", "300ms")
        assert (result.exit_code, "connected, but no answer to the handshake" in result.stderr) == (1, True)


def test_handshake_says(run: Run, serve: ServeWith) -> None:
    """Subprotocols, headers and Origin are in the handshake; a reason with controls is fit to be read."""

    def refuse(connection: socket.socket) -> None:
        heads.append(connection.recv(10000))
        connection.sendall(b"HTTP/1.1 403 No\x1bno\r\nContent-Length: 0\r\n\r\n")

    heads: list[bytes] = []
    address = f"ws://127.0.0.1:{serve(refuse)}/채팅"
    options = (
        "--header",
        "X-Who: 나",
        "--origin",
        "http://localhost:1",
        "--subprotocol",
        "a",
        "--subprotocol",
        "b",
    )
    result = run("send", address, "x", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the server answered 403 No�no to the WebSocket handshake" in result.stderr
    head = heads[0].decode()
    assert head.startswith("GET /%EC%B1%84%ED%8C%85 HTTP/1.1\r\n")
    for line in ("X-Who: 나", "Origin: http://localhost:1", "Sec-WebSocket-Protocol: a,b"):
        assert f"\r\n{line}\r\n" in head


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["tcp://h:1", "x", "--insecure"], "--insecure is for tls:// and wss://"),
        (["tcp://h:1", "x", "--origin", "null"], "--origin is for ws:// and wss://"),
        (["tcp://h:1", "x", "--binary"], "--binary and --text are for ws:// and wss://"),
        (["tls://h:1", "x", "--half-close"], "--half-close is for tcp:// and unix://"),
        (["ws://h:1", "x", "--buffer-size", "1"], "--buffer-size is for tcp://, unix:// and udp://"),
        (["unix://x", "x", "--source-port", "1"], "a Unix socket has no ports"),
        (["tcp://h:1", "x", "--until", "message"], "a stream has no messages"),
        (["ws://h:1", "x", "--until", "line"], "ws has messages, and each is whole"),
        (["udp://h:1", "x", "--until", "eof"], "UDP has no end"),
        (["tcp://h:1", "x", "--until", "soon"], "expected line, message, eof, idle"),
        (["tcp://h:1", "x", "--hex"], 'expected bytes in hexadecimal such as "48 65", got'),
        (["tcp://h:1", r"\q", "--escape"], r"there is no escape \q"),
        (["tcp://h:1", r"\ud800", "--escape"], r"\ud800 is no character"),
        (["tcp://h:1", "☃", "--encoding", "cp949"], "is not in cp949"),
        (["tcp://h:1", "x", "--encoding", "klingon"], "there is no encoding 'klingon'"),
        (["tcp://h:1", "x", "--encoding", "base64"], "there is no encoding 'base64'"),
        (["tcp://h:1", "x", "--rate", "0/s"], "expected a rate such as 100/s"),
        (["tcp://h:1", "x", "--wait", "long"], "expected a duration such as 5"),
        (["tcp://h:1", "x", "--buffer-size", "0"], "expected a size above 0"),
        (["tcp://h:1", "x", "--expect", "("], "this is no regular expression"),
        (["tcp://h:1", "x", "--hex", "--escape"], "Give --hex or --escape, not both"),
        (["tcp://h:1", "x", "--lines", "--crlf"], "Give --lines or --crlf, not both"),
        (["ws://h:1", "x", "--header", "a\nb: c"], 'expected "Name: value"'),
        (["ws://h:1", "x", "--header", "Host: x"], "the handshake says Host itself"),
        (["tls://h:1", "x", "--tls-key", "k"], "--tls-key needs --tls-cert"),
        (["h:1", "x"], "did you mean tcp://h:1?"),
    ],
)
def test_usage(run: Run, arguments: list[str], why: str) -> None:
    """What does not fit together is told before anything is sent: status 2."""
    result = run("send", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in " ".join(result.stderr.split())
