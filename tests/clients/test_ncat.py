"""ncat, the lab's own example of a client: lines typed at a terminal, and pipes."""

from __future__ import annotations

import random
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.process import Server

from .outside import Chat, Client, Serve, port6, requireClient, run

LOCAL = "127.0.0.1"


@pytest.fixture(scope="module", autouse=True)
def _ncat() -> None:
    requireClient("ncat")


def test_echo(echo: Server) -> None:
    """What is piped in comes back, and ncat ends by itself when its input does."""
    assert run("ncat", LOCAL, echo.ports["echo", "tcp"], input=b"hello\r\n\0\xff") == b"hello\r\n\0\xff"


def test_echo_persists(echo: Server) -> None:
    """One connection carries question after question, until ncat leaves."""
    with Client("ncat", LOCAL, echo.ports["echo", "tcp"]) as client:
        for line in ("one", "둘", "three"):
            client.say(line)
            client.hear(f"{line}\n")
        client.finish()
        assert client.wait() == 0
        assert client.printed.decode() == "one\n둘\nthree\n"


def test_nothing_to_echo(echo: Server) -> None:
    """Who connects and says nothing is not kept waiting for the end."""
    assert run("ncat", LOCAL, echo.ports["echo", "tcp"]) == b""


def test_half_close(special: Server) -> None:
    """20 MB piped through ncat come back exact, although it ends its side long before it has them all."""
    data = random.Random(1).randbytes(20_000_000)
    assert run("ncat", LOCAL, special.ports["bulk", "tcp"], input=data) == data


def test_prefix(echo: Server) -> None:
    """With a prefix each line gets it, a last one without an end too."""
    answer = run("ncat", LOCAL, echo.ports["prefixed", "tcp"], input="하나\r\ntwo\nthree".encode())
    prefix = "서버에서 받은 메시지: "
    assert answer.decode() == f"{prefix}하나\n{prefix}two\n{prefix}three\n"


def test_telnet_ends_lines_with_crlf(echo: Server) -> None:
    """`ncat -C`, which sends CRLF as telnet does, gets its lines back with a prefix and LF."""
    answer = run("ncat", "-C", LOCAL, echo.ports["prefixed", "tcp"], input=b"a\nb\n").decode()
    assert answer == "서버에서 받은 메시지: a\n서버에서 받은 메시지: b\n"


def test_echo_ipv6(lab: Server) -> None:
    """The lab echoes on ::1 too."""
    assert run("ncat", "-6", "::1", port6(lab, "echo", "tcp"), input=b"six\n") == b"six\n"


def test_udp_echo(echo: Server) -> None:
    """`ncat -u` gets back each datagram."""
    with Client("ncat", "-u", LOCAL, echo.ports["echo", "udp"]) as client:
        client.say("안녕")
        client.hear("안녕\n")
        client.say("again")
        assert client.hear("again\n").decode() == "안녕\nagain\n"


def test_tls(secure: Server) -> None:
    """`ncat --ssl` gets its lines back; a member of the chat hears another."""
    with Client("ncat", "--ssl", LOCAL, secure.ports["echo", "tls"]) as client:
        client.say("비밀")
        client.hear("비밀\n")
    chat = ("ncat", "--ssl", LOCAL, secure.ports["chat", "tls"])
    with Client(*chat) as first:
        first.say("/who")
        first.hear("(you)\n")
        with Client(*chat) as second:
            first.hear("has joined\n")
            second.say("psst")
            first.hear(": psst\n")
        first.hear("has left\n")


def test_tls_pipe(secure: Server) -> None:
    """What is piped through `ncat --ssl` comes back, although its FIN comes without a close_notify."""
    # Its status says little: it may be 1 ("Input/output error") although the answer is complete.
    for data in (b"hello\n", random.Random(5).randbytes(1_000_000)):
        assert run("ncat", "--ssl", LOCAL, secure.ports["echo", "tls"], input=data, status=None) == data


