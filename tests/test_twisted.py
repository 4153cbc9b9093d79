"""What Twisted ships, unchanged, in a real process: on every stream endpoint and over WebSocket; not on UDP."""

from __future__ import annotations

import http.client
import os
import smtplib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from socklab.records.reading import entriesOf
from socklab.testing import clientFrame
from tests import wire
from tests.config.support import complaints, one
from tests.process import Server

MIB = 1024 * 1024
PLAIN = Path(__file__).with_name("plain.py").read_text()
LISTEN = """listen = [
    'tcp:0:interface=127.0.0.1',
    'unix:{name}.sock',
    'ws:tcp:0:interface=127.0.0.1',
    'ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem',
]
"""
SERVICES = {
    "qotd": "twisted.protocols.wire:QOTD",
    "time": "twisted.protocols.wire:Time",
    "echo": "twisted.protocols.wire:Echo",
    "discard": "twisted.protocols.wire:Discard",
    "chargen": "twisted.protocols.wire:Chargen",
    "proxy": "twisted.protocols.portforward:ProxyFactory",
    "says": "plain:SaysFactory",
    "site": "plain:site",
    "mail": "plain:MailFactory",
    "upgrade": "plain:UpgradingFactory",
}
OPTIONS = {
    "proxy": 'host = "127.0.0.1"\nport = {upstream}',
    "site": 'folder = "files"',
    "mail": 'folder = "mail"',
    "upgrade": 'folder = "{certificate}"',
}
TRANSPORTS = ["tcp", "unix", "tls", "ws"]


