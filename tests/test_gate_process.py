"""Who is let in, and how many: on real sockets, against a process."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wire
from tests.process import Server

HERE = ":interface=127.0.0.1"
LINGER = struct.pack("ii", 1, 0)


def lab(folder: Path, *services: str, server: str = "") -> Path:
    """Write a config."""
    path = folder / "lab.toml"
    path.write_text("\n".join([f"[server]\n{server}", *(f"[[service]]\n{each}" for each in services)]))
    return path


def echo(name: str, *listens: str, more: str = "", protocol: str = "echo") -> str:
    """Give the text of a service."""
    entries = ", ".join(f"'{each}'" for each in listens)
    return f'name = "{name}"\nprotocol = "{protocol}"\nlisten = [{entries}]\n{more}\n'


STYLES = ("close", "tell", "reset")
RULES = 'access = ["deny 10.0.0.5", "allow all"]\nrefusal = "tell"\n'
PLAIN = "twisted.protocols.wire:Echo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server runs."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def server(folder: Path, certificate: Path) -> Iterator[Server]:
    """A service for each test; it ends without a traceback."""
    tls = f"ssl:0{HERE}:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem"
    failing = "[service.limits]\nmax_connections = 2\nhandshake_timeout = '200ms'"
    services = [
        echo("vanishing", f"tcp:0{HERE}", more="limits = { max_connections = 3 }"),
        echo("tls-failing", tls, more=f"refusal = 'close'\n{failing}"),
        echo("proxied", f"haproxy:tcp:0{HERE}", more=f"{RULES}[service.limits]\nper_address = 1"),
        echo("proxied-ws", f"ws:haproxy:tcp:0{HERE}", more=RULES),
        echo(
            "plain",
            f"tcp:0{HERE}",
            "unix:x.sock",
            more="[service.limits]\nmax_connections = 2",
            protocol=PLAIN,
        ),
        echo("udp", f"udp:0{HERE}", more='access = ["deny 127.0.0.2", "allow all"]\nrefusal = "tell"'),
    ]
    for style in STYLES:
        refusal = f"refusal = '{style}'\n[service.limits]\n"
        services += [
            echo(style, f"tcp:0{HERE}", more=f"{refusal}per_address = 3"),
            echo(f"tls-{style}", tls, more=f"{refusal}per_address = 1"),
            echo(f"plain-{style}", f"haproxy:tcp:0{HERE}", more=f"{refusal}max_connections = 1", protocol=PLAIN),
        ]
    with Server(lab(folder, *services), folder=folder) as server:
        yield server
        assert "Traceback" not in server.log
        assert "Unhandled" not in server.log


def talks(client: socket.socket, said: bytes = b"hello") -> bool:
    """Tell whether what is said comes back."""
    try:
        client.sendall(said)
        return wire.exactly(client, len(said)) == said
    except ConnectionError:
        return False


def end(client: socket.socket) -> bytes:
    """Give what comes until the other side has closed, `reset` if it did that with RST."""
    try:
        return wire.toTheEnd(client)
    except ConnectionResetError:
        return b"reset"


def leave(client: socket.socket) -> None:
    """Close, and know that the server has: its FIN comes when it has counted the connection out."""
    client.shutdown(socket.SHUT_WR)
    assert end(client) == b""
    client.close()


def refused(port: int) -> bytes:
    """Connect, and give what comes until the end; the system may tell of RST before it tells of the connection."""
    try:
        with wire.tcp(port) as client:
            return end(client)
    except ConnectionResetError:
        return b"reset"


def vanish(client: socket.socket) -> None:
    """Close with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    client.close()


@pytest.mark.parametrize(
    ("style", "heard"), [("close", b""), ("tell", b"! refused: per_address\n"), ("reset", b"reset")]
)
def test_exactly_so_many(style: str, heard: bytes, server: Server) -> None:
    """Of 40 exactly so many are let in; when they have gone exactly so many again, five times."""
    port = server.ports[style, "tcp"]
    for _ in range(5):
        inside = [wire.tcp(port) for _ in range(3)]
        assert {refused(port) for _ in range(37)} == {heard}
        assert all(talks(client) for client in inside)
        for client in inside:
            leave(client)


def test_room_after_resets(server: Server) -> None:
    """Connections that vanish are counted out: after 300 of them there is room for all again."""
    port = server.ports["vanishing", "tcp"]
    for number in range(300):
        client = wire.tcp(port)
        if number % 2:
            # It may be refused, and closed already.
            with contextlib.suppress(ConnectionError):
                client.sendall(b"hello")
        vanish(client)
    # The server may hear of the last ones after the next have come.
    for _ in range(1000):
        clients = [wire.tcp(port) for _ in range(3)]
        inside = [client for client in clients if talks(client)]
        for client in inside:
            leave(client)
        if len(inside) == 3:
            return
    pytest.fail("there is no room again")


def test_server_wide(tmp_path: Path) -> None:
    """`[server] max_connections` counts the connections of all services."""
    services = [echo(name, f"tcp:0{HERE}", more='refusal = "tell"') for name in ("one", "two")]
    with Server(lab(tmp_path, *services, server="max_connections = 3"), folder=tmp_path) as server:
        one, two = (server.ports[name, "tcp"] for name in ("one", "two"))
        inside = [wire.tcp(port) for port in (one, two, one)]
        assert all(talks(client) for client in inside)
        for port in (one, two):
            with wire.tcp(port) as client:
                assert end(client) == b"! refused: server.max_connections\n"
        assert all(talks(client) for client in inside)
        for client in inside:
            client.close()


