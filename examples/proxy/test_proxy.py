"""What peers of the proxy see: with an upstream in memory over each transport, and with a real one."""

from __future__ import annotations

import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proxy import ProxyFactory
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransportWithDisconnection
from zope.interface import implementer

from socklab.events import MessageReceived, MessageSent
from socklab.limits import Limits
from socklab.testing import MemoryServer, ServerProcess

HERE = Path(__file__).parent


class Wire:
    """The upstream's end of a connection."""

    def __init__(self, protocol: IProtocol) -> None:
        self._protocol = protocol
        self._transport = StringTransportWithDisconnection()
        self._transport.protocol = protocol
        protocol.makeConnection(self._transport)

    def asked(self) -> list[bytes]:
        """Give the lines that have come since this was last called."""
        lines = bytes(self._transport.value()).splitlines()
        self._transport.clear()
        return lines

    def answer(self, data: bytes) -> None:
        """Send."""
        self._protocol.dataReceived(data)

    def close(self) -> None:
        """Close."""
        self._transport.loseConnection()

    @property
    def connected(self) -> bool:
        """Whether the proxy has not closed it either."""
        return bool(self._transport.connected)


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Where the test is the upstream."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.before: Deferred[None] = succeed(None)
        """What connecting waits for."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """A peer of the proxy's has come."""
        return self.before.addCallback(self._connected, protocolFactory)

    def _connected(self, _: None, protocolFactory: IProtocolFactory) -> IProtocol:
        protocol = protocolFactory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        assert protocol is not None
        self.wires.append(Wire(protocol))
        return protocol


class MemoryProxyFactory(ProxyFactory):
    """The proxy, with an upstream in memory."""

    def __init__(self, timeout: float = 10) -> None:
        super().__init__("upstream", 1, timeout)
        self.upstream = MemoryEndpoint()

    def endpoint(self) -> IStreamClientEndpoint:
        """Give the way to the test."""
        return self.upstream


@pytest.fixture
def factory() -> MemoryProxyFactory:
    """The proxy."""
    return MemoryProxyFactory()


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix", "udp", "websocket"])
def test_answer(factory: MemoryProxyFactory, transport: str) -> None:
    """A line goes to the upstream, and its answer comes back; each peer has a connection of its own."""
    server = MemoryServer(factory)
    peers: list[Any] = [getattr(server, transport)() for _ in range(2)]
    for number, peer in enumerate(peers):
        peer.say(f"question {number}")
        assert factory.upstream.wires[number].asked() == [f"question {number}".encode()]
    for number, peer in reversed([*enumerate(peers)]):
        factory.upstream.wires[number].answer(f"answer {number}\n".encode())
        assert peer.hear() == [f"answer {number}"]


def test_one_line_at_a_time(factory: MemoryProxyFactory) -> None:
    """The second line goes out when the answer to the first has come."""
    peer = MemoryServer(factory).tcp()
    peer.send(b"one\ntwo\nthree\n")
    [wire] = factory.upstream.wires
    for line in (b"one", b"two", b"three"):
        assert wire.asked() == [line]
        wire.answer(line.upper() + b"\n")
    assert peer.hear() == ["ONE", "TWO", "THREE"]


def test_lines_wait_for_the_connection(factory: MemoryProxyFactory) -> None:
    """What the peer says before the upstream is there is not lost."""
    factory.upstream.before = Deferred()
    peer = MemoryServer(factory).tcp()
    peer.send(b"early\n")
    factory.upstream.before.callback(None)
    [wire] = factory.upstream.wires
    assert wire.asked() == [b"early"]
    wire.answer(b"EARLY\n")
    assert peer.hear() == ["EARLY"]


def test_end_of_input(factory: MemoryProxyFactory) -> None:
    """Who sends its questions and FIN gets all answers, then the end: `printf 'one\\ntwo\\n' | ncat ...`."""
    server = MemoryServer(factory)
    peer = server.tcp()
    peer.send(b"one\ntwo\n")
    peer.finish()
    [wire] = factory.upstream.wires
    wire.answer(b"ONE\n")
    wire.answer(b"TWO\n")
    assert peer.hear() == ["ONE", "TWO"]
    server.advance(1)
    assert peer.closed
    assert not wire.connected


def test_down(factory: MemoryProxyFactory) -> None:
    """When the upstream is down the peer is told so, and closed."""
    factory.upstream.before = fail(ConnectionRefusedError())
    server = MemoryServer(factory)
    peer = server.tcp()
    assert peer.hear() == ["ERROR upstream: Connection was refused by other side."]
    assert peer.finished


@pytest.mark.parametrize("transport", ["tcp", "websocket"])
def test_timeout(transport: str) -> None:
    """When the upstream does not answer in time the peer is told so, and both are closed."""
    factory = MemoryProxyFactory(timeout=2)
    server = MemoryServer(factory)
    peer: Any = getattr(server, transport)()
    peer.say("question")
    server.advance(1.9)
    assert peer.hear() == []
    server.advance(0.2)
    assert peer.hear() == ["ERROR upstream: no answer within 2 s"]
    if transport == "websocket":
        peer.close()
    peer.finish()
    assert peer.closed
    assert not factory.upstream.wires[0].connected