def test_tls_is_checked(folder: Path, secure: Server) -> None:
    """With `--ssl-verify` and the authority's certificate ncat is content, without that it refuses."""
    port = secure.ports["echo", "tls"]
    with Client("ncat", "-4", "--ssl-verify", "--ssl-trustfile", folder / "ca.pem", "localhost", port) as client:
        client.say("sure")
        client.hear("sure\n")
    assert run("ncat", "-4", "--ssl-verify", "localhost", port, input=b"no", status=None) == b""


def test_unix_socket(tmp_path: Path, serve: Serve) -> None:
    """`ncat -U` speaks through a Unix socket, beside the config file, and half-close works there too."""
    server = serve("[[service]]\nprotocol = 'echo'\nlisten = ['unix:echo.sock']\n")
    path = tmp_path / "echo.sock"
    assert server.addresses["echo", "unix"] == [str(path)]
    data = random.Random(3).randbytes(3_000_000)
    assert run("ncat", "-U", path, input=data) == data
    server.stop()
    assert not path.exists()


def test_chat(chat: Chat) -> None:
    """Two on TCP and one on UDP read what the others write, in order; nobody reads itself."""
    with (
        Client("ncat", LOCAL, chat.port("tcp")) as first,
        Client("ncat", LOCAL, chat.port("tcp")) as second,
        Client("ncat", "-u", LOCAL, chat.port("udp")) as third,
    ):
        first.hear("Welcome.")
        second.hear("Welcome.")
        for name, client in (("첫째", first), ("둘째", second), ("셋째", third)):
            client.say(f"/nick {name}")
            client.hear(f"* you are {name} now\n")
        first.hear(" is 셋째 now\n")
        for number in range(50):
            first.say(f"줄 {number}")
        second.say("안녕하세요")
        third.say("UDP에서")
        for client in (second, third):
            client.hear("첫째: 줄 49\n")
        first.hear("둘째: 안녕하세요\n")
        third.hear("둘째: 안녕하세요\n")
        first.hear("셋째: UDP에서\n")
        heard = second.hear("셋째: UDP에서\n").decode()
        lines = re.findall(r"첫째: (.*)\n", heard)
        assert lines == [f"줄 {number}" for number in range(50)]
        assert "둘째: " not in heard
        first.say("/quit")
        first.finish()
        assert first.wait() == 0
        second.hear("* 첫째 has left\n")
        third.hear("* 첫째 has left\n")


def test_history(chat: Chat) -> None:
    """A newcomer reads what was said before."""
    port = chat.port("tcp")
    with Client("ncat", LOCAL, port) as first:
        first.say("before")
        first.say("/who")
        first.hear("(you)")
        with Client("ncat", LOCAL, port) as second:
            second.hear("user1: before\n")


def test_who_leaves_is_missed(chat: Chat) -> None:
    """A piped line is said, and the end of the pipe is the end of the member."""
    port = chat.port("tcp")
    with Client("ncat", LOCAL, port) as first:
        first.hear("Welcome.")
        assert b"Welcome." in run("ncat", LOCAL, port, input="지나가는 사람\n".encode())
        first.hear("user2: 지나가는 사람\n")
        first.hear("* user2 has left\n")


def test_terminals_are_safe(chat: Chat) -> None:
    """Escape sequences, and bytes that are no text, reach other terminals as U+FFFD."""
    port = chat.port("tcp")
    with Client("ncat", LOCAL, port) as first:
        first.hear("Welcome.")
        run("ncat", LOCAL, port, input=b"\x1b[2J\xff\tend\n")
        first.hear("user2: �[2J�\tend\n")


def test_oneshot_line(oneshot: Server) -> None:
    """The answer waits for the end of the line, and tells what the server sees of the client."""
    with Client("ncat", LOCAL, oneshot.ports["greeter", "tcp"]) as client:
        client.send("안".encode())
        client.send("녕\n".encode())
        client.hear("안녕\n")
        client.finish()
        assert client.wait() == 0
        pattern = r"\d+\. hello 127\.0\.0\.1:(\d+), at \d{4}-\d\d-\d\dT\S+ you said: 안녕\n"
        match = re.fullmatch(pattern, client.printed.decode())
    assert match
    oneshot.waitFor(f"greeter: tcp 127.0.0.1:{match[1]} closed by server: closed")


