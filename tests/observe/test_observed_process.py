"""A real process with a console and records: what Prometheus reads, what SIGHUP does, what shutdown shows."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import wire
from tests.process import Server, run

CONFIG = """
[console]
listen = 'tcp:0'
[[service]]
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1']
[service.record]
file = "echo.jsonl"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is observed."""
    folder = tmp_path_factory.mktemp("observed")
    (folder / "lab.toml").write_text(CONFIG)
    with Server(folder / "lab.toml", folder=folder) as server:
        server.folder = folder  # type: ignore[attr-defined]
        yield server


def get(server: Server, page: str) -> tuple[int, str]:
    """Ask the console for a page; give the status and the text."""
    url = f"http://127.0.0.1:{server.ports['console', 'http']}/{page}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value(server: Server, name: str, **labels: str) -> float:
    """Give the value of a metric."""
    for family in text_string_to_metric_families(get(server, "metrics")[1]):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    raise AssertionError(f"there is no {name}")


def recorded(path: Path) -> list[dict[str, Any]]:
    """Give what a record says."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def waitFor(server: Server, number: float) -> None:
    """Wait until so many bytes are written to the record."""
    for _ in range(3000):
        if value(server, "socklab_record_bytes_total", service="echo") > number:
            return
    raise AssertionError(server.log)


def talk(server: Server) -> None:
    """Say something over each transport."""
    with wire.tcp(server.ports["echo", "tcp"]) as client:
        client.sendall("안녕".encode())
        assert wire.exactly(client, 6) == "안녕".encode()
    with wire.udp(server.ports["echo", "udp"]) as client:
        client.send(b"datagram")
        assert client.recv(100) == b"datagram"
    with wire.websocket(server.ports["echo", "ws"]) as client:
        client.sendall(b"\x81\x85\x00\x00\x00\x00hello")
        assert wire.exactly(client, 7) == b"\x81\x05hello"


def test_observed(server: Server) -> None:
    """Metrics count what was said, the record has it, and after SIGHUP it goes on in a file of the same name."""
    folder: Path = server.folder  # type: ignore[attr-defined]
    assert get(server, "healthz") == (200, "ok\n")
    assert get(server, "readyz") == (200, "ready\n")
    talk(server)
    for transport, size in (("tcp", 6), ("udp", 8), ("ws", 5)):
        labels = {"service": "echo", "transport": transport, "direction": "sent"}
        assert value(server, "socklab_messages_total", **labels) == 1
        assert value(server, "socklab_message_bytes_total", **labels) == size
    assert value(server, "socklab_reactor_lag_seconds_count") >= 0
    assert value(server, "process_resident_memory_bytes") > 1 << 20
    waitFor(server, 0)
    path = folder / "echo.jsonl"
    path.rename(folder / "old.jsonl")
    server.sendSignal(signal.SIGHUP)
    server.waitFor("reload: = echo")
    before = value(server, "socklab_record_bytes_total", service="echo")
    talk(server)
    waitFor(server, before)
    server.stop()
    old, new = recorded(folder / "old.jsonl"), recorded(path)
    assert new[0]["event"] == "recording"
    messages = [each for each in (*old, *new) if each["event"] == "message"]
    assert [each["text"] for each in messages if each["direction"] == "in"] == ["안녕", "datagram", "hello"] * 2
    assert {each["local"].rpartition(":")[2] for each in messages} == {
        str(server.ports["echo", each]) for each in ("tcp", "udp", "ws")
    }
    # The last connection's end is in it too: all that had happened is written before the process ends.
    assert [each["event"] for each in new][-1] == "closed"


def test_draining(tmp_path: Path) -> None:
    """While it waits for a peer to leave it is alive and not ready; its console goes with the last one."""
    (tmp_path / "lab.toml").write_text(CONFIG)
    with Server(tmp_path / "lab.toml", folder=tmp_path) as server, wire.tcp(server.ports["echo", "tcp"]) as client:
        client.sendall(b"x")
        assert wire.exactly(client, 1) == b"x"
        server.sendSignal(signal.SIGTERM)
        server.waitFor("for peers to leave")
        assert get(server, "readyz") == (503, "not ready\n")
        assert get(server, "healthz")[0] == 200
        assert value(server, "socklab_ready") == 0
        client.close()
        server.waitFor("Server Shut Down")


def test_port_in_use(server: Server, tmp_path: Path) -> None:
    """A console whose port is taken is told in a line, as any listener is."""
    with wire.socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "lab.toml").write_text(CONFIG.replace("tcp:0'", f"tcp:{port}'", 1))
        result = run("-n", "--pidfile=", "socklab", "--config", "lab.toml", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"console: tcp 127.0.0.1:{port}: the address is in use already")
    assert len(result.stderr.splitlines()) == 1
