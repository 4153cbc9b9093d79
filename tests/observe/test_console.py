"""The console's port: its config, its pages, and who may ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from socklab.config import Config, ConfigError, loadConfig
from socklab.config import console as consoleConfig
from socklab.config.anywhere import anywhere
from socklab.console import service as consoleService
from socklab.console import site
from socklab.plan import plan
from socklab.reload import reload
from tests.observe.support import MemoryLab

HASH = f"token_hash = 'sha256:{'0' * 64}'"
SERVICE = "[[service]]\nprotocol = 'echo'\nlisten = ['tcp:0']\n"


def load(folder: Path, console: str) -> Config:
    """Load a config with a `[console]`."""
    path = folder / "lab.toml"
    path.write_text(f"[console]\n{console}\n{SERVICE}")
    return loadConfig(path)


def wrong(folder: Path, console: str) -> list[str]:
    """Give what is wrong with one."""
    with pytest.raises(ConfigError) as caught:
        load(folder, console)
    return [line.removeprefix(f"{folder}/lab.toml: ") for line in caught.value.lines]


# The config


def test_loopback(tmp_path: Path) -> None:
    """Where the config names no address it is 127.0.0.1."""
    for text, interface in (
        ("tcp:59300", "127.0.0.1"),
        ("tcp:59300:interface=0.0.0.0", "0.0.0.0"),
        (r"tcp:59300:interface=\:\:1", "::1"),
    ):
        console = load(tmp_path, f"listen = '{text}'\n{HASH}").console
        assert console is not None
        assert console.listen.interface == interface


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 'console.listen: is missing: expected an endpoint, such as "tcp:59300"'),
        ("listen = 3", 'console.listen: expected an endpoint, such as "tcp:59300", got 3'),
        (
            "listen = 'udp:59300'",
            'console.listen: "udp:59300": the console speaks HTTP, over tcp:, ssl:, tls:, unix: or systemd:',
        ),
        ("listen = 'tcp:x'", "console.listen: \"tcp:x\": expected a port from 0 to 65535, got 'x'"),
        ("listen = 'tcp:1'\nmetrics = 3", 'console.metrics: expected true or false or "optional", got 3'),
        ("listen = 'tcp:1'\nhost = []", "console.host: unknown key; did you mean `hosts`?"),
    ],
)
def test_mistakes(text: str, line: str, tmp_path: Path) -> None:
    """Mistakes are told with table and key."""
    assert wrong(tmp_path, text) == [line]


def test_address_twice(tmp_path: Path) -> None:
    """It cannot have the address of a service."""
    path = tmp_path / "lab.toml"
    path.write_text("[console]\nlisten = 'tcp:59300'\n[[service]]\nprotocol = 'echo'\nlisten = ['ws:tcp:59300']\n")
    with pytest.raises(
        ConfigError, match=r'console\.listen: "tcp:59300": service\[1\] listen\[1\] has this address already'
    ):
        loadConfig(path)


def test_without_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prometheus-client metrics are a mistake where they are asked for; else the log says what lacks."""
    monkeypatch.setattr(consoleConfig, "find_spec", lambda name: None)
    (line,) = wrong(tmp_path, "listen = 'tcp:59300'\nmetrics = true")
    assert line == (
        "console.metrics: prometheus-client is not installed: pip install 'socklab[lab]', or say metrics = false"
    )
    said: list[str] = []
    monkeypatch.setattr(consoleService, "say", lambda line, *_, **__: said.append(line))
    why = "console: no metrics: prometheus-client is not installed: pip install 'socklab[lab]'"
    for more, told in (("", [why]), ("metrics = 'optional'", [why]), ("metrics = false", [])):
        said.clear()
        lab = MemoryLab(tmp_path, f"[console]\nlisten = 'tcp:59300'\n{more}\n{SERVICE}")
        assert [each for each in said if "metrics" in each] == told
        assert ask(lab, "/metrics")[0] == 404


def test_off(tmp_path: Path) -> None:
    """Without the table there is none."""
    path = tmp_path / "lab.toml"
    path.write_text(SERVICE)
    assert loadConfig(path).console is None
    lab = MemoryLab(tmp_path, SERVICE)
    assert len(lab.reactor.tcpServers) == 1


def test_anywhere(tmp_path: Path) -> None:
    """With --any-port the system chooses its port, too."""
    console = anywhere(load(tmp_path, "listen = 'tcp:59300'"), tmp_path).console
    assert console is not None
    assert (console.listen.port, console.listen.interface) == (0, "127.0.0.1")


def test_reload(tmp_path: Path) -> None:
    """Its names and its port are changed while it runs; whether there is one needs a restart, and that is told."""
    before = load(tmp_path, "listen = 'tcp:59300'")
    after = load(tmp_path, "listen = 'tcp:59300'\nhosts = ['lab.example']")
    assert "~ [console]: hosts" in [*plan(before, after).lines()]
    other = load(tmp_path, "listen = 'tcp:59301'\nhosts = ['lab.example']")
    assert [*plan(before, other).lines()][1:] == ["~ [console]: listen, hosts"]
    text = "listen = 'tcp:59300'\nsocket = 'console.sock'"
    moved = anywhere(load(tmp_path, text), tmp_path / "short")
    assert [*plan(moved, load(tmp_path, text)).lines()] == ["= echo"]
    other = load(tmp_path, text.replace("console.sock", "other.sock"))
    assert "! [console]: socket: needs a restart" in [*plan(moved, other).lines()]
    path = tmp_path / "plain.toml"
    path.write_text(SERVICE)
    assert "! [console]: needs a restart" in [*plan(before, loadConfig(path)).lines()]


