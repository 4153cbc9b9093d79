"""Real clients' conditions against a real process: much data, many members, slow readers and hostile peers."""

from __future__ import annotations

import random
import selectors
import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pytest
import trustme

from socklab.testing import clientFrame
from socklab.transports.listen import setOptions
from socklab.transports.outbox import MAX_PAYLOAD
from tests import wire
from tests.process import Server

MIB = 1024 * 1024

CONFIG = """
[[service]]
name = "echo"
protocol = "echo"
listen = [
    'tcp:0:interface=127.0.0.1',
    'udp:0:interface=127.0.0.1',
    'ws:tcp:0:interface=127.0.0.1',
    'unix:echo.sock',
    'ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem',
]

[[service]]
name = "chat"
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1']

[[service]]
name = "short"
protocol = "oneshot"
listen = ['ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem']
options = {{ reply_file = "long.txt" }}

[[service]]
name = "proxied"
protocol = "oneshot"
listen = ['haproxy:tcp:0:interface=127.0.0.1', 'ws:haproxy:tcp:0:interface=127.0.0.1']
options = {{ reply = "{{peer_host}} {{peer_port}} {{request}}" }}

[[service]]
name = "hasty"
protocol = "echo"
listen = ['ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem']
limits = {{ handshake_timeout = "200ms" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Path:
    """Where the server runs."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "long.txt").write_bytes(b"long" * 500_000)
    (folder / "lab.toml").write_text(CONFIG.format(certificate=certificate))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server that all tests of this module share: what one does to it, the next ones notice."""
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server
        assert "Traceback" not in server.log


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Give a client's context that offers ALPN, as browsers do."""
    context = wire.trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def connector(server: Server, folder: Path, authority: trustme.CA, transport: str) -> Callable[[], socket.socket]:
    """Give what connects to the echo service."""
    if transport == "unix":
        return lambda: wire.unix(folder / "echo.sock")
    port = server.ports["echo", transport]
    if transport == "tls":
        return lambda: trusting(authority).wrap_socket(wire.tcp(port), server_hostname="localhost")
    return lambda: wire.tcp(port)


class TestBulk:
    """50 MB to a reader that takes its time."""

    @pytest.mark.parametrize("transport", ["tcp", "unix", "tls"])
    def test_stream(self, server: Server, folder: Path, authority: trustme.CA, transport: str) -> None:
        """While nothing is read, the server takes little; then all comes back, and its memory stays flat."""
        client = connector(server, folder, authority, transport)()
        data = random.Random(1).randbytes(MIB) * 50
        before = server.memory()
        sent, back = 0, bytearray()
        while len(back) < len(data):
            took = wire.fill(client, data[sent:])
            # Of what it could not send on the server keeps little, so it has stopped reading.
            assert took < 25 * MIB
            assert server.memory() < before + 4 * MIB
            sent += took
            if sent == len(data) and transport != "tls":
                client.shutdown(socket.SHUT_WR)
            back += wire.exactly(client, sent - len(back))
        assert back == data
        if transport != "tls":
            assert client.recv(1) == b""
        client.close()

    def test_websocket(self, server: Server) -> None:
        """The same over WebSocket, in messages of 1 MB."""
        client = wire.websocket(server.ports["echo", "ws"])
        message = random.Random(2).randbytes(1_000_000)
        frames = clientFrame(2, message) * 10
        before = server.memory()
        for _ in range(5):
            sent, got = 0, 0
            while got < 10:
                sent += wire.fill(client, frames[sent:])
                assert server.memory() < before + 12 * MIB
                assert wire.receive(client) == (2, message)
                got += 1
        client.close()

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_close_notify(self, server: Server, authority: trustme.CA, version: ssl.TLSVersion) -> None:
        """After a TLS client's close_notify all that is owed still comes, then the server's own."""
        context = trusting(authority)
        context.maximum_version = version
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        client = wire.tcp(server.ports["echo", "tls"])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65536))
        tls.write(b"z" * 3_000_000)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        owed = outgoing.read()
        sent = wire.fill(client, owed)
        received = bytearray()
        while sent < len(owed):
            received += client.recv(65536)
            sent += wire.fill(client, owed[sent:])
        received += wire.toTheEnd(client)
        incoming.write(bytes(received))
        back = bytearray()
        with pytest.raises(ssl.SSLZeroReturnError):
            while True:
                back += tls.read(65536)
        assert back == b"z" * 3_000_000
        client.close()

    def test_tls_close_is_prompt(self, server: Server, authority: trustme.CA) -> None:
        """A long TLS answer, read at leisure, ends with the server's close_notify and then at once."""
        port = server.ports["short", "tls"]
        client = trusting(authority).wrap_socket(wire.tcp(port), server_hostname="localhost")
        client.sendall(b"q\n")
        assert wire.toTheEnd(client) == b"long" * 500_000
        client.unwrap()
        client.close()

    def test_fin_without_close_notify(self, server: Server, authority: trustme.CA) -> None:
        """A TLS client that ends with a bare FIN, as ncat does, gets all that is owed and close_notify."""
        client = trusting(authority).wrap_socket(
            wire.tcp(server.ports["echo", "tls"]), server_hostname="localhost"
        )
        client.sendall(b"x" * 100_000)
        with socket.socket(fileno=client.fileno()) as raw:
            raw.shutdown(socket.SHUT_WR)
            raw.detach()
        assert wire.toTheEnd(client) == b"x" * 100_000
        client.close()


