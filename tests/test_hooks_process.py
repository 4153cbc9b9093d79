"""A protocol that fails, in a real process: what its peers see, what the log says, and how the process ends."""

from __future__ import annotations

import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from tests import wire
from tests.config.support import one
from tests.process import Server, run
from tests.test_hooks import HOOKS, HOW

RAISING = Path(__file__).with_name("raising.py").read_text()
LISTEN = {
    "tcp": "tcp:0:interface=127.0.0.1",
    "tls": "ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem",
    "unix": "unix:{name}.sock",
    "udp": "udp:0:interface=127.0.0.1",
    "ws": "ws:tcp:0:interface=127.0.0.1",
}
PLAIN = {"buildProtocol": "raise", "connectionMade": "raise", "dataReceived": "raise", "connectionLost": "raise"}
CASES = [
    (hook, how, transport)
    for hook in HOOKS
    for how in (HOW if hook not in ("buildProtocol", "connectionLost") else ["raise"])
    for transport in LISTEN
    if hook != "readConnectionLost" or transport in ("tcp", "tls", "unix")
]


def nameOf(*parts: str) -> str:
    """Give a service's name."""
    return "-".join(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Path:
    """Where the server runs: a service for each hook, each way to fail and each transport."""
    folder = tmp_path_factory.mktemp("raising")
    (folder / "raising.py").write_text(RAISING)
    text = ""
    for hook, how, transport in CASES:
        name = nameOf(hook, how, transport)
        listen = LISTEN[transport].format(certificate=certificate, name=name)
        options = f'options = {{ hook = "{hook}", how = "{how}" }}'
        limits = "limits.idle = '100ms'" if hook == "timeoutConnection" else ""
        limits += "\nlimits.udp_idle = '300ms'" if transport == "udp" else ""
        text += one("raising:RaisingFactory", f"'{listen}'", f'name = "{name}"\n{options}\n{limits}')
    for hook in PLAIN:
        for transport in ("tcp", "ws"):
            more = f'name = "{nameOf("plain", hook, transport)}"\noptions.hook = "{hook}"'
            text += one("raising:PlainRaisingFactory", f"'{LISTEN[transport]}'", more)
    text += one("raising:RaisingDatagrams", f"'{LISTEN['udp']}'", 'name = "datagrams"')
    (folder / "lab.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server for all tests of this module, which in the end still ends as told."""
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Server Shut Down." in server.log


def connect(server: Server, folder: Path, name: str, transport: str, authority: trustme.CA) -> socket.socket:
    """Connect to a service, as far as a handshake is needed."""
    if transport == "unix":
        return wire.unix(folder / f"{name}.sock")
    port = server.ports[name, transport]
    if transport == "udp":
        return wire.udp(port)
    client = socket.socket()
    client.settimeout(wire.PATIENCE)
    # Before it connects, so that it has its port also when it is reset at once.
    client.bind(("127.0.0.1", 0))
    with suppress(ConnectionResetError):
        client.connect(("127.0.0.1", port))
    if transport == "ws":
        wire.websocket(0, client)
    elif transport == "tls":
        context = wire.trusting(authority)
        client = context.wrap_socket(client, server_hostname="localhost")
    return client


def say(client: socket.socket, transport: str) -> None:
    """Send a line."""
    if transport == "ws":
        wire.send(client, b"hello")
    else:
        client.send(b"hello\n")


def echoes(client: socket.socket, transport: str) -> bool:
    """Tell whether a line comes back."""
    say(client, transport)
    if transport == "ws":
        return wire.receive(client) == (1, b"hello")
    return (client.recv(100) if transport == "udp" else wire.exactly(client, 6)) == b"hello\n"


def isEnded(client: socket.socket, transport: str) -> bool:
    """Tell whether the server ends it as it should after a failure: by a reset, or WebSocket's 1011."""
    if transport == "ws":
        opcode, payload = wire.receive(client)
        return opcode == 8 and payload.startswith(struct.pack("!H", 1011))
    try:
        data = client.recv(1)
        # One that was reset while it connected has read that already, and has no peer any more.
        client.getpeername()
        # Unix sockets have no reset, and Python's TLS takes one for the end.
        return data == b"" and transport in ("unix", "tls")
    except TimeoutError:
        return False
    except OSError:
        return True


def failure(name: str, transport: str, client: socket.socket) -> str:
    """Give the line of the log about a peer's protocol."""
    if transport == "unix":
        return f"[socklab] {name}: unix unix: the protocol failed\n"
    kind = "websocket" if transport == "ws" else transport
    return f"[socklab] {name}: {kind} 127.0.0.1:{client.getsockname()[1]}: the protocol failed\n"


@pytest.mark.parametrize(("hook", "how", "transport"), CASES)
def test_failure(hook: str, how: str, transport: str, server: Server, folder: Path, authority: trustme.CA) -> None:
    """The peer is ended, the log tells of whom and by what, and who was there before is still served."""
    name = nameOf(hook, how, transport)
    with (
        connect(server, folder, name, transport, authority) as other,
        connect(server, folder, name, transport, authority) as victim,
    ):
        assert echoes(other, transport)
        if transport == "udp" or hook == "messageReceived":
            say(victim, transport)
        elif hook in ("readConnectionLost", "connectionLost"):
            assert echoes(victim, transport)
        line = failure(name, transport, victim)
        if hook == "readConnectionLost":
            victim.shutdown(socket.SHUT_WR)
        if hook == "connectionLost" and transport != "udp":
            victim.close()
        elif transport != "udp":
            assert isEnded(victim, transport)
        log = server.waitFor(line)
        assert log.count(line) == 1
        assert "raising.RaisingError" in log.partition(line)[2]
        assert echoes(other, transport)


@pytest.mark.parametrize("hook", PLAIN)
@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_plain(hook: str, transport: str, server: Server, folder: Path, authority: trustme.CA) -> None:
    """A plain Protocol that fails on a stream is logged by Twisted; over WebSocket it is as any other.

    (Twisted leaves a connection open whose connectionMade has failed.)
    """
    name = nameOf("plain", hook, transport)
    with (
        connect(server, folder, name, transport, authority) as other,
        connect(server, folder, name, transport, authority) as victim,
    ):
        assert echoes(other, transport)
        line = failure(name, transport, victim)
        if hook == "dataReceived":
            say(victim, transport)
        if hook == "connectionLost":
            victim.close()
        elif transport == "ws":
            assert isEnded(victim, transport)
        elif hook != "connectionMade":
            assert wire.toTheEnd(victim) == b""
        server.waitFor(line if transport == "ws" else f"raising.RaisingError: {hook}\n")
        assert echoes(other, transport)


def test_datagrams(server: Server, folder: Path, authority: trustme.CA) -> None:
    """A DatagramProtocol that fails at one datagram is logged, and gets the next one."""
    with connect(server, folder, "datagrams", "udp", authority) as client:
        client.send(b"x")
        log = server.waitFor(failure("datagrams", "udp", client))
        assert "raising.RaisingError: datagramReceived" in log
        assert echoes(client, "udp")


def lab(folder: Path, protocol: str, hook: str, more: str = "") -> Path:
    """Write a config of two services, the first of which fails in a hook."""
    (folder / "raising.py").write_text(RAISING)
    kind = "udp" if "Datagrams" in protocol else "tcp"
    first = one(f"raising:{protocol}", f"'{LISTEN[kind]}'", f'name = "bad"\noptions.hook = "{hook}"\n{more}')
    path = folder / "lab.toml"
    path.write_text(first + one("raising:RaisingFactory", f"'{LISTEN['tcp']}'", 'name = "good"'))
    return path


def where(folder: Path, hook: str, text: str) -> str:
    """Give an error and its place: the first that is raised after a text in raising.py."""
    line = RAISING[: RAISING.index("raise Raising", RAISING.index(text))].count(chr(10)) + 1
    return f"raising.RaisingError: {hook} ({folder}/raising.py, line {line})"


@pytest.mark.parametrize(
    ("protocol", "hook", "line", "text"),
    [
        ("RaisingFactory", "startFactory", "bad: startFactory failed: ", "if hook == self.hook:"),
        ("PlainRaisingFactory", "startFactory", "bad: startFactory failed: ", "class PlainRaisingFactory"),
        (
            "RaisingDatagrams",
            "startProtocol",
            "bad: udp 127.0.0.1:0: startProtocol failed: ",
            "class RaisingDatagrams",
        ),
    ],
)
def test_start(protocol: str, hook: str, line: str, text: str, tmp_path: Path) -> None:
    """What does not start ends the process with one line, of the service and the author's own, and status 1."""
    done = run("-n", "--pidfile=pid", "socklab", "--config", str(lab(tmp_path, protocol, hook)), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"socklab: {line}{where(tmp_path, hook, text)}"
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize(
    ("protocol", "hook"),
    [
        ("RaisingFactory", "stopFactory"),
        ("PlainRaisingFactory", "stopFactory"),
        ("RaisingDatagrams", "stopProtocol"),
    ],
)
def test_stop(protocol: str, hook: str, tmp_path: Path) -> None:
    """What fails at the end is logged, and the process ends as told, the other service in good order."""
    with Server(lab(tmp_path, protocol, hook), folder=tmp_path) as server:
        client = wire.tcp(server.ports["good", "tcp"])
        assert echoes(client, "tcp")
        server.sendSignal(signal.SIGTERM)
        assert wire.toTheEnd(client) == b""
        client.close()
        assert server.stop() in (0, -signal.SIGTERM)
        assert f"raising.RaisingError: {hook}" in server.log
        assert f"[socklab] bad: {hook} failed\n" in server.log
        assert "Server Shut Down." in server.log


def test_reconfigure(tmp_path: Path) -> None:
    """A Factory that fails to take new options is told in the log; its peers, and the other service, stay."""
    path = lab(tmp_path, "RaisingFactory", "reconfigure")
    with Server(path, folder=tmp_path) as server, wire.tcp(server.ports["bad", "tcp"]) as client:
        assert echoes(client, "tcp")
        path.write_text(path.read_text().replace("options.hook", "options.speed = 2\noptions.hook"))
        server.sendSignal(signal.SIGHUP)
        server.waitFor("! bad: RaisingError('reconfigure')")
        server.waitFor("raising.RaisingError: reconfigure")
        assert echoes(client, "tcp")
        with wire.tcp(server.ports["good", "tcp"]) as other:
            assert echoes(other, "tcp")


def test_init(tmp_path: Path) -> None:
    """A Factory that cannot be made is a mistake in the config."""
    path = lab(tmp_path, "RaisingFactory", "__init__")
    done = run("-n", "--pidfile=pid", "socklab", "--config", str(path), folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    why = where(tmp_path, "__init__", 'if hook == "__init__"')
    assert done.stderr == f'{path}: service[1] "bad": protocol: RaisingFactory failed: {why}\n'
