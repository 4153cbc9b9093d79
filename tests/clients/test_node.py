"""Node's `ws`, the WebSocket client of most servers and tools."""

from __future__ import annotations

import os
import signal
from hashlib import sha256
from pathlib import Path

import pytest

from tests.process import Server

from .outside import LONG, Chat, NodeClient, Serve, port6, requireModule

MIB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def _ws() -> None:
    requireModule()


def connected(server: Server, service: str = "echo", **options: object) -> NodeClient:
    """Connect to a service over WebSocket."""
    return NodeClient(f"ws://127.0.0.1:{server.ports[service, 'ws']}/room?a=b", **options)


def test_echo(echo: Server) -> None:
    """Text comes back as text, binary as binary, an empty message as an empty one."""
    with connected(echo) as client:
        assert client.next("open") == {"event": "open", "extensions": "", "subprotocol": ""}
        for kind, data in (
            ("text", "안녕 👋"),
            ("binary", "00ff80"),
            ("text", ""),
            ("binary", ""),
            ("text", "\n"),
        ):
            client.do(kind, data=data)
            assert client.next("message") == {"event": "message", "isBinary": kind == "binary", "data": data}
        client.do("close", code=1000, reason="")
        assert client.next("close")["code"] == 1000
        assert client.wait() == 0


def test_prefix(echo: Server) -> None:
    """The prefix stands before text, and binary is left as it is."""
    with connected(echo, "prefixed") as client:
        client.next("open")
        client.do("text", data="하나")
        assert client.next("message")["data"] == "서버에서 받은 메시지: 하나"
        client.do("binary", data="0001")
        assert client.next("message") == {"event": "message", "isBinary": True, "data": "0001"}


def test_ipv6(lab: Server) -> None:
    """ws://[::1]:PORT works."""
    with NodeClient(f"ws://[::1]:{port6(lab, 'echo', 'ws')}/") as client:
        client.next("open")
        client.do("text", data="여섯")
        assert client.next("message")["data"] == "여섯"


