"""A good config as records."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from twisted.internet.protocol import Factory

from socklab.config import loadLab
from socklab.config.schema import ServerTable, WebSocketTable
from socklab.framing import FRAMINGS, Lines
from socklab.limits import Limits
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.request import Request
from socklab.transports.listen import parseListen
from tests.config.support import (
    load,
    one,
    service,
)


class TestRecords:
    """What a good file gives."""

    def test_defaults(self, tmp_path: Path) -> None:
        """The least config: all else has its default."""
        config = load(tmp_path, one())
        assert config.server == ServerTable(shutdown_timeout=20.0, trace="off")
        only = service(config)
        assert (only.name, type(only.factory)) == ("echo", EchoFactory)
        assert (only.limits, only.websocket) == (Limits(), WebSocketTable(deflate=False))
        (listener,) = only.listeners
        assert listener.listen == parseListen("tcp:0", tmp_path)
        assert (listener.framing, listener.lines, listener.encoding, listener.optional) == (
            None,
            False,
            "utf-8",
            False,
        )

    def test_limits(self) -> None:
        """The limits' defaults are those of the documentation."""
        assert Limits().model_dump() == {
            "max_connections": None,
            "per_address": None,
            "accept_rate": None,
            "accept_rate_per_address": None,
            "lifetime": None,
            "message_rate": None,
            "byte_rate": None,
            "message": 1024 * 1024,
            "line": 64 * 1024,
            "queue": 64 * 1024,
            "pending": 1024 * 1024,
            "pending_soft": 256 * 1024,
            "pending_seconds": 60.0,
            "handshake_timeout": 5.0,
            "handshake_bytes": 64 * 1024,
            "fragments": 4096,
            "ping_interval": 25.0,
            "ping_timeout": 20.0,
            "idle": None,
            "keepalive": 30.0,
            "udp_peers": 1024,
            "udp_idle": 60.0,
            "udp_amplification": 1.0,
            "udp_rate": None,
        }

    def test_every_value(self, tmp_path: Path) -> None:
        """All that a file says stands in the records, durations in seconds and sizes in bytes."""
        text = """
            [server]
            shutdown_timeout = "500ms"
            trace = "hex"
            max_connections = 9
            memory_budget = "1GiB"

            [[service]]
            name = "one"
            protocol = "chat"
            access = ["deny 10.0.0.5", "allow all"]
            refusal = "tell"
            listen = ['tcp:0', { endpoint = 'tcp:0', framing = "netstring", encoding = "cp949", optional = true }]
            framing = "int16"
            encoding = "euc-kr"
            [service.options]
            history = 5
            [service.limits]
            max_connections = 8
            per_address = 2
            accept_rate = 0.5
            accept_rate_per_address = 1
            lifetime = "1h"
            message_rate = 20
            byte_rate = "1MiB"
            message = "2KiB"
            line = "1kB"
            queue = 7
            pending = 5
            pending_soft = 4
            pending_seconds = "1s"
            handshake_timeout = 0
            handshake_bytes = "1 KiB"
            fragments = 1
            ping_interval = "1m"
            ping_timeout = "0.5s"
            idle = "5m"
            keepalive = "1h"
            udp_peers = 2
            udp_idle = 1.5
            udp_amplification = 3
            udp_rate = 0.5
            [service.websocket]
            deflate = true
            origins = ["https://example.com", "null"]
            hosts = ["Chat.example.com", "한국.kr", "[::1]"]
            paths = ["/chat"]

            [[service]]
            protocol = "oneshot"
            listen = ['udp:0']
        """
        config = load(tmp_path, text)
        assert config.server == ServerTable(
            shutdown_timeout=0.5, trace="hex", max_connections=9, memory_budget=1 << 30
        )
        chat, oneshot = config.services
        assert (chat.name, type(chat.factory), oneshot.name, type(oneshot.factory)) == (
            "one",
            ChatFactory,
            "oneshot",
            OneShotFactory,
        )
        assert chat.limits.model_dump() == {
            "max_connections": 8,
            "per_address": 2,
            "accept_rate": 0.5,
            "accept_rate_per_address": 1.0,
            "lifetime": 3600.0,
            "message_rate": 20.0,
            "byte_rate": 1 << 20,
            "message": 2048,
            "line": 1000,
            "queue": 7,
            "pending": 5,
            "pending_soft": 4,
            "pending_seconds": 1.0,
            "handshake_timeout": 0.0,
            "handshake_bytes": 1024,
            "fragments": 1,
            "ping_interval": 60.0,
            "ping_timeout": 0.5,
            "idle": 300.0,
            "keepalive": 3600.0,
            "udp_peers": 2,
            "udp_idle": 1.5,
            "udp_amplification": 3.0,
            "udp_rate": 0.5,
        }
        assert chat.websocket == WebSocketTable(
            deflate=True,
            origins=("https://example.com", "null"),
            hosts=("chat.example.com", "xn--3e0b707e.kr", "::1"),
            paths=("/chat",),
        )
        assert [each.text for each in chat.access.rules] == ["deny 10.0.0.5", "allow all"]
        assert (chat.table.refusal, oneshot.table.refusal) == ("tell", "close")
        assert [each.text for each in oneshot.access.rules] == ["allow all"]
        first, second = chat.listeners
        assert (first.encoding, first.optional, second.encoding, second.optional) == (
            "euc_kr",
            False,
            "cp949",
            True,
        )
        for listener, name in ((first, "int16"), (second, "netstring")):
            assert listener.framing is not None
            framing = listener.framing()
            assert (type(framing), framing.maxLength, listener.lines) == (FRAMINGS[name], 2048, False)

    @pytest.mark.parametrize(
        ("protocol", "more", "kind", "most", "lines"),
        [
            ("chat", "", Lines, 7, True),
            ("chat", "framing = 'netstring'", FRAMINGS["netstring"], 9, False),
            ("echo", "framing = 'lines'", Lines, 7, True),
            ("oneshot", "", Request, 7, True),
            ("oneshot", "options = { until = 'eof' }", Request, 9, False),
            ("oneshot", "options = { until = 'http' }", Request, 9, False),
            ("echo", "options = { prefix = 'a' }", Lines, 7, True),
        ],
    )
    def test_framing(self, protocol: str, more: str, kind: type, most: int, lines: bool, tmp_path: Path) -> None:
        """A framing is the protocol's own or the file's; lines are bounded by `line`, all else by `message`."""
        text = one(protocol, more=f"{more}\n[service.limits]\nmessage = 9\nline = 7")
        (listener,) = service(load(tmp_path, text)).listeners
        assert listener.framing is not None
        framing = listener.framing()
        assert (type(framing), framing.maxLength, listener.lines) == (kind, most, lines)
        assert listener.framing() is not framing

    @pytest.mark.parametrize("more", ["", "framing = 'raw'"])
    def test_no_framing(self, more: str, tmp_path: Path) -> None:
        """Raw is none at all."""
        assert service(load(tmp_path, one(more=more))).listeners[0].framing is None

    def test_frozen(self, tmp_path: Path) -> None:
        """Records do not change."""
        config = load(tmp_path, one())
        with pytest.raises(dataclasses.FrozenInstanceError):
            config.services = ()  # type: ignore[misc]
        with pytest.raises(ValueError, match="frozen"):
            config.services[0].limits.line = 3

    def test_service_has_one_factory(self, tmp_path: Path) -> None:
        """A service has a Factory of its own, which its listeners share."""
        config = load(tmp_path, one("chat", "'tcp:0', 'udp:0', 'ws:tcp:0'") + one("chat", more="name = 'b'"))
        first, second = config.services
        assert isinstance(first.factory, Factory)
        assert first.factory is not second.factory

    def test_lab(self) -> None:
        """The built-in lab has no mistakes."""
        assert [each.name for each in loadLab().services] == ["echo", "oneshot", "chat"]