def test_upstream_closes(factory: MemoryProxyFactory) -> None:
    """When the upstream closes so does the proxy; who waits for an answer is told."""
    server = MemoryServer(factory)
    idle, waiting = server.tcp(), server.tcp()
    waiting.say("question")
    for wire in factory.upstream.wires:
        wire.close()
    assert idle.hear() == []
    assert idle.finished
    assert waiting.hear() == ["ERROR upstream: Connection was closed cleanly: Bye.."]
    assert waiting.finished


@pytest.mark.parametrize("asked", [False, True])
def test_peer_goes(factory: MemoryProxyFactory, asked: bool) -> None:
    """When the peer goes the connection to the upstream is closed; what it still answers is nobody's."""
    server = MemoryServer(factory)
    peer = server.tcp()
    if asked:
        peer.say("question")
    peer.reset()
    [wire] = factory.upstream.wires
    assert not wire.connected
    wire.answer(b"late\n")
    assert server.clock.getDelayedCalls() == []


def test_peer_goes_before_the_connection(factory: MemoryProxyFactory) -> None:
    """When the peer goes first, nobody connects."""
    factory.upstream.before = Deferred()
    peer = MemoryServer(factory).tcp()
    peer.reset()
    assert factory.upstream.before.called
    assert factory.upstream.wires == []


def test_two_lines_in_a_message(factory: MemoryProxyFactory) -> None:
    """A WebSocket message that holds two lines would get two answers: it is refused."""
    peer = MemoryServer(factory).websocket()
    peer.say("one\ntwo")
    assert factory.upstream.wires[0].asked() == []
    assert peer.hear() == ["ERROR upstream: a line cannot hold LF or end in CR"]


def test_text(factory: MemoryProxyFactory) -> None:
    """What a browser gets as text is text, whatever the upstream says; bytes stay bytes."""
    peer = MemoryServer(factory).websocket()
    for isBinary in (False, True):
        peer.sendMessage(b"question", isBinary)
        factory.upstream.wires[0].answer(b"\xff\n")
    assert peer.receive() == [("\N{REPLACEMENT CHARACTER}".encode(), False), (b"\xff", True)]


def test_slow_upstream(factory: MemoryProxyFactory) -> None:
    """10,000 lines at once: answered in order, while no more than the limit `queue` wait in the proxy."""
    server = MemoryServer(factory, limits=Limits(queue=16 * 1024))
    peer = server.tcp()
    lines = [f"line {number:05}" for number in range(10_000)]
    for line in lines:
        peer.say(line)
    assert peer.heldBack
    [wire] = factory.upstream.wires
    for _ in lines:
        server.advance(0.001)
        [asked] = wire.asked()
        wire.answer(asked.upper() + b"\n")
    server.advance(0.001)
    assert peer.hear() == [line.upper() for line in lines]
    waiting = most = 0
    for event in server.events:
        waiting += isinstance(event, MessageReceived) - isinstance(event, MessageSent)
        most = max(most, waiting)
    assert 1 < most * len(lines[0]) < 16 * 1024


# With a real upstream


class SlowUpstream(socketserver.StreamRequestHandler):
    """Answers each line with its first word; the first ones late, while all the others could have come."""

    def handle(self) -> None:
        """A connection from the proxy."""
        for number, line in enumerate(self.rfile):
            if number < 500:
                time.sleep(0.001)
            self.wfile.write(line.split()[0] + b"\n")


class Upstream(socketserver.ThreadingTCPServer):
    """Ends without waiting for those who are still connected."""

    daemon_threads = True


@pytest.fixture
def upstreamPort() -> Iterator[int]:
    """The port of a slow upstream on this machine."""
    with Upstream(("127.0.0.1", 0), SlowUpstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_over_the_network(socklab_server: Callable[..., ServerProcess], upstreamPort: int, tmp_path: Path) -> None:
    """10,000 lines of 1 KiB at once: answered in order, by a proxy that never holds more than a few of them."""
    shutil.copy(HERE / "proxy.py", tmp_path)
    config = tmp_path / "proxy.toml"
    config.write_text((HERE / "proxy.toml").read_text().replace("port = 4039", f"port = {upstreamPort}"))
    server = socklab_server(config, "--trace", "off")
    with socket.create_connection(server.address("proxy", "tcp"), timeout=60) as client:
        answers = client.makefile("rb")
        client.sendall(b"first\n")
        assert answers.readline() == b"first\n"
        before = most = server.memory()
        questions = b"".join(b"%05d %s\n" % (number, b"x" * 1017) for number in range(10_000))
        sender = threading.Thread(target=client.sendall, args=(questions,))
        sender.start()
        for number in range(10_000):
            assert answers.readline() == b"%05d\n" % number
            if number % 500 == 0:
                most = max(most, server.memory())
        sender.join()
    assert most - before < 1024 * 1024