class TestProxy:
    """Behind haproxy:."""

    def test_client_is_known(self, server: Server) -> None:
        """The protocol knows the client's address, not the proxy's."""
        header = b"PROXY TCP4 203.0.113.7 10.0.0.1 4567 80\r\n"
        client = wire.tcp(server.ports["proxied", "haproxy"])
        client.sendall(header + b"hello\n")
        assert wire.toTheEnd(client) == b"203.0.113.7 4567 hello\n"
        client.close()
        page = wire.tcp(server.ports["proxied", "ws haproxy"])
        page.sendall(header)
        wire.websocket(0, page)
        wire.send(page, b"hello")
        assert wire.receive(page) == (1, b"203.0.113.7 4567 hello")
        page.close()


class TestDatagrams:
    """UDP."""

    @pytest.mark.parametrize("size", [0, 1, 1472, 8193, MAX_PAYLOAD])
    def test_whole(self, server: Server, size: int) -> None:
        """A datagram of any size comes back whole."""
        with wire.udp(server.ports["echo", "udp"]) as client:
            client.send(b"u" * size)
            assert client.recv(65536) == b"u" * size


class Member:
    """A chat member that says numbered lines and notes what it hears."""

    def __init__(self, client: socket.socket, isWebsocket: bool, number: int, lines: int) -> None:
        self.client = client
        self.isWebsocket = isWebsocket
        texts = [f"member {number:02} line {line:03}".encode() for line in range(lines)]
        self.owed = b"".join(clientFrame(1, each) if isWebsocket else each + b"\n" for each in texts)
        self.heard: list[str] = []
        self._data = b""

    def read(self) -> None:
        """Take what has come."""
        self._data += self.client.recv(262144)
        if not self.isWebsocket:
            *lines, self._data = self._data.split(b"\n")
            self.heard += [line.decode() for line in lines]
            return
        while len(self._data) > 2 and len(self._data) >= 2 + self._data[1]:
            size = 2 + self._data[1]
            self.heard.append(self._data[2:size].decode())
            self._data = self._data[size:]

    def said(self) -> list[str]:
        """Give the lines of members that it heard, without names and notices."""
        return [line.partition(": ")[2] for line in self.heard if not line.startswith("* ")]


def test_chat_delivers(server: Server) -> None:
    """20 members on TCP and WebSocket say 200 lines each: each reaches each other once, in one order for all."""
    members = []
    for number in range(20):
        isWebsocket = bool(number % 2)
        port = server.ports["chat", "ws" if isWebsocket else "tcp"]
        client = wire.websocket(port) if isWebsocket else wire.tcp(port)
        members.append(Member(client, isWebsocket, number, 200))
    with selectors.DefaultSelector() as selector:
        for member in members:
            member.client.setblocking(False)
            selector.register(member.client, selectors.EVENT_READ | selectors.EVENT_WRITE, member)
        churners = iter([server.ports["chat", "tcp"], server.ports["chat", "ws"]] * 20)
        while not all(len(member.said()) == 19 * 200 for member in members):
            # Others come and go meanwhile, and hear nothing.
            for port in islice(churners, 1):
                wire.tcp(port).close()
            ready = selector.select(wire.PATIENCE)
            assert ready, [len(member.said()) for member in members]
            for key, mask in ready:
                member = key.data
                if mask & selectors.EVENT_WRITE:
                    # A few hundred bytes at a time, so that the members speak all at once.
                    sent = member.client.send(member.owed[:300])
                    member.owed = member.owed[sent:]
                    if not member.owed:
                        selector.modify(member.client, selectors.EVENT_READ, member)
                if mask & selectors.EVENT_READ:
                    member.read()
    for number, member in enumerate(members):
        for other in range(20):
            lines = [line for line in member.said() if line.startswith(f"member {other:02}")]
            wanted = [] if other == number else [f"member {other:02} line {line:03}" for line in range(200)]
            assert lines == wanted
    # One order for all: what two members both heard, they heard in the same order.
    first = members[0].said()
    for number, member in enumerate(members[1:], 1):
        own = ("member 00", f"member {number:02}")
        assert [x for x in first if not x.startswith(own)] == [x for x in member.said() if not x.startswith(own)]
    for member in members:
        member.client.close()