def test_oneshot_line_without_end(oneshot: Server) -> None:
    """The end of the input ends the line too."""
    assert run("ncat", LOCAL, oneshot.ports["greeter", "tcp"], input=b"hi").endswith(b" you said: hi")


def test_oneshot_too_late(special: Server) -> None:
    """Who sends no line in time is told so, and the connection is closed."""
    with Client("ncat", LOCAL, special.ports["late", "tcp"]) as client:
        client.send(b"unfinished")
        client.hear("you said nothing\n")
        client.say("too late")
        client.finish()
        assert client.wait() == 0
        assert client.printed == b"you said nothing\n"


def test_oneshot_eof(oneshot: Server) -> None:
    """All until the end of the input is the request, 100 kB that are no text too."""
    port = oneshot.ports["until-eof", "tcp"]
    assert run("ncat", LOCAL, port, input=b"a\nb\n") == b"a\nb\n"
    data = random.Random(4).randbytes(100_000)
    assert run("ncat", LOCAL, port, input=data) == data


def test_oneshot_eight_bytes(oneshot: Server) -> None:
    """8 bytes are the request, what follows them is ignored, and fewer are answered at the input's end."""
    port = oneshot.ports["eight-bytes", "tcp"]
    assert run("ncat", LOCAL, port, input=b"123456789") == b"12345678"
    assert run("ncat", LOCAL, port, input=b"123") == b"123"
    with Client("ncat", LOCAL, port) as client:
        client.send(b"12345")
        client.send(b"678")
        client.hear("12345678")
        client.finish()
        assert client.wait() == 0


def test_oneshot_read(lab: Server) -> None:
    """The lab's oneshot answers whatever comes first, and nothing more."""
    with Client("ncat", LOCAL, lab.ports["oneshot", "tcp"]) as client:
        client.send("첫".encode())
        client.hear("첫")
        client.say("둘째")
        client.finish()
        assert client.wait() == 0
        assert client.printed == "첫".encode()


def test_oneshot_udp(oneshot: Server) -> None:
    """Each datagram is a request of its own, from the same port."""
    with Client("ncat", "-u", LOCAL, oneshot.ports["greeter", "udp"]) as client:
        client.say("one")
        client.hear("you said: one\n")
        client.say("two")
        client.hear("you said: two\n")
        assert len(set(re.findall(rb"hello (\S+),", client.printed))) == 1


def test_protocol_of_ones_own(custom: Server) -> None:
    """configs/custom.toml: a file of ten lines beside the config serves TCP and UDP."""
    ports = custom.ports
    assert run("ncat", LOCAL, ports["shout", "tcp"], input=b"hello\nyou\n") == b"HELLO!!!\nYOU!!!\n"
    with Client("ncat", "-u", LOCAL, ports["shout", "udp"]) as client:
        client.say("psst")
        client.hear("PSST!!!\n")


def test_server_stops(serve: Serve) -> None:
    """SIGTERM: who stays although the server has ended its side, as ncat at a terminal does, is cut in time."""
    short = ("[[service]]", '[server]\nshutdown_timeout = "300ms"\n[[service]]')
    server = serve("chat.toml", short)
    with Client("ncat", LOCAL, server.ports["chat", "tcp"]) as client:
        client.hear("Welcome.")
        assert server.stop() == -signal.SIGTERM
        assert "waiting up to 0.3 s for peers to leave" in server.log
        assert "Traceback" not in server.log


def test_nobody_listens(serve: Serve) -> None:
    """On a port that a server has left, ncat is refused."""
    server = serve("chat.toml")
    server.stop()
    with socket.socket() as reserved:
        # Nobody else shall take it meanwhile.
        reserved.bind((LOCAL, server.ports["chat", "tcp"]))
        assert run("ncat", LOCAL, server.ports["chat", "tcp"], status=1) == b""