class Upstream(socketserver.ThreadingTCPServer):
    """What the proxy goes to: it sends back each line in capitals, and 20 MB for `big`."""

    daemon_threads = True
    BIG = b"0123456789abcdef" * (20 * MIB // 16)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            """Answer."""
            for line in self.rfile:
                self.wfile.write(Upstream.BIG if line == b"big\n" else line.upper())


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The port of an upstream."""
    with Upstream(("127.0.0.1", 0), Upstream.Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, certificate: Path, upstream: int) -> Path:
    """Where the server runs."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "files").mkdir()
    (folder / "mail").mkdir()
    (folder / "files" / "big.bin").write_bytes(Upstream.BIG)
    (folder / "plain.py").write_text(PLAIN)
    # The console looks at all of it.
    text = "[console]\nlisten = 'tcp:0'\n"
    for name, protocol in SERVICES.items():
        options = OPTIONS.get(name, "").format(upstream=upstream, certificate=certificate)
        listen = LISTEN.format(name=name, certificate=certificate)
        text += f'[[service]]\nname = "{name}"\nprotocol = "{protocol}"\n{listen}[service.options]\n{options}\n'
    text += '[service.record]\nfile = "upgrade.jsonl"\n'
    text += one("plain:Reverse", "'udp:0', 'udp:0'", 'name = "reverse"\noptions.mark = "!"')
    (folder / "lab.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server that all tests of this module share."""
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server
        assert "Traceback" not in server.log


class Stream:
    """A stream of bytes over any transport: in WebSocket's messages as well."""

    def __init__(self, client: socket.socket, isWebsocket: bool) -> None:
        self.client = client
        self._isWebsocket = isWebsocket
        self._read = b""

    def send(self, data: bytes, opcode: int = 2) -> None:
        """Send bytes."""
        self.client.sendall(clientFrame(opcode, data) if self._isWebsocket else data)

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        if not self._isWebsocket:
            return wire.exactly(self.client, size)
        while len(self._read) < size:
            opcode, payload = wire.receive(self.client)
            assert opcode in (1, 2), payload
            self._read += payload
        data, self._read = self._read[:size], self._read[size:]
        return data

    def line(self) -> bytes:
        """Read a line."""
        line = b""
        while not line.endswith(b"\n"):
            line += self.exactly(1)
        return line

    def ended(self) -> bytes:
        """Read what is left until the server ends it, in good order."""
        if not self._isWebsocket:
            return wire.toTheEnd(self.client)
        data, self._read = self._read, b""
        while True:
            opcode, payload = wire.receive(self.client)
            if opcode == 8:
                assert payload == struct.pack("!H", 1000)
                return data
            data += payload


Connect = Callable[[str, str], Stream]


@pytest.fixture
def connect(server: Server, folder: Path, authority: trustme.CA) -> Iterator[Connect]:
    """Connect to a service over a transport."""
    opened = []

    def open_(service: str, transport: str) -> Stream:
        client = (
            wire.unix(folder / f"{service}.sock")
            if transport == "unix"
            else wire.tcp(server.ports[service, transport])
        )
        if transport == "tls":
            context = wire.trusting(authority)
            client = context.wrap_socket(client, server_hostname="localhost")
        elif transport == "ws":
            wire.websocket(0, client)
        opened.append(client)
        return Stream(client, transport == "ws")

    yield open_
    for client in opened:
        client.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestEverywhere:
    """twisted.protocols.wire, a forwarder, and a LineReceiver, over each transport."""

    def test_qotd(self, transport: str, connect: Connect) -> None:
        """QOTD speaks first, and closes."""
        assert connect("qotd", transport).ended() == b"An apple a day keeps the doctor away.\r\n"

    def test_time(self, transport: str, connect: Connect) -> None:
        """Time sends four bytes, whatever they look like, and closes."""
        before = int(time.time())
        (told,) = struct.unpack("!i", connect("time", transport).ended())
        assert before <= told <= time.time()

    def test_echo(self, transport: str, connect: Connect) -> None:
        """Echo sends back every byte."""
        client = connect("echo", transport)
        data = os.urandom(300_000)
        client.send(data)
        assert client.exactly(len(data)) == data

    def test_discard(self, transport: str, connect: Connect, server: Server) -> None:
        """Discard takes 20 MB, answers nothing, and keeps nothing."""
        client = connect("discard", transport)
        before = server.memory()
        for _ in range(20):
            client.send(b"x" * MIB)
        assert server.memory() < before + 8 * MIB
        client.client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.exactly(1)

    def test_chargen(self, transport: str, connect: Connect, server: Server) -> None:
        """Chargen makes no more than is read: to a reader that waits the server owes little, and loses nothing."""
        noise = rb"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ !" + b'"#$%&?'
        client, other = connect("chargen", transport), connect("echo", transport)
        before = server.memory()
        # The server's turns, in which it would make more and more.
        for _ in range(300):
            other.send(b"turn")
            assert other.exactly(4) == b"turn"
        assert server.memory() < before + 4 * MIB
        assert client.exactly(len(noise) * 20_000) == noise * 20_000

    def test_proxy(self, transport: str, connect: Connect) -> None:
        """A connection is forwarded to the upstream and back, and its end too."""
        client = connect("proxy", transport)
        client.send("one\n두 번째\n".encode())
        assert client.line() + client.line() == "ONE\n두 번째\n".encode()

    def test_proxy_holds_back(self, transport: str, connect: Connect, server: Server) -> None:
        """Of 20 MB from the upstream the server keeps little while the client does not read; all of it comes."""
        client, other = connect("proxy", transport), connect("echo", transport)
        before = server.memory()
        client.send(b"big\n")
        for _ in range(300):
            other.send(b"turn")
            assert other.exactly(4) == b"turn"
        assert server.memory() < before + 6 * MIB
        assert client.exactly(len(Upstream.BIG)) == Upstream.BIG

    def test_says(self, transport: str, connect: Connect) -> None:
        """A LineReceiver greets, answers each line, and closes."""
        client = connect("says", transport)
        assert client.line() == "안녕, 세계\n".encode()
        client.send(b"one\nt")
        client.send(b"wo\nbye\nlost\n")
        assert client.ended() == b"1: one\n2: two\n3: bye\n"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
class TestSite:
    """twisted.web.server.Site, from a module beside the config."""

    @pytest.fixture
    def client(
        self, server: Server, authority: trustme.CA, transport: str
    ) -> Iterator[http.client.HTTPConnection]:
        """A client that keeps its connection."""
        port = server.ports["site", transport]
        context = wire.trusting(authority)
        client = (
            http.client.HTTPSConnection("localhost", port, timeout=wire.PATIENCE, context=context)
            if transport == "tls"
            else http.client.HTTPConnection("localhost", port, timeout=wire.PATIENCE)
        )
        yield client
        client.close()

    def test_keep_alive(self, client: http.client.HTTPConnection) -> None:
        """Several requests go over one connection; what is posted comes back."""
        client.connect()
        first = client.sock
        for _ in range(3):
            client.request("GET", "/page")
            assert client.getresponse().read() == b"hello 127.0.0.1\n"
            data = os.urandom(2 * MIB)
            client.request("POST", "/page", data)
            assert client.getresponse().read() == data
            client.request("GET", "/nothing")
            answer = client.getresponse()
            assert (answer.status, b"No Such Resource" in answer.read()) == (404, True)
        assert client.sock is first

    def test_download(self, client: http.client.HTTPConnection, server: Server) -> None:
        """A file of 20 MB comes whole, and the server keeps little of it while the client does not read."""
        before = server.memory()
        client.request("GET", "/files/big.bin")
        answer = client.getresponse()
        assert server.memory() < before + 6 * MIB
        assert answer.read() == Upstream.BIG


def test_site_over_websocket(connect: Connect) -> None:
    """Even HTTP goes through the bridge."""
    client = connect("site", "ws")
    client.send(b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = client.ended().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"hello 127.0.0.1\n"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_mail(transport: str, server: Server, folder: Path, authority: trustme.CA) -> None:
    """Python's own smtplib delivers mail to twisted.mail."""
    port = server.ports["mail", transport]
    context = wire.trusting(authority)
    client = (
        smtplib.SMTP_SSL("localhost", port, timeout=wire.PATIENCE, context=context)
        if transport == "tls"
        else smtplib.SMTP("localhost", port, timeout=wire.PATIENCE)
    )
    with client:
        client.sendmail(
            "alice@example.com", [f"{transport}@example.com"], "Subject: Hi\r\n\r\n안녕\r\n.dot\r\n".encode()
        )
    lines = (folder / "mail" / f"{transport}.txt").read_text().splitlines()
    assert lines == ["Received: by a test", "Subject: Hi", "", "안녕", ".dot"]


def test_upgrade(server: Server, folder: Path, authority: trustme.CA) -> None:
    """What begins TLS in the middle of a connection is encrypted from then on, and recorded as it was said."""
    with wire.tcp(server.ports["upgrade", "tcp"]) as client:
        client.sendall(b"plain\nSTARTTLS\n")
        assert wire.exactly(client, 9) == b"PLAIN\ngo\n"
        with wire.trusting(authority).wrap_socket(client, server_hostname="localhost") as secure:
            secure.sendall(b"secret\n")
            assert wire.exactly(secure, 7) == b"SECRET\n"
            record = folder / "upgrade.jsonl"
            deadline = time.monotonic() + wire.PATIENCE
            while not record.exists() or b"SECRET" not in record.read_bytes():
                assert time.monotonic() < deadline
                os.sched_yield()
    said = [each.payload for each in entriesOf(record.open("rb")) if each.event == "message"]
    assert said == [b"plain\nSTARTTLS\n", b"PLAIN\n", b"go\n", b"secret\n", b"SECRET\n"]


def test_datagrams(server: Server) -> None:
    """A plain DatagramProtocol answers on udp:, each listener with one of its own."""
    for where in server.addresses["reverse", "udp"]:
        with wire.udp(int(where.rpartition(":")[2])) as client:
            client.send("가나다".encode())
            assert client.recv(100) == "가나다".encode()[::-1] + b"!"
    assert len(server.addresses["reverse", "udp"]) == 2


# twisted.web.static warns of itself.
@pytest.mark.filterwarnings("ignore:twisted.web:DeprecationWarning")
@pytest.mark.parametrize("name", SERVICES)
def test_not_on_udp(name: str, certificate: Path, tmp_path: Path) -> None:
    """A stream's protocol on udp: is a mistake in the config; so is a datagrams' on tcp:."""
    options = OPTIONS.get(name, "").format(upstream=1, certificate=certificate)
    lines = complaints(
        tmp_path, one(SERVICES[name], "'tcp:0', 'udp:0'", f"[service.options]\n{options}"), plain=PLAIN
    )
    why = "the protocol needs a stream: it cannot be served over datagrams"
    assert lines == [f'FILE: service[1] "{SERVICES[name]}": listen[2]: "udp:0": {why}']


class TestShutdown:
    """SIGTERM."""

    def test_factory_stops_once(self, tmp_path: Path) -> None:
        """A Factory is started once for all its listeners and stopped once; open connections do not hold it up."""
        (tmp_path / "plain.py").write_text(PLAIN)
        listen = "'tcp:0:interface=127.0.0.1', 'unix:a.sock', 'ws:tcp:0:interface=127.0.0.1'"
        config = "[server]\nshutdown_timeout = 600\n" + one("plain:SaysFactory", listen)
        (tmp_path / "lab.toml").write_text(config)
        with Server(tmp_path / "lab.toml", folder=tmp_path) as server:
            stream = wire.tcp(server.ports["SaysFactory", "tcp"])
            page = wire.websocket(server.ports["SaysFactory", "ws"])
            assert wire.exactly(stream, 15) == wire.receive(page)[1]
            threading.Thread(target=leave, args=(page,)).start()
            server.stop()
            assert (server.log.count("says starts"), server.log.count("says stops")) == (1, 1)
            assert "Traceback" not in server.log
            stream.close()


def leave(page: socket.socket) -> None:
    """Answer the server's close."""
    assert wire.receive(page) == (8, struct.pack("!H", 1001))
    wire.send(page, struct.pack("!H", 1001), opcode=8)
    wire.toTheEnd(page)
    page.close()
