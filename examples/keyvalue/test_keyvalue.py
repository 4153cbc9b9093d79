"""What peers of the key-value store see: in memory over each transport, and of a real server over the network."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest
from keyvalue import MAX_LISTED, KeyValueFactory

from socklab.testing import MemoryServer, ServerProcess

HERE = Path(__file__).parent


def ask(peer: Any, line: str) -> str:
    """Send a line, and give the one line that answers it."""
    peer.say(line)
    [answer] = peer.hear()
    return str(answer)


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix", "udp", "websocket"])
def test_commands(transport: str) -> None:
    """A value is there until it is deleted; commands may be in lower case."""
    peer = getattr(MemoryServer(KeyValueFactory()), transport)()
    assert ask(peer, "GET 색") == "NONE"
    assert ask(peer, "SET 색 파랑") == "OK"
    assert ask(peer, "get 색") == "VALUE 파랑"
    assert ask(peer, "TTL 색") == "TTL FOREVER"
    assert ask(peer, "KEYS") == "KEYS 1 색"
    assert ask(peer, "DEL 색") == "OK"
    assert ask(peer, "DEL 색") == "NONE"
    assert ask(peer, "TTL 색") == "NONE"
    assert ask(peer, "KEYS") == "KEYS 0"


def test_all_transports_share_the_store() -> None:
    """What one peer sets another one gets, in its own encoding and whatever it came by."""
    server = MemoryServer(KeyValueFactory())
    assert ask(server.tcp(encoding="cp949"), "SET 색 파랑") == "OK"
    assert ask(server.udp(), "GET 색") == "VALUE 파랑"
    assert ask(server.websocket(), "GET 색") == "VALUE 파랑"


def test_expiry() -> None:
    """A key lives as long as its SET says, or as the option `ttl` says."""
    server = MemoryServer(KeyValueFactory(ttl=60))
    peer = server.tcp()
    ask(peer, "SET short 1 2.5")
    ask(peer, "SET long 1")
    assert ask(peer, "TTL short") == "TTL 3"
    server.advance(2.4)
    assert ask(peer, "GET short") == "VALUE 1"
    server.advance(0.2)
    assert ask(peer, "GET short") == "NONE"
    assert ask(peer, "TTL long") == "TTL 58"
    server.advance(60)
    assert ask(peer, "KEYS") == "KEYS 0"


def test_set_again() -> None:
    """A second SET begins a life of its own: the first one's end does not touch it."""
    server = MemoryServer(KeyValueFactory())
    peer = server.tcp()
    ask(peer, "SET key old 10")
    ask(peer, "SET key new 20")
    server.advance(15)
    assert ask(peer, "GET key") == "VALUE new"
    ask(peer, "SET key newest")
    server.advance(1000)
    assert ask(peer, "GET key") == "VALUE newest"


@pytest.mark.parametrize(
    "line",
    ["", "HELLO", "GET", "GET a b", "SET a", "SET a b c d", "SET a b soon", "SET a b 0", "SET a b nan", "KEYS a"],
)
def test_nonsense(line: str) -> None:
    """What is no command gets a line that says so, and the conversation goes on."""
    peer = MemoryServer(KeyValueFactory()).tcp()
    assert ask(peer, line).startswith("ERROR ")
    assert ask(peer, "KEYS") == "KEYS 0"


def test_bounds() -> None:
    """Too many keys, too long a key and too long a value are refused; an old key can still be set."""
    peer = MemoryServer(KeyValueFactory(max_keys=2, max_value=6)).tcp()
    assert ask(peer, "SET a 가나") == "OK"
    assert ask(peer, "SET b 가나다") == "ERROR a value has at most 6 bytes"
    assert ask(peer, f"SET {'k' * 101} 1") == "ERROR a key has at most 100 characters"
    assert ask(peer, "SET b 1") == "OK"
    assert ask(peer, "SET c 1") == "ERROR there are 2 keys already"
    assert ask(peer, "SET a 2") == "OK"


def test_keys_fit_a_datagram() -> None:
    """KEYS says how many there are, and names at most 100: that many of the longest still fit a datagram."""
    peer = MemoryServer(KeyValueFactory()).udp()
    for number in range(MAX_LISTED + 1):
        ask(peer, f"SET {number:가>100} 1")
    answer = ask(peer, "KEYS")
    assert answer.split()[:2] == ["KEYS", "101"]
    assert len(answer.split()) == 2 + MAX_LISTED
    assert len(answer.encode()) <= 65_507


def test_controls() -> None:
    """What controls a terminal does not reach the one of another peer."""
    server = MemoryServer(KeyValueFactory())
    ask(server.tcp(), "SET key \x1b[31mred")
    assert ask(server.tcp(), "GET key") == "VALUE \N{REPLACEMENT CHARACTER}[31mred"


def test_stop() -> None:
    """A service that ends leaves no timers behind."""
    server = MemoryServer(KeyValueFactory())
    peer = server.tcp()
    ask(peer, "SET key value 60")
    peer.finish()
    server.stop()
    assert server.clock.getDelayedCalls() == []


def test_reload(socklab_server: Callable[[Path], ServerProcess], tmp_path: Path) -> None:
    """Over the network: a reload (SIGHUP) changes the options; the data and the connection stay."""
    shutil.copy(HERE / "keyvalue.py", tmp_path)
    config = tmp_path / "keyvalue.toml"
    text = (HERE / "keyvalue.toml").read_text()
    config.write_text(text.replace('"4KiB"', "3"))
    server = socklab_server(config)
    with socket.create_connection(server.address("keyvalue", "tcp"), timeout=60) as client:
        lines = client.makefile("rwb", buffering=0)

        def said(line: bytes) -> bytes:
            lines.write(line + b"\n")
            return lines.readline()

        assert said(b"SET key old") == b"OK\n"
        assert said(b"SET key longer") == b"ERROR a value has at most 3 bytes\n"
        config.write_text(text)
        server.sendSignal(SIGHUP)
        server.waitFor("reload: ")
        assert said(b"GET key") == b"VALUE old\n"
        assert said(b"SET key longer") == b"OK\n"
