"""Java programs of the textbook kind: BufferedReader, PrintWriter, and a readLine() that blocks."""

from __future__ import annotations

import re
from pathlib import Path

from tests.process import Server

from .outside import Client, Serve, requireClient, run

LOCAL = "127.0.0.1"
# Starts faster; these programs are over before a compiler would pay.
JAVA = ("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def lines(classes: Path, port: int, charset: str = "UTF-8", first: int = 0, *options: str) -> Client:
    """Start the line client; `first` lines it reads before it sends any."""
    return Client(*JAVA, *options, "-cp", classes, "LineClient", LOCAL, port, charset, first)


def test_echo(classes: Path, echo: Server) -> None:
    """Each line that is sent comes back before the next; the connection stays."""
    with lines(classes, echo.ports["echo", "tcp"]) as client:
        for line in ("hello", "안녕하세요", "", "끝"):
            client.say(line)
        client.hear("끝\n")
        client.finish()
        assert client.wait() == 0
        assert client.printed.decode() == "hello\n안녕하세요\n\n끝\n"


def test_windows(classes: Path, echo: Server) -> None:
    """So it does on Windows, where println() ends a line with CRLF; with a prefix too."""
    with lines(classes, echo.ports["prefixed", "tcp"], "UTF-8", 0, "-Dline.separator=\r\n") as client:
        for line in ("하나", "둘"):
            client.say(line)
            client.hear(f"서버에서 받은 메시지: {line}\r\n")
    assert '8 B "하나\\r\\n"' not in echo.log


def test_chat_alone(classes: Path, special: Server) -> None:
    """With echo_self a member that waits for an answer to each line gets its own, even if it is alone."""
    with lines(classes, special.ports["self", "tcp"]) as client:
        client.say("나 혼자")
        client.hear("user1: 나 혼자\n")
        client.say("/me 웃는다")
        client.hear("* user1 웃는다\n")
        client.finish()
        assert client.wait() == 0


def test_chat_cp949(classes: Path, serve: Serve) -> None:
    """A member in MS949, as on Korean Windows, and one in UTF-8 read the same text from each other."""
    requireClient("ncat")
    server = serve("chat.toml", ("# echo_self", "echo_self"))
    utf8, cp949 = (int(where.rpartition(":")[2]) for where in server.addresses["chat", "tcp"])
    with lines(classes, cp949, "MS949", 1) as korean:
        korean.hear("Welcome.")
        korean.say("/nick 철수")
        korean.hear("* you are 철수 now\n")
        with Client("ncat", LOCAL, utf8) as other:
            other.hear("Welcome.")
            # What a program that reads one line for each that it sends gets is what came before.
            korean.say("반갑습니다")
            korean.hear("* user2 has joined\n")
            other.hear("철수: 반갑습니다\n")
            other.say("뷁, 안녕하세요")
            other.hear("user2: 뷁, 안녕하세요\n")
            korean.say("똠방각하")
            korean.hear("철수: 반갑습니다\n")
            other.hear("철수: 똠방각하\n")
            korean.say("끝")
            korean.hear("user2: 뷁, 안녕하세요\n")


def test_oneshot_buffer(classes: Path, lab: Server) -> None:
    """A buffer of 100 bytes takes several reads for a longer answer, and the last tells of the server's end."""
    request = "가나다라마바사" * 30
    answer = run(*JAVA, "-cp", classes, "OneShotClient", LOCAL, lab.ports["oneshot", "tcp"], request).decode()
    reads, _, text = answer.partition("\n")
    assert text == request
    match = re.fullmatch(r"(\d+) reads", reads)
    assert match
    assert int(match[1]) >= 7
