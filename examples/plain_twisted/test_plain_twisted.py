"""What voters see: in memory over each transport that has streams of bytes, and over the network."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from poll import PollFactory

from socklab.testing import MemoryServer, ServerProcess

HERE = Path(__file__).parent
TRANSPORTS = ["tcp", "tls", "unix", "websocket"]


def hear(voter: Any) -> list[str]:
    """Give the lines that have come."""
    received = voter.receive()
    # Over WebSocket the stream comes in messages; their ends mean nothing.
    data = received if isinstance(received, bytes) else b"".join(payload for payload, isBinary in received)
    return data.decode().splitlines()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_vote(transport: str) -> None:
    """Who comes is told how it stands, and a vote counts."""
    voter = getattr(MemoryServer(PollFactory(["tea", "식혜"])), transport)()
    assert hear(voter) == ["tea 0", "식혜 0"]
    voter.say("식혜\n")
    assert hear(voter)[0] == "식혜 1"


def test_all_see_all_votes() -> None:
    """One Factory serves all transports: everybody is told of each vote."""
    server = MemoryServer(PollFactory(["tea"]))
    voters = [getattr(server, transport)() for transport in TRANSPORTS]
    voters[0].say("tea")
    for voter in voters:
        assert hear(voter) == ["tea 0", "tea 1"]


def test_no_such_choice() -> None:
    """A vote for something else is refused."""
    voter = MemoryServer(PollFactory(["tea", "coffee"])).tcp()
    voter.say("beer")
    assert hear(voter)[-1] == "! vote for tea, coffee"


def test_a_line_is_a_line() -> None:
    """A LineReceiver reads a stream: over WebSocket, too, lines end in LF, wherever messages end."""
    voter = MemoryServer(PollFactory(["tea"])).websocket()
    for piece in ("t", "ea\nte", "a\n"):
        voter.say(piece)
    assert hear(voter) == ["tea 0", "tea 1", "tea 2"]


def test_kind() -> None:
    """Answers over WebSocket are text until the voter sends a binary message, then binary."""
    voter = MemoryServer(PollFactory(["tea"])).websocket()
    voter.sendMessage(b"tea\n", True)
    assert voter.receive() == [(b"tea 0\n", False), (b"tea 1\n", True)]


def test_voter_leaves() -> None:
    """Who has left is told no more, and its votes stay."""
    server = MemoryServer(PollFactory(["tea"]))
    first, second = server.tcp(), server.websocket()
    first.say("tea")
    first.reset()
    second.say("tea\n")
    assert hear(second)[-1] == "tea 2"


def test_over_the_network(socklab_server: Callable[[str], ServerProcess]) -> None:
    """Votes over TCP and over the Unix socket are counted together, and the page is served as it is."""
    server = socklab_server("poll.toml")
    with socket.create_connection(server.address("poll", "tcp"), timeout=60) as first:
        lines = first.makefile("rb")
        assert lines.readline() == b"tea 0\n"
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(str(server.path("poll")))
            second.sendall(b"tea\n")
            answers = lines.readline(), lines.readline(), lines.readline()
            assert answers == (b"coffee 0\n", "식혜 0\n".encode(), b"tea 1\n")
    host, port = server.address("page", "tcp")
    with urlopen(f"http://{host}:{port}/", timeout=60) as page:
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.read() == (HERE / "poll.html").read_bytes()