def test_long_messages(special: Server) -> None:
    """1 MiB comes back whole, of either kind; one byte more closes with 1009."""
    with connected(special, "bulk") as client:
        client.next("open")
        for kind, unit, times in (("text", "가나a b", MIB // 9), ("binary", "ff", MIB), ("text", "x", MIB)):
            data = unit.encode() * times if kind == "text" else bytes.fromhex(unit) * times
            client.do(kind, data=unit, times=times)
            answer = client.next("message")
            assert answer["isBinary"] == (kind == "binary")
            assert (answer["length"], answer["sha256"]) == (len(data), sha256(data).hexdigest())
        client.do("binary", data="ff", times=MIB + 1)
        assert client.next("close")["code"] == 1009
    special.waitFor("(1009)")


@pytest.mark.parametrize("trace", ["text", "hex"])
def test_long_messages_traced(serve: Serve, echo: Server, trace: str) -> None:
    """1 MiB that is no text does not hold up the server for long when the trace shows it."""
    server = echo if trace == "text" else serve("echo.toml", ('trace = "text"', f'trace = "{trace}"'))
    with connected(server) as client:
        client.next("open")
        before = cpuSeconds(server.pid)
        client.do("binary", data="ff", times=MIB)
        client.next("message")
        assert cpuSeconds(server.pid) - before < 5


def cpuSeconds(pid: int) -> float:
    """Give the processor time of a process, which other processes do not add to."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_limit(special: Server) -> None:
    """A lower `limits.message` counts for fragments as for whole messages."""
    for command, values in (("text", {"data": "x" * 1001}), ("fragments", {"data": ["x" * 600, "x" * 600]})):
        with connected(special, "limited") as client:
            client.next("open")
            client.do("text", data="x" * 1000)
            assert client.next("message")["data"] == "x" * 1000
            client.do(command, **values)
            assert client.next("close")["code"] == 1009


def test_fragments(echo: Server) -> None:
    """A message in fragments comes back whole, even if they split a character."""
    with connected(echo) as client:
        client.next("open")
        client.do("fragments", data=["하나", "", "둘", "셋"])
        assert client.next("message") == {"event": "message", "isBinary": False, "data": "하나둘셋"}
        client.do("fragments", data=["ab", "cd"], binary=True)
        assert client.next("message") == {"event": "message", "isBinary": True, "data": b"abcd".hex()}


def test_ping(echo: Server) -> None:
    """A ping is answered by a pong with the same bytes."""
    with connected(echo) as client:
        client.next("open")
        client.do("ping", data="살아 있니?")
        assert client.next("pong")["data"] == "살아 있니?"


def test_server_pings(special: Server) -> None:
    """The server pings: who answers stays."""
    with connected(special, "pinging") as client:
        for _ in range(2):
            client.next("ping")
        client.do("text", data="still here")
        assert client.next("message")["data"] == "still here"


def test_no_pong(special: Server) -> None:
    """Who does not answer a ping is cut, and the log says why."""
    with connected(special, "hasty", autoPong=False) as client:
        client.next("ping")
        assert client.next("close")["code"] == 1006
    special.waitFor("no answer to a ping within 0.1 s")


def test_invalid_text(echo: Server) -> None:
    """Text that is no UTF-8 closes with 1007 (RFC 6455, 8.1)."""
    with connected(echo) as client:
        client.next("open")
        client.do("invalid")
        assert client.next("close")["code"] == 1007


def test_oneshot(oneshot: Server) -> None:
    """One message is answered, then the server closes with 1000."""
    with connected(oneshot, "greeter") as client:
        client.next("open")
        client.do("text", data="질문")
        answer = client.next("message")
        assert answer["data"].endswith("you said: 질문")
        assert not answer["isBinary"]
        assert client.next("close")["code"] == 1000
        assert client.wait() == 0


def test_oneshot_binary(lab: Server) -> None:
    """A binary question gets a binary answer."""
    with connected(lab, "oneshot") as client:
        client.next("open")
        client.do("binary", data="80ff")
        assert client.next("message") == {"event": "message", "isBinary": True, "data": "80ff"}
        assert client.next("close")["code"] == 1000


def test_oneshot_too_late(special: Server) -> None:
    """Who asks nothing is told so, and closed with 1000."""
    with connected(special, "late") as client:
        assert client.next("message")["data"] == "you said nothing\n"
        assert client.next("close")["code"] == 1000


def test_deflate(special: Server) -> None:
    """With `websocket.deflate` compression is agreed on, and the echo stays exact; over the limit it is 1009."""
    with connected(special, "deflate") as client:
        assert "permessage-deflate" in client.next("open")["extensions"]
        data = "가나다라 " * 70_000
        client.do("text", data="가나다라 ", times=70_000)
        answer = client.next("message")
        assert (answer["length"], answer["sha256"]) == (len(data.encode()), sha256(data.encode()).hexdigest())
        client.do("text", data="short")
        assert client.next("message")["data"] == "short"
        client.do("fragments", data=["압축된 ", "조각들"])
        assert client.next("message")["data"] == "압축된 조각들"
        # 2 MiB that travel as 2 KiB.
        client.do("text", data="x", times=2 * MIB)
        assert client.next("close")["code"] == 1009


def test_deflate_is_refused(echo: Server) -> None:
    """Without it `ws`, which always offers compression, goes on without."""
    with connected(echo, perMessageDeflate=True) as client:
        assert client.next("open")["extensions"] == ""


def test_deflate_in_a_room(special: Server) -> None:
    """Who compresses and who does not read the same lines."""
    with (
        connected(special, "deflate-chat") as first,
        connected(special, "deflate-chat", perMessageDeflate=False) as second,
        connected(special, "deflate-chat") as third,
    ):
        for each in (first, second, third):
            each.next("open")
            each.do("text", data="/who")
            each.hear("(you)")
        for client, others in ((first, (second, third)), (second, (first, third)), (third, (first, second))):
            for number in range(5):
                client.do("text", data=f"안녕하세요 {number}")
            for other in others:
                for number in range(5):
                    other.read(f": 안녕하세요 {number}")


def test_chat(chat: Chat) -> None:
    """Members read each other as text, and a message of several lines as several."""
    with connected(chat.server, chat.name) as first, connected(chat.server, chat.name) as second:
        for each in (first, second):
            assert each.next("message")["data"] == "Welcome. /help lists the commands."
        first.do("text", data="/nick 지은")
        first.read("* you are 지은 now")
        second.read(" is 지은 now")
        first.do("text", data="첫 줄\nuser2: 둘째 줄\n")
        message = second.next("message")
        assert message == {"event": "message", "isBinary": False, "data": "지은: 첫 줄"}
        assert second.next("message")["data"] == "지은: user2: 둘째 줄"
        second.do("text", data="/quit")
        assert second.next("close")["code"] == 1000
        first.read(" has left")


def test_tls(secure: Server) -> None:
    """wss:// works."""
    with NodeClient(f"wss://localhost:{secure.ports['echo', 'wss']}/", family=4) as client:
        client.next("open")
        client.do("text", data="비밀")
        assert client.next("message")["data"] == "비밀"
        client.do("binary", data="01", times=MIB)
        assert client.next("message")["length"] == MIB


def test_tls_is_checked(secure: Server) -> None:
    """Who checks the certificate, and does not know its authority, does not connect."""
    with NodeClient(f"wss://127.0.0.1:{secure.ports['echo', 'wss']}/", rejectUnauthorized=True) as client:
        assert "certificate" in client.next("error")["why"]
        assert client.next("close")["code"] == 1006


def test_stream_port(echo: Server) -> None:
    """On a port that speaks no WebSocket the handshake fails."""
    with NodeClient(f"ws://127.0.0.1:{echo.ports['echo', 'tcp']}/") as client:
        assert client.next("error")
        assert client.next("close")["code"] == 1006


def test_protocol_of_ones_own(custom: Server) -> None:
    """configs/custom.toml on WebSocket: each message as the kind it came in."""
    with connected(custom, "shout") as client:
        client.next("open")
        client.do("text", data="hello")
        assert client.next("message") == {"event": "message", "isBinary": False, "data": "HELLO!!!"}
        client.do("binary", data=b"hi".hex())
        assert client.next("message") == {"event": "message", "isBinary": True, "data": b"HI!!!".hex()}


def test_server_stops(serve: Serve) -> None:
    """SIGTERM: each client is closed with 1001, and the server ends at once."""
    server = serve("chat.toml", LONG)
    with connected(server, "chat") as first, connected(server, "chat") as second:
        first.next("message")
        second.next("message")
        assert server.stop() == -signal.SIGTERM
        assert first.next("close")["code"] == 1001
        assert second.next("close")["code"] == 1001
    assert "Traceback" not in server.log