@pytest.mark.parametrize("encoding", ["utf-8"])
def test_korean_cut_at_every_byte(server: Server, encoding: str) -> None:
    """A line of Korean, cut at every byte into two segments, reaches the others as the same text."""
    speaker, listener = wire.tcp(server.ports["chat", "tcp"]), wire.websocket(server.ports["chat", "ws"])
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line = "안녕하세요, 세계! 👋\n".encode(encoding)
    wire.send(listener, b"/who")
    while not wire.receive(listener)[1].startswith(b"* in lobby"):
        pass
    for cut in range(1, len(line)):
        speaker.sendall(line[:cut])
        speaker.sendall(line[cut:])
    heard: list[str] = []
    while len(heard) < len(line) - 1:
        text = wire.receive(listener)[1].decode()
        if not text.startswith("* "):
            heard.append(text.partition(": ")[2])
    assert set(heard) == {"안녕하세요, 세계! 👋"}
    speaker.close()
    listener.close()


def join(member: socket.socket) -> BinaryIO:
    """Wait until a member of the chat hears the others; give the lines that it will hear."""
    member.sendall(b"/who\n")
    lines = member.makefile("rb")
    assert any(line.startswith(b"* in lobby: ") for line in lines)
    return lines


class TestBursts:
    """Very many messages in one write."""

    def test_no_reader_is_cut(self, server: Server) -> None:
        """65,536 lines in one write reach a member that reads, and cut nobody."""
        speaker, reader = wire.tcp(server.ports["chat", "tcp"]), wire.tcp(server.ports["chat", "tcp"])
        join(reader)
        nick = "가" * 32
        speaker.sendall(f"/nick {nick}\n".encode() + b"\n" * 65536)
        line = f"{nick}: \n".encode()
        heard = bytearray()
        while heard.count(line) < 65536:
            data = reader.recv(262144)
            assert data
            heard += data
        speaker.close()
        reader.close()

    def test_own_answers(self, server: Server) -> None:
        """A client that reads gets the answers to 20,000 commands of one write, however long they are."""
        with wire.tcp(server.ports["chat", "tcp"]) as client:
            client.sendall(b"/help\n" * 20_000)
            got, tail = 0, b""
            while got < 20_000:
                data = client.recv(262144)
                assert data
                got += (tail + data).count(b"* //TEXT: say /TEXT\n")
                tail = (tail + data)[-19:]


class TestHandshake:
    """Handshakes of TLS that are none; tests/attacks has more that means no good."""

    def test_silent_in_the_tls_handshake(self, server: Server) -> None:
        """Who is silent in the TLS handshake is cut, with a log line."""
        with wire.tcp(server.ports["hasty", "tls"]) as client, pytest.raises(ConnectionResetError):
            client.recv(1)
        server.waitFor("hasty: tls")
        server.waitFor("cut: no TLS handshake within 0.2 s")

    def test_no_tls(self, server: Server) -> None:
        """Who speaks no TLS to a TLS port is cut, and the log says why."""
        with wire.tcp(server.ports["echo", "tls"]) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            wire.toTheEnd(client)
        server.waitFor("cut: TLS failed: ")


def test_ports_have_the_options_that_connections_inherit() -> None:
    """An accepted connection finds dead peers, and sends short messages at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        setOptions(listening, 30)  # type: ignore[arg-type]
        with wire.tcp(listening.getsockname()[1]), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            # 30 s of silence, and three questions 10 s apart: a minute.
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
