"""C# programs of the textbook kind: TcpClient and ReadLine(), UdpClient, ClientWebSocket; run by Mono."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.process import Server

from .outside import HERE, Chat, Client, requireClient, run

LOCAL = "127.0.0.1"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled programs."""
    requireClient("mcs", "mono")
    folder = tmp_path_factory.mktemp("csharp")
    for source in sorted((HERE / "csharp").glob("*.cs")):
        run("mcs", f"-out:{folder / source.stem}.exe", source)
    return folder


def test_lines(programs: Path, lab: Server) -> None:
    """Each line that is sent comes back before the next: on one connection, from one source port."""
    with Client("mono", programs / "LineClient.exe", LOCAL, lab.ports["echo", "tcp"], 0) as client:
        for line in ("C# one", "안녕하세요", "", "끝"):
            client.say(line)
        client.hear("끝\n")
        client.finish()
        assert client.wait() == 0
        assert client.printed.decode() == "C# one\n안녕하세요\n\n끝\n"
    [port] = re.findall(r'echo: tcp 127\.0\.0\.1:(\d+) received 7 B "C# one', lab.log)
    log = lab.waitFor(f"echo: tcp 127.0.0.1:{port} closed by peer: closed\n")
    assert len(re.findall(rf":{port} received", log)) == 4


def test_chat(programs: Path, chat: Chat) -> None:
    """It chats with others; its ReadLine() waits until one of them says something."""
    requireClient("ncat")
    with Client("mono", programs / "LineClient.exe", LOCAL, chat.port("tcp"), 1) as client:
        client.hear("Welcome.")
        client.say("/nick 샤프")
        client.hear("* you are 샤프 now\n")
        with Client("ncat", LOCAL, chat.port("tcp")) as other:
            other.hear("Welcome.")
            client.say("안녕하세요")
            client.hear("* user2 has joined\n")
            other.hear("샤프: 안녕하세요\n")
            other.say("반갑습니다")
            client.say("끝")
            client.hear("user2: 반갑습니다\n")
            other.hear("샤프: 끝\n")


def test_one_shot(programs: Path, lab: Server) -> None:
    """It has its whole answer before the server closes."""
    with Client("mono", programs / "LineClient.exe", LOCAL, lab.ports["oneshot", "tcp"], 0) as client:
        client.say("한 번")
        client.hear("한 번\n")
        client.finish()
        assert client.wait() == 0


def test_datagrams(programs: Path, lab: Server) -> None:
    """A UdpClient gets an answer to each datagram."""
    answers = run("mono", programs / "DatagramClient.exe", LOCAL, lab.ports["echo", "udp"], "하나", "둘")
    assert answers.decode() == "하나\n둘\n"


def test_websocket(programs: Path, lab: Server) -> None:
    """A ClientWebSocket shakes hands, talks, and closes with code 1000."""
    answers = run(
        "mono", programs / "WebSocketClient.exe", f"ws://{LOCAL}:{lab.ports['echo', 'ws']}/", "하나", "둘"
    )
    assert answers.decode() == "하나\n둘\n"
    lab.waitFor("closed by peer: closed, code 1000")