# The pages


CONFIG = f"[console]\nlisten = 'tcp:59300'\nhosts = ['lab.example']\n{SERVICE}"


@pytest.fixture
def lab(tmp_path: Path) -> MemoryLab:
    """A lab with a console."""
    return MemoryLab(tmp_path, CONFIG)


def connect(lab: MemoryLab) -> tuple[Any, StringTransport]:
    """Connect to the console; give its channel and what it writes to."""
    channel = lab.reactor.tcpServers[-1][1].buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
    transport = StringTransport()
    transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
    if channel is not None:
        channel.makeConnection(transport)
    return channel, transport


def ask(
    lab: MemoryLab, path: str, host: str = "127.0.0.1:59300", more: str = "", method: str = "GET"
) -> tuple[int, str]:
    """Ask for a page; give the status and the rest of the answer."""
    channel, transport = connect(lab)
    channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode())
    head, _, rest = transport.value().decode().partition("\r\n")
    return int(head.split()[1]), rest


def test_health(lab: MemoryLab) -> None:
    """It is healthy as long as it answers, and ready until it stops."""
    assert ask(lab, "/healthz")[0] == 200
    assert ask(lab, "/readyz")[0] == 200
    lab.lab.stopService()
    assert ask(lab, "/healthz")[0] == 200
    status, text = ask(lab, "/readyz")
    assert (status, text.rpartition("\r\n")[2]) == (503, "not ready\n")


def test_methods(lab: MemoryLab) -> None:
    """A page that there is not is not found; only reading is allowed."""
    assert ask(lab, "/nothing")[0] == 404
    assert ask(lab, "/metrics", method="POST", more="Content-Length: 0\r\n")[0] == 405
    assert ask(lab, "/healthz", method="HEAD")[1].endswith("\r\n\r\n")


def test_metrics(lab: MemoryLab) -> None:
    """Metrics come in Prometheus's own text, or as OpenMetrics to whom that is dearer."""
    lab.connect().deliver(b"hello")
    status, text = ask(lab, "/metrics")
    assert status == 200
    assert "Content-Type: text/plain; version=" in text
    assert 'socklab_connections_open{service="echo",transport="tcp"} 1.0\n' in text
    assert 'socklab_handling_seconds_count{service="echo",transport="tcp"} 1.0\n' in text
    assert "process_resident_memory_bytes" in text
    _, text = ask(lab, "/metrics", more="Accept: application/openmetrics-text; version=1.0.0\r\n")
    assert text.endswith("# EOF\n")


def test_no_metrics(tmp_path: Path) -> None:
    """Without metrics the page says why."""
    lab = MemoryLab(tmp_path, CONFIG.replace("hosts", "metrics = false\nhosts"))
    status, text = ask(lab, "/metrics")
    assert status == 404
    assert "pip install 'socklab[lab]'" in text


@pytest.mark.parametrize(
    ("host", "more", "status"),
    [
        ("localhost:59300", "", 200),
        ("[::1]:59300", "", 200),
        ("lab.example", "", 200),
        ("evil.example", "", 403),
        ("127.0.0.1.evil.example", "", 403),
        ("", "", 403),
        ("localhost:59300", "Origin: http://localhost:8000\r\n", 200),
        ("localhost:59300", "Origin: https://evil.example\r\n", 403),
        ("localhost:59300", "Origin: null\r\n", 403),
    ],
)
def test_rebinding(host: str, more: str, status: int, lab: MemoryLab) -> None:
    """A page of somebody else's that makes its name ours gets nothing (DNS rebinding); its Origin tells, too."""
    found, text = ask(lab, "/metrics", host, more)
    assert found == status
    assert ("socklab_ready" in text) == (status == 200)
    if status == 403:
        assert "service.websocket" not in text


def test_hosts_reloaded(lab: MemoryLab, tmp_path: Path) -> None:
    """Names are taken while it runs."""
    path = tmp_path / "lab.toml"
    path.write_text(CONFIG.replace("lab.example", "other.example"))
    assert [*reload(lab.lab, loadConfig(path))][-1] == "~ [console]: hosts"
    assert ask(lab, "/healthz", "other.example")[0] == 200
    assert ask(lab, "/healthz", "lab.example")[0] == 403


def test_body(lab: MemoryLab) -> None:
    """A request with a body that is too long is cut: Twisted would keep it in a file, however long."""
    channel, transport = connect(lab)
    channel.dataReceived(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
    for _ in range(site._BODY // 65536 + 1):
        channel.dataReceived(bytes(65536))
    assert transport.disconnecting


def test_at_once(lab: MemoryLab) -> None:
    """No more than so many connections are taken; when one has gone there is room again."""
    channels = [connect(lab)[0] for _ in range(site._AT_ONCE)]
    assert connect(lab)[0] is None
    channels[0].connectionLost(Failure(ConnectionDone()))
    assert connect(lab)[0] is not None
    for channel in channels[1:]:
        channel.connectionLost(Failure(ConnectionDone()))
