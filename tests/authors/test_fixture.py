"""The pytest fixture: a whole config in a process, its addresses and its transcript."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from socklab.testing import Entry, StartServer
from tests import wire


def test_addresses_and_transcript(socklab_server: StartServer) -> None:
    """Each listener is found by service and transport; what happened is told in order."""
    server = socklab_server("counting.toml")
    with socket.create_connection(server.address("counting", "tcp")) as client:
        client.sendall("하나\n".encode())
        assert client.makefile("rb").readline() == "1 message 하나 started 1\n".encode()
        peer = "{}:{}".format(*client.getsockname())
    opened, received, sent, closed = server.transcript("counting", entries=4)
    assert opened == Entry("tcp", "opened", peer=peer)
    assert received == Entry("tcp", "received", "하나".encode(), True, peer)
    assert sent == Entry("tcp", "sent", "1 message 하나 started 1".encode(), True, peer)
    assert closed == Entry("tcp", "closed", peer=peer, reason="by peer: closed")


def test_every_transport(socklab_server: StartServer) -> None:
    """One Factory serves all listeners, and was started once."""
    server = socklab_server("counting.toml")
    with wire.udp(server.address("counting", "udp")[1]) as client:
        client.send(b"a")
        assert client.recv(100) == b"1 message a started 1"
    with wire.unix(server.path("counting")) as client:
        client.sendall(b"b\n")
        assert client.recv(100) == b"2 message b started 1\n"
    with wire.websocket(server.address("counting", "ws")[1]) as client:
        wire.send(client, b"c")
        assert wire.receive(client) == (1, b"3 message c started 1")
        # With the end of the Unix socket's client.
        found = server.transcript("counting", entries=10)
    assert [(each.kind, each.event) for each in found if each.event != "closed"] == [
        ("udp", "opened"),
        ("udp", "received"),
        ("udp", "sent"),
        ("unix", "opened"),
        ("unix", "received"),
        ("unix", "sent"),
        ("websocket", "opened"),
        ("websocket", "received"),
        ("websocket", "sent"),
    ]
    [message] = [each for each in found if each.kind == "websocket" and each.event == "sent"]
    assert (message.payload, message.isBinary) == (b"3 message c started 1", False)


def test_no_such_listener(socklab_server: StartServer) -> None:
    """A wrong name is told with those that are there."""
    server = socklab_server("counting.toml")
    with pytest.raises(LookupError, match="counting has no wss listener; there are: counting tcp, counting udp"):
        server.address("counting", "wss")
    with pytest.raises(LookupError, match=r"sock, which is no address and port: see path\(\)"):
        server.address("counting", "unix")


def test_transcript_that_does_not_come(socklab_server: StartServer) -> None:
    """What never happens is not waited for without end; the log says what happened instead."""
    server = socklab_server("counting.toml")
    with pytest.raises(AssertionError, match="socklab ready"):
        server.transcript("counting", entries=1, seconds=0.01)


def test_config_that_is_not_good(socklab_server: StartServer, tmp_path: Path) -> None:
    """A config with mistakes fails the test with its lines."""
    (tmp_path / "bad.toml").write_text('[[service]]\nprotocol = "ecko"\nlisten = ["tcp:0"]\n')
    with pytest.raises(AssertionError, match="did you mean `echo`"):
        socklab_server(tmp_path / "bad.toml")


def test_peers_that_stay(socklab_server: StartServer, pytester: pytest.Pytester) -> None:
    """A client that a test leaves open does not keep the next test waiting; Unix sockets leave nothing behind."""
    here = Path(__file__).parent
    for name in ("counting.py", "counting.toml"):
        (pytester.path / name).write_bytes((here / name).read_bytes())
    pytester.makepyfile(
        """
        import socket

        left = []

        def test_leaves_a_client(socklab_server):
            server = socklab_server("counting.toml")
            left.append(socket.create_connection(server.address("counting")))
            assert server.path("counting").exists()
            left.append(server)

        def test_next():
            assert not left[1].path("counting").parent.exists()
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:xdist", "--durations=5", "-vv")
    result.assert_outcomes(passed=2)