def test_memory_budget(tmp_path: Path) -> None:
    """A process with more memory than its budget lets nobody in, and says why."""
    config = lab(tmp_path, echo("one", f"tcp:0{HERE}", more='refusal = "tell"'), server='memory_budget = "1MiB"')
    with Server(config, folder=tmp_path) as server:
        with wire.tcp(server.ports["one", "tcp"]) as client:
            assert end(client) == b"! refused: server.memory_budget\n"
        assert " MiB are in use" in server.waitFor("refused: server.memory_budget: ")


class TestTLS:
    """Within TLS."""

    def connect(self, port: int, certificate: Path) -> ssl.SSLSocket:
        """Shake hands."""
        context = ssl.create_default_context(cafile=str(certificate / "ca.pem"))
        return context.wrap_socket(wire.tcp(port), server_hostname="localhost")

    def test_told(self, certificate: Path, server: Server) -> None:
        """Who is refused is told after the handshake, with a proper end."""
        port = server.ports["tls-tell", "tls"]
        with self.connect(port, certificate) as first:
            assert talks(first)
            with self.connect(port, certificate) as second:
                assert wire.toTheEnd(second) == b"! refused: per_address\n"
            assert talks(first)

    @pytest.mark.parametrize("style", ["close", "reset"])
    def test_not_told(self, style: str, certificate: Path, server: Server) -> None:
        """Else there is no handshake."""
        port = server.ports[f"tls-{style}", "tls"]
        with self.connect(port, certificate) as first:
            with pytest.raises(OSError):  # noqa: PT011
                self.connect(port, certificate)
            assert talks(first)

    def test_failed_handshakes(self, certificate: Path, server: Server) -> None:
        """Handshakes that fail, or never begin, are counted out: after 9 of each kind there is room for two."""
        port = server.ports["tls-failing", "tls"]
        for number in range(27):
            with wire.tcp(port) as client:
                # The server may have cut it already.
                with contextlib.suppress(ConnectionError):
                    if number % 3 == 0:
                        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    elif number % 3 == 1:
                        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
                        continue
                end(client)
        for _ in range(1000):
            try:
                with self.connect(port, certificate) as first, self.connect(port, certificate) as second:
                    assert talks(first)
                    assert talks(second)
                break
            except OSError:
                continue
        else:
            pytest.fail("there is no room again")


def proxied(port: int, source: str) -> socket.socket:
    """Connect as a proxy does for a client."""
    client = wire.tcp(port)
    client.sendall(f"PROXY TCP4 {source} 127.0.0.1 40000 3000\r\n".encode())
    return client


class TestProxied:
    """Behind `haproxy:`."""

    def test_streams(self, server: Server) -> None:
        """The rule, and the count of an address, are about the client that the proxy names."""
        port = server.ports["proxied", "haproxy"]
        with proxied(port, "10.0.0.5") as bad:
            bad.sendall(b"hello")
            assert end(bad) == b"! refused: access\n"
        with proxied(port, "10.0.0.6") as good, proxied(port, "10.0.0.7") as other:
            assert talks(good)
            assert talks(other)
            with proxied(port, "10.0.0.6") as second:
                second.sendall(b"hello")
                assert end(second) == b"! refused: per_address\n"
        server.waitFor("proxied: tcp 10.0.0.5:40000 refused: access")

    def test_websocket(self, server: Server) -> None:
        """So they are for WebSocket, with an answer of HTTP."""
        port = server.ports["proxied-ws", "ws haproxy"]
        with proxied(port, "10.0.0.6") as good:
            wire.websocket(port, good)
            wire.send(good, b"hi")
            assert wire.receive(good) == (1, b"hi")
        with proxied(port, "10.0.0.5") as bad:
            bad.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert end(bad).startswith(b"HTTP/1.1 403 ")

    @pytest.mark.parametrize("style", STYLES)
    def test_plain(self, style: str, server: Server) -> None:
        """A plain protocol's connections are counted; one too many is closed."""
        port = server.ports[f"plain-{style}", "haproxy"]
        with proxied(port, "10.0.0.6") as good:
            assert talks(good)
            assert refused(port) in (b"", b"reset")
            assert talks(good)


def test_unix_and_plain(folder: Path, server: Server) -> None:
    """Unix peers count in total; a plain protocol's connections count as all others do."""
    with wire.unix(folder / "x.sock") as first, wire.tcp(server.ports["plain", "tcp"]) as second:
        assert talks(first)
        assert talks(second)
        with wire.unix(folder / "x.sock") as third:
            assert end(third) in (b"", b"reset")
    server.waitFor("refused: max_connections: 2 connections")


def test_datagrams(server: Server) -> None:
    """An address that is not let in is not answered, or told in fewer bytes than it sent."""
    port = server.ports["udp", "udp"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad, wire.udp(port) as good:
        bad.settimeout(wire.PATIENCE)
        bad.bind(("127.0.0.2", 0))
        bad.connect(("127.0.0.1", port))
        bad.send(b"short")
        bad.send(b"x" * 100)
        assert bad.recv(1000) == b"! refused: access"
        good.send(b"hello")
        assert good.recv(1000) == b"hello"
