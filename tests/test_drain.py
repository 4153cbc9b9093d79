"""SIGTERM: what peers had sent is handled, what they are owed is sent, and only then it ends. In a process."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import pytest

from tests import wire
from tests.process import Server

MIB = 1024 * 1024


def lab(folder: Path, protocol: str, *listens: str, more: str = "") -> Path:
    """Write a config of one service, which would wait for its peers longer than any test does."""
    path = folder / "lab.toml"
    entries = ", ".join(f"'{each}:interface=127.0.0.1'" for each in listens)
    service = f'[[service]]\nname = "one"\nprotocol = "{protocol}"\nlisten = [{entries}]\n{more}'
    path.write_text(f"[server]\nshutdown_timeout = 600\n{service}")
    return path


def test_backlog_comes_back_whole(tmp_path: Path) -> None:
    """A client that has sent megabytes, and has read nothing yet, gets every byte of its echo, then FIN."""
    with Server(lab(tmp_path, "echo", "tcp:0"), folder=tmp_path) as server:
        client = wire.tcp(server.ports["one", "tcp"])
        data = bytes(range(256)) * (7 * MIB // 256)
        sent = wire.fill(client, data)
        assert sent > 2 * MIB
        server.sendSignal(signal.SIGTERM)
        server.waitFor("waiting up to 600 s for peers to leave")
        assert wire.toTheEnd(client) == data[:sent]
        client.close()
        assert server.stop() in (0, -signal.SIGTERM)


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_unread_lines_are_delivered(transport: str, tmp_path: Path) -> None:
    """What members said before SIGTERM reaches the others, whole lines in order, before anybody is closed."""
    config = lab(tmp_path, "chat", "tcp:0", "ws:tcp:0", more='[service.options]\nformat = "{text}"\n')
    with Server(config, folder=tmp_path) as server:
        listener = wire.tcp(server.ports["one", "tcp"])
        heard = listener.makefile("rb")
        port = server.ports["one", transport]
        speakers = [wire.websocket(port) if transport == "ws" else wire.tcp(port) for _ in range(3)]
        for number in range(2, 5):
            assert heard.readline() == b"* user%d has joined\n" % number
        lines = 4000
        for number, speaker in enumerate(speakers):
            said = [b"%d %06d %s" % (number, count, b"x" * 50) for count in range(lines)]
            if transport == "ws":
                speaker.sendall(b"".join(map(frameOf, said)))
            else:
                speaker.sendall(b"\n".join(said) + b"\n")
        server.sendSignal(signal.SIGTERM)
        got: dict[bytes, list[int]] = {b"0": [], b"1": [], b"2": []}
        rest = []
        for line in heard:
            who, _, text = line.partition(b" ")
            if who in got:
                got[who].append(int(text[:6]))
            else:
                rest.append(line)
        assert got == {who: [*range(lines)] for who in got}
        assert rest[0] == b"* the server is stopping\n"
        for speaker in speakers:
            drainUntilEnd(speaker)
        listener.close()
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in server.log


def frameOf(text: bytes) -> bytes:
    """Give a WebSocket text frame of a client's."""
    from socklab.testing import clientFrame

    return clientFrame(1, text)


def drainUntilEnd(client: socket.socket) -> None:
    """Read and ignore, and close at the end; a WebSocket's close frame is answered by FIN."""
    client.shutdown(socket.SHUT_WR)
    wire.toTheEnd(client)
    client.close()


def test_who_goes_on_asking_does_not_keep_it(tmp_path: Path) -> None:
    """A client that sends its next request as soon as it has an answer is closed all the same, soon, with FIN."""
    with Server(lab(tmp_path, "echo", "tcp:0"), folder=tmp_path) as server:
        client = wire.tcp(server.ports["one", "tcp"])
        answered = threading.Event()

        def ask() -> None:
            client.sendall(b"x")
            while client.recv(1):
                answered.set()
                client.sendall(b"x")
            client.close()

        asking = threading.Thread(target=ask)
        asking.start()
        assert answered.wait(wire.PATIENCE)
        assert server.stop() in (0, -signal.SIGTERM)
        asking.join(wire.PATIENCE)
        assert not asking.is_alive()


def test_who_does_not_read_does_not_keep_others(tmp_path: Path) -> None:
    """A client that reads nothing of a big backlog is waited for alone: the others are closed at once."""
    with Server(lab(tmp_path, "echo", "tcp:0"), folder=tmp_path) as server:
        stuck = wire.tcp(server.ports["one", "tcp"])
        wire.fill(stuck, bytes(7 * MIB))
        other = wire.tcp(server.ports["one", "tcp"])
        other.sendall(b"hello")
        assert wire.exactly(other, 5) == b"hello"
        server.sendSignal(signal.SIGTERM)
        assert wire.toTheEnd(other) == b""
        other.close()
        stuck.close()
        assert server.stop() in (0, -signal.SIGTERM)


def test_datagram_members_are_told(tmp_path: Path) -> None:
    """Who chats over UDP hears that the server is stopping, and what was said before."""
    with Server(lab(tmp_path, "chat", "udp:0", "tcp:0"), folder=tmp_path) as server:
        member = wire.udp(server.ports["one", "udp"])
        member.send(b"/who")
        assert member.recv(1000) == b"* in lobby: user1 (you)"
        other = wire.tcp(server.ports["one", "tcp"])
        assert member.recv(1000) == b"* user2 has joined"
        other.sendall(b"last words\n")
        server.sendSignal(signal.SIGTERM)
        assert member.recv(1000) == b"user2: last words"
        assert member.recv(1000) == b"* the server is stopping"
        other.shutdown(socket.SHUT_WR)
        assert wire.toTheEnd(other) == b"* the server is stopping\n"
        other.close()
        member.close()
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in server.log
