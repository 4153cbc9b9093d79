"""Config files: a good one gives records, a bad one every mistake in one line each, before anything is opened."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.internet.protocol import DatagramProtocol, Factory

from socklab.config import Config, ConfigError, Service, loadConfig, loadLab
from socklab.config.schema import ServerTable, WebSocketTable
from socklab.framing import FRAMINGS, Lines
from socklab.limits import Limits
from socklab.message import speaksMessages
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.request import Request
from socklab.service import Options
from socklab.transports.listen import parseListen
from tests.process import CHECKOUT, twistd

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT)}


@pytest.fixture(autouse=True)
def _forget(tmp_path: Path) -> Iterator[None]:
    """Forget the modules that a config brought."""
    path = sys.path[:]
    yield
    sys.path[:] = path
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def load(folder: Path, text: str, **modules: str) -> Config:
    """Load a config, with modules beside it."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    (folder / "lab.toml").write_text(text)
    return loadConfig(folder / "lab.toml")


def complaints(folder: Path, text: str, **modules: str) -> list[str]:
    """Give the lines about a bad config, its path and its folder as FILE and DIR."""
    with pytest.raises(ConfigError) as raised:
        load(folder, text, **modules)
    assert str(raised.value) == "\n".join(raised.value.lines)
    file = str(folder / "lab.toml")
    return [line.replace(file, "FILE").replace(str(folder), "DIR") for line in raised.value.lines]


def one(protocol: str = "echo", listen: str = "'tcp:0'", more: str = "") -> str:
    """Give the text of a config of one service."""
    return f'[[service]]\nprotocol = "{protocol}"\nlisten = [{listen}]\n{more}\n'


def service(config: Config) -> Service:
    """Give the only service."""
    (only,) = config.services
    return only


ECHO = 'FILE: service[1] "echo": '
ONESHOT = 'FILE: service[1] "oneshot": '
ABOVE = "this key belongs to the service: move it above"
PROTOCOL = 'expected a protocol, such as "echo" or "package.module:Name"'
ENDPOINTS = 'expected a list of endpoints, such as ["tcp:3000"]'
PROTOCOLS = 'expected chat, echo, oneshot or "package.module:Name"'
STREAMS = "with these options the protocol is served over streams (tcp:, ssl:, unix:) only"
ENCODING = "expected an encoding that holds ASCII, such as utf-8, cp949, euc-kr or latin-1"
FRAMING = 'expected "raw", "lines", "netstring", "int8", "int16" or "int32"'
SIZE = 'expected a size above 0, such as 65536 or "64KiB"'
DURATION = 'expected a duration such as 5, 0.5 or "250ms"'
POSITIVE = 'expected a duration above 0, such as 5, 0.5 or "250ms"'
FIELDS = "expected text with the fields {count}, {now}, {peer_host}, {peer_port}, {request}"

SHAPES: list[tuple[str, str, list[str]]] = [
    # The file as a whole
    ("empty", "", ["FILE: service: is missing: expected at least one [[service]]"]),
    ("only a comment", "# nothing\n", ["FILE: service: is missing: expected at least one [[service]]"]),
    ("no services", "service = []", ["FILE: service: expected at least one [[service]], got []"]),
    ("service no table", "service = 3", ["FILE: service: expected at least one [[service]], got 3"]),
    (
        "single brackets",
        "[service]\nprotocol = 'echo'",
        ['FILE: service: expected at least one [[service]], got {"protocol": "echo"}'],
    ),
    ("number as service", "service = [3]", ["FILE: service[1]: expected a table, got 3"]),
    (
        "near miss of service",
        one().replace("service", "servce"),
        ["FILE: servce: unknown key; did you mean `service`?"],
    ),
    ("unknown table", one(more="[metrics]\nport = 3"), ["FILE: metrics: unknown key"]),
    # The service
    (
        "empty service",
        "[[service]]",
        [
            f"FILE: service[1]: protocol: is missing: {PROTOCOL}",
            f"FILE: service[1]: listen: is missing: {ENDPOINTS}",
        ],
    ),
    (
        "missing protocol",
        "[[service]]\nlisten = ['tcp:0']",
        [f"FILE: service[1]: protocol: is missing: {PROTOCOL}"],
    ),
    ("missing listen", "[[service]]\nprotocol = 'echo'", [f"{ECHO}listen: is missing: {ENDPOINTS}"]),
    (
        "near miss of protocol",
        "[[service]]\nprotocl = 'echo'\nlisten = ['tcp:0']",
        ["FILE: service[1]: protocl: unknown key; did you mean `protocol`?"],
    ),
    (
        "near miss of listen",
        "[[service]]\nprotocol = 'echo'\nlisen = ['tcp:0']",
        [f"{ECHO}lisen: unknown key; did you mean `listen`?"],
    ),
    (
        "near miss of a key that may be missing",
        one(more="encodin = 'cp949'"),
        [f"{ECHO}encodin: unknown key; did you mean `encoding`?"],
    ),
    ("unknown key", one(more="colour = 'red'"), [f"{ECHO}colour: unknown key"]),
    ("unknown key that needs quotes", one(more='"a b\\n" = 3'), [rf'{ECHO}"a b\n": unknown key']),
    ("empty listen", one(listen=""), [f"{ECHO}listen: {ENDPOINTS}, got []"]),
    (
        "listen no list",
        "[[service]]\nprotocol = 'echo'\nlisten = 'tcp:0'",
        [f'{ECHO}listen: {ENDPOINTS}, got "tcp:0"'],
    ),
    (
        "number in listen",
        one(listen="3000"),
        [f'{ECHO}listen[1]: expected an endpoint, such as "tcp:3000", or a table with one, got 3000'],
    ),
    (
        "table without endpoint",
        one(listen="{}"),
        [f'{ECHO}listen[1].endpoint: is missing: expected an endpoint, such as "tcp:3000"'],
    ),
    (
        "bad table in listen",
        one(listen="'tcp:0', {endpoint=3, framing='linez', encoding='utf-16', optional='yes', optinal=true}"),
        [
            f'{ECHO}listen[2].endpoint: expected an endpoint, such as "tcp:3000", got 3',
            f'{ECHO}listen[2].framing: {FRAMING}, got "linez"',
            f'{ECHO}listen[2].encoding: {ENCODING}, got "utf-16"',
            f'{ECHO}listen[2].optional: expected true or false, got "yes"',
            f"{ECHO}listen[2].optinal: unknown key; did you mean `optional`?",
        ],
    ),
    (
        "near miss of endpoint",
        one(listen="{endpont = 'tcp:0'}"),
        [f"{ECHO}listen[1].endpont: unknown key; did you mean `endpoint`?"],
    ),
    ("number as name", one(more="name = 3"), ["FILE: service[1]: name: expected a name, got 3"]),
    ("empty name", one(more="name = ''"), ['FILE: service[1] "": name: expected a name, got ""']),
    (
        "number as protocol",
        one().replace('"echo"', "3"),
        [f"FILE: service[1]: protocol: {PROTOCOL}, got 3"],
    ),
    ("bad framing", one(more="framing = 'line'"), [f'{ECHO}framing: {FRAMING}, got "line"']),
    ("number as framing", one(more="framing = 3"), [f"{ECHO}framing: {FRAMING}, got 3"]),
    ("number as encoding", one(more="encoding = 3"), [f"{ECHO}encoding: {ENCODING}, got 3"]),
    (
        "values as tables",
        one(more="options = 3\nlimits = 'a'\nwebsocket = []"),
        [
            f"{ECHO}options: expected a table, got 3",
            f'{ECHO}limits: expected a table, got "a"',
            f"{ECHO}websocket: expected a table, got []",
        ],
    ),
    (
        "bad websocket table",
        one(more="[service.websocket]\ndeflate = 1\ndeflat = true"),
        [
            f"{ECHO}websocket.deflate: expected true or false, got 1",
            f"{ECHO}websocket.deflat: unknown key; did you mean `deflate`?",
        ],
    ),
    (
        "a long value",
        one(more=f"name = {[*range(100)]}"),
        [f"FILE: service[1]: name: expected a name, got {str([*range(100)])[:77]}..."],
    ),
    (
        "a value that TOML alone knows",
        one(more="name = 2026-01-02"),
        ["FILE: service[1]: name: expected a name, got 2026-01-02"],
    ),
    # [server]
    ("server no table", "server = 3\n" + one(), ["FILE: server: expected a table, got 3"]),
    (
        "bad server",
        "[server]\ntrace = 'on'\nshutdown_timeout = inf\n" + one(),
        [
            f"FILE: server.shutdown_timeout: {POSITIVE}, got inf",
            'FILE: server.trace: expected "off", "text" or "hex", got "on"',
        ],
    ),
    (
        "true is no duration",
        "[server]\nshutdown_timeout = true\n" + one(),
        [f"FILE: server.shutdown_timeout: {POSITIVE}, got true"],
    ),
    (
        "huge duration",
        f"[server]\nshutdown_timeout = 1{'0' * 400}\n" + one(),
        [f"FILE: server.shutdown_timeout: {POSITIVE}, got 1{'0' * 76}..."],
    ),
    (
        "near miss in server",
        "[server]\ntimeout = 3\ntracing = 'off'\n" + one(),
        [
            "FILE: server.timeout: unknown key; did you mean `shutdown_timeout`?",
            "FILE: server.tracing: unknown key; did you mean `trace`?",
        ],
    ),
    # Keys of later issues
    *(
        (f"later key server.{key}", f"[server]\n{key} = {value}\n" + one(), [f"FILE: server.{key}: unknown key"])
        for key, value in [
            ("max_connections", 1),
            ("log_format", "'json'"),
            ("memory_budget", 1),
            ("workers", 2),
        ]
    ),
    *(
        (
            f"later key limits.{key}",
            one(more=f"[service.limits]\n{key} = 1"),
            [f"{ECHO}limits.{key}: unknown key{near}"],
        )
        for key, near in [
            ("max_connections", ""),
            ("per_address", ""),
            ("accept_rate", "; did you mean `udp_rate`?"),
            ("idle", "; did you mean `udp_idle`?"),
            ("lifetime", ""),
        ]
    ),
    ("later key access", one(more="access = ['allow all']"), [f"{ECHO}access: unknown key"]),
    ("later table tls", one(more="[service.tls]\nversion = 3"), [f"{ECHO}tls: unknown key"]),
    # A key of the service below one of its tables
    *(
        (
            f"keys in {table}",
            f"[[service]]\nname = 'x'\n[service.{table}]\nprotocol = 'echo'\nlisten = ['tcp:0']",
            [f'FILE: service[1] "x": {table}.{key}: {ABOVE} [service.{table}]' for key in ["protocol", "listen"]],
        )
        for table in ["limits", "options", "websocket"]
    ),
    *(
        (
            f"listen in {table}",
            f"[[service]]\nprotocol = 'echo'\n[service.{table}]\nlisten = ['tcp:0']",
            [f"{ECHO}{table}.listen: this key belongs to the service: move it above [service.{table}]"],
        )
        for table in ["limits", "options", "websocket"]
    ),
    (
        "encoding in options",
        one(more="[service.options]\nencoding = 'cp949'"),
        [f"{ECHO}options.encoding: this key belongs to the service: move it above [service.options]"],
    ),
    # [service.limits]
    *(
        (
            f"limits.{key} = {value}",
            one(more=f"[service.limits]\n{key} = {value}"),
            [f"{ECHO}limits.{key}: {expected}, got {got}"],
        )
        for key, value, expected, got in [
            ("message", "'1.5B'", SIZE, '"1.5B"'),
            ("message", "1.5", SIZE, "1.5"),
            ("message", f"'{'9' * 400}B'", SIZE, f'"{"9" * 76}...'),
            ("line", "0", SIZE, "0"),
            ("line", "'64 Kib'", SIZE, '"64 Kib"'),
            ("pending", "-1", SIZE, "-1"),
            ("pending", "true", SIZE, "true"),
            ("handshake_timeout", "-1", DURATION, "-1"),
            ("handshake_timeout", "nan", DURATION, "nan"),
            ("handshake_bytes", "[]", SIZE, "[]"),
            ("fragments", "0", "expected an integer of at least 1", "0"),
            ("fragments", "1.0", "expected an integer of at least 1", "1.0"),
            ("fragments", "true", "expected an integer of at least 1", "true"),
            ("ping_interval", "'5'", DURATION, '"5"'),
            ("ping_timeout", "0", POSITIVE, "0"),
            ("ping_timeout", "'0s'", POSITIVE, '"0s"'),
            ("keepalive", "{}", DURATION, "{}"),
            ("udp_peers", "0", "expected an integer of at least 1", "0"),
            ("udp_peers", "'many'", "expected an integer of at least 1", '"many"'),
            ("udp_idle", "'5 parsecs'", POSITIVE, '"5 parsecs"'),
            ("udp_amplification", "-0.5", "expected a number of at least 0", "-0.5"),
            ("udp_amplification", "'1'", "expected a number of at least 0", '"1"'),
            ("udp_rate", "0", "expected a number above 0", "0"),
            ("udp_rate", "'5s'", "expected a number above 0", '"5s"'),
        ]
    ),
    (
        "near miss in limits",
        one(more="[service.limits]\nmesage = 3"),
        [f"{ECHO}limits.mesage: unknown key; did you mean `message`?"],
    ),
    # Names and addresses that stand twice
    (
        "name twice",
        one(more="name = 'a'") + one("chat", more="name = 'b'") + one("chat", more="name = 'a'"),
        ['FILE: service[3] "a": name: service[1] is called "a" already: give this one another name'],
    ),
    (
        "protocol twice",
        one() + one("echo", "'udp:0'"),
        ['FILE: service[2] "echo": protocol: service[1] is called "echo" already: give this one another name'],
    ),
    (
        "address twice",
        one(listen="'tcp:3000', 'udp:3000', 'ws:tcp:3000'") + one("chat", "'tcp:3001', 'tcp:3000'"),
        [
            f'{ECHO}listen[3]: "ws:tcp:3000": service[1] listen[1] has this address already',
            'FILE: service[2] "chat": listen[2]: "tcp:3000": service[1] listen[1] has this address already',
        ],
    ),
]


@pytest.mark.parametrize(("text", "lines"), [each[1:] for each in SHAPES], ids=[each[0] for each in SHAPES])
def test_shape(text: str, lines: list[str], tmp_path: Path) -> None:
    """Each mistake gets just its own line."""
    assert complaints(tmp_path, text) == lines


@pytest.mark.parametrize(
    "name",
    [
        *(
            "nope",
            "",
            "utf-16",
            "utf-16-le",
            "utf-32",
            "utf-7",
            "utf-8-sig",
            "cp037",
            "hz",
            "iso2022_kr",
            "iso2022_jp",
        ),
        *("unicode_escape", "raw_unicode_escape", "punycode", "idna", "rot13", "hex", "zlib", "undefined", "a b"),
    ],
)
def test_bad_encoding(name: str, tmp_path: Path) -> None:
    """An encoding is refused when it is unknown, or when bytes of ASCII are not ASCII in it."""
    assert complaints(tmp_path, one(more=f'encoding = "{name}"')) == [f'{ECHO}encoding: {ENCODING}, got "{name}"']


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTF8", "utf-8"),
        ("utf-8", "utf-8"),
        ("cp949", "cp949"),
        ("EUC-KR", "euc_kr"),
        ("johab", "johab"),
        ("latin-1", "iso8859-1"),
        ("ascii", "ascii"),
        ("shift_jis", "shift_jis"),
        ("gb18030", "gb18030"),
    ],
)
def test_good_encoding(name: str, expected: str, tmp_path: Path) -> None:
    """Every other is taken, by any of its names."""
    (listener,) = service(load(tmp_path, one(more=f'encoding = "{name}"'))).listeners
    assert listener.encoding == expected


LISTENS: list[tuple[str, str]] = [
    ("", "expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000"),
    ("tcp", "expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000"),
    ("ws:", "expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000"),
    ("ws:tcp", "expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000"),
    ("localhost", "expected an endpoint such as tcp:3000, udp:3000 or ws:tcp:8000"),
    ("3000", "say how, too: tcp:3000, udp:3000 or ws:tcp:3000"),
    ("ws:3000", "say how, too: tcp:3000, udp:3000 or ws:tcp:3000"),
    ("tcp:", "the port is missing, as in tcp:3000"),
    ("udp:", "the port is missing, as in udp:3000"),
    ("udp:interface=127.0.0.1", "the port is missing, as in udp:3000"),
    ("ws:tcp:", "the port is missing, as in tcp:3000"),
    ("ssl:", "the port is missing, as in ssl:3001:privateKey=key.pem:certKey=cert.pem"),
    ("unix:", "the address is missing, as in unix:/run/socklab.sock"),
    ("tls:certificates", "the port is missing, as in tls:certificates:3001"),
    ("tcp:http", "expected a port from 0 to 65535, got 'http'"),
    ("tcp:-1", "expected a port from 0 to 65535, got '-1'"),
    ("tcp:65536", "expected a port from 0 to 65535, got '65536'"),
    ("udp:1e3", "expected a port from 0 to 65535, got '1e3'"),
    ("tcp:３０００", "expected a port from 0 to 65535, got '３０００'"),
    ("tcp: 3000", "expected a port from 0 to 65535, got ' 3000'"),
    ("haproxy:tcp:x", "expected a port from 0 to 65535, got 'x'"),
    ("tcp:3000:port=3001", "the port is there twice"),
    ("tcp:3000:interface=localhost", "expected an IP address as interface, got 'localhost'"),
    ("udp:3000:interface=example.com", "expected an IP address as interface, got 'example.com'"),
    ("tcp:3000:interface=127.0.0.256", "expected an IP address as interface, got '127.0.0.256'"),
    ("tcp:3000:interface=eth0", "expected an IP address as interface, got 'eth0'"),
    ("tcp:3000:interface=*", "expected an IP address as interface, got '*'"),
    (
        "tcp:127.0.0.1:3000",
        r"'3000' is one part too many: write an address as interface=ADDRESS, with \: for its colons",
    ),
    (
        "tcp:3000:localhost",
        r"'localhost' is one part too many: write an address as interface=ADDRESS, with \: for its colons",
    ),
    (
        "tcp:3000:interface=::1",
        r"'' is one part too many: write an address as interface=ADDRESS, with \: for its colons",
    ),
    (
        "udp:3000:interface=fe80::1",
        r"'' is one part too many: write an address as interface=ADDRESS, with \: for its colons",
    ),
    ("tcp:3000:interfce=127.0.0.1", "tcp: has no 'interfce', but backlog, interface, port"),
    ("udp:3000:backlog=5", "udp: has no 'backlog', but interface, port"),
    (
        "ssl:3000:sslmethod=x",
        "ssl: has no 'sslmethod', but backlog, certKey, dhParameters, extraCertChain, interface, port, privateKey",
    ),
    ("tcp:3000:backlog=many", "expected a number of connections as backlog, got 'many'"),
    ("tcp:3000:backlog=-1", "expected a number of connections as backlog, got '-1'"),
    ("unix:a.sock:mode=rw", "expected permissions such as 660 as mode, got 'rw'"),
    ("unix:a.sock:mode=999", "expected permissions such as 660 as mode, got '999'"),
    ("tcp:3000\\", "it ends in a backslash"),
    ("ws:udp:3000", "ws: goes before a stream endpoint, as in ws:tcp:8000"),
    ("ws:ws:tcp:3000", "ws: goes before a stream endpoint, as in ws:tcp:8000"),
    ("haproxy:udp:3000", "haproxy: goes before a TCP or Unix endpoint, as in haproxy:tcp:3000"),
    ("haproxy:ws:tcp:3000", "haproxy: goes before a TCP or Unix endpoint, as in haproxy:tcp:3000"),
    ("tpc:3000", "Twisted refuses it: Unknown endpoint type: 'tpc'"),
    ("http://localhost:3000", "Twisted refuses it: Unknown endpoint type: 'http'"),
    ("systemd:domain=INET:index=0", "systemd has passed no such socket to this process"),
    ("ssl:3000", "DIR/server.pem: no such file or directory"),
]


class TestListen:
    """`listen` entries."""

    @pytest.mark.parametrize(("text", "why"), LISTENS, ids=[each[0] or "empty" for each in LISTENS])
    def test_bad(self, text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A string that is no endpoint is told with what is wrong about it, alone and in a table."""
        monkeypatch.delenv("LISTEN_FDS", raising=False)
        text = text.replace("DIR", str(tmp_path))
        assert complaints(tmp_path, one(listen=f"'{text}'")) == [f'{ECHO}listen[1]: "{text}": {why}']
        table = f"'tcp:0', {{ endpoint = '{text}' }}"
        assert complaints(tmp_path, one(listen=table)) == [f'{ECHO}listen[2].endpoint: "{text}": {why}']

    @pytest.mark.parametrize(
        ("text", "kind", "transport", "where"),
        [
            ("tcp:3000", "stream", "tcp", "*:3000"),
            ("tcp:port=3000", "stream", "tcp", "*:3000"),
            ("tcp:3000:interface=127.0.0.1:backlog=5", "stream", "tcp", "127.0.0.1:3000"),
            (r"tcp:3000:interface=\:\:1", "stream", "tcp", "[::1]:3000"),
            (r"tcp:3000:interface=fe80\:\:1%eth0", "stream", "tcp", "[fe80::1%eth0]:3000"),
            ("udp:3000", "udp", "udp", "*:3000"),
            (r"udp:3000:interface=\:\:1", "udp", "udp", "[::1]:3000"),
            ("ws:tcp:8000", "websocket", "ws", "*:8000"),
            ("unix:a.sock:mode=660", "stream", "unix", "DIR/a.sock"),
            ("unix:/run/a.sock", "stream", "unix", "/run/a.sock"),
            (r"unix:a\:b.sock", "stream", "unix", "DIR/a:b.sock"),
            ("ws:unix:a.sock", "websocket", "ws unix", "DIR/a.sock"),
            ("haproxy:tcp:3000:interface=127.0.0.1", "stream", "haproxy", "127.0.0.1:3000"),
            ("haproxy:unix:a.sock", "stream", "haproxy", "DIR/a.sock"),
            ("ws:haproxy:tcp:8000", "websocket", "ws haproxy", "*:8000"),
            ("tls:certificates:3001", "stream", "tls", "*:3001"),
        ],
    )
    def test_good(self, text: str, kind: str, transport: str, where: str, tmp_path: Path) -> None:
        """Each kind of endpoint is known by its transport and its address."""
        listen = parseListen(text, tmp_path)
        assert (listen.text, listen.kind, listen.transport) == (text, kind, transport)
        assert listen.where == where.replace("DIR", str(tmp_path))

    @pytest.mark.parametrize(
        ("text", "description"),
        [
            ("tcp:3000", "tcp:3000:backlog=1024"),
            ("tcp:interface=127.0.0.1:port=3000", "tcp:3000:interface=127.0.0.1:backlog=1024"),
            (r"tcp:3000:interface=\:\:1:backlog=5", r"tcp:3000:interface=\:\:1:backlog=5"),
            ("ws:tcp:8000", "tcp:8000:backlog=1024"),
            (r"unix:a\:b\=c.sock", r"unix:DIR/a\:b\=c.sock:backlog=1024"),
            ("haproxy:unix:a.sock", "haproxy:unix:DIR/a.sock:backlog=1024"),
            ("tls:certificates:3001", "tls:DIR/certificates:3001"),
            ("udp:3000", ""),
        ],
    )
    def test_what_twisted_is_told(self, text: str, description: str, tmp_path: Path) -> None:
        """Twisted gets the same endpoint with absolute paths, and a backlog that bears bursts."""
        assert parseListen(text, tmp_path).description == description.replace("DIR", str(tmp_path))

    @pytest.mark.parametrize(
        ("one", "other", "conflict"),
        [
            ("tcp:3000", "tcp:3000", True),
            ("tcp:3000", "ws:tcp:3000", True),
            ("tcp:3000", "haproxy:tcp:3000", True),
            ("tcp:3000", "tcp:3000:interface=127.0.0.1", True),
            ("tcp:3000", "tcp:3000:interface=0.0.0.0", True),
            ("tcp:3000:interface=0.0.0.0", "tcp:3000:interface=127.0.0.1", True),
            (r"tcp:3000:interface=\:\:1", r"tcp:3000:interface=\:\:", True),
            (r"tcp:3000:interface=\:\:1", r"tcp:3000:interface=0\:0\:0\:0\:0\:0\:0\:1", True),
            ("udp:3000", "udp:3000", True),
            ("unix:a.sock", "ws:unix:a.sock", True),
            ("tcp:3000", "tcp:3001", False),
            ("tcp:3000", "udp:3000", False),
            ("tcp:0", "tcp:0", False),
            ("udp:0", "udp:0", False),
            ("tcp:3000", r"tcp:3000:interface=\:\:", True),
            ("tcp:3000:interface=127.0.0.1", r"tcp:3000:interface=\:\:", True),
            ("tcp:3000", r"tcp:3000:interface=\:\:1", False),
            ("tcp:3000:interface=127.0.0.1", "tcp:3000:interface=127.0.0.2", False),
            (r"tcp:3000:interface=fe80\:\:1%eth0", r"tcp:3000:interface=fe80\:\:1%eth1", False),
            ("unix:a.sock", "unix:b.sock", False),
            ("unix:a.sock", "tcp:3000", False),
        ],
    )
    def test_conflicts(self, one: str, other: str, conflict: bool, tmp_path: Path) -> None:
        """Two listeners conflict when the system would refuse the second, whichever that is."""
        first, second = parseListen(one, tmp_path), parseListen(other, tmp_path)
        assert (first.conflicts(second), second.conflicts(first)) == (conflict, conflict)


@pytest.fixture(scope="module")
def pems(authority: trustme.CA, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PEM files, good and bad."""
    folder = tmp_path_factory.mktemp("pems")
    key = (certificate / "key.pem").read_bytes()
    cert = (certificate / "cert.pem").read_bytes()
    secret = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for name, content in {
        "key.pem": key,
        "cert.pem": cert,
        "server.pem": key + cert,
        "chain.pem": authority.cert_pem.bytes(),
        "other.pem": authority.issue_cert("localhost").private_key_pem.bytes(),
        "secret.pem": secret,
        "junk.pem": b"junk\n",
    }.items():
        (folder / name).write_bytes(content)
    return folder


class TestCertificates:
    """`ssl:`"""

    @pytest.mark.parametrize(
        "text",
        [
            "ssl:0",
            "ssl:0:privateKey=server.pem",
            "ssl:0:privateKey=key.pem:certKey=cert.pem",
            "ssl:0:privateKey=key.pem:certKey=cert.pem:extraCertChain=chain.pem",
        ],
    )
    def test_good(self, text: str, pems: Path) -> None:
        """Key and certificate may be one file or two, relative to the config file's folder."""
        assert parseListen(text, pems).transport == "tls"
        assert parseListen(f"ws:{text}", pems).transport == "wss"
        assert parseListen(text, pems).description == "tcp:0:backlog=1024"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("privateKey=nope.pem:certKey=cert.pem", "DIR/nope.pem: no such file or directory"),
            ("privateKey=key.pem:certKey=nope.pem", "DIR/nope.pem: no such file or directory"),
            ("privateKey=.:certKey=cert.pem", "DIR: is a directory"),
            ("privateKey=other.pem:certKey=cert.pem", "DIR/other.pem is not the key of DIR/cert.pem: "),
            (
                "privateKey=secret.pem:certKey=cert.pem",
                "DIR/secret.pem holds no private key without a passphrase in PEM form",
            ),
            (
                "privateKey=junk.pem:certKey=cert.pem",
                "DIR/junk.pem holds no private key without a passphrase in PEM form",
            ),
            (
                "privateKey=cert.pem:certKey=cert.pem",
                "DIR/cert.pem holds no private key without a passphrase in PEM form",
            ),
            ("privateKey=key.pem:certKey=junk.pem", "DIR/junk.pem holds no certificate in PEM form"),
            ("privateKey=key.pem", "DIR/key.pem holds no certificate in PEM form"),
            (
                "privateKey=key.pem:certKey=cert.pem:extraCertChain=junk.pem",
                "DIR/junk.pem holds no certificate chain in PEM form",
            ),
            (
                "privateKey=key.pem:certKey=cert.pem:extraCertChain=nope.pem",
                "DIR/nope.pem: no such file or directory",
            ),
            (
                "privateKey=key.pem:certKey=cert.pem:dhParameters=nope.pem",
                "DIR/nope.pem: no such file or directory",
            ),
        ],
    )
    def test_bad(self, text: str, why: str, pems: Path, tmp_path: Path) -> None:
        """What cannot be served is told when the config is checked, with the file that is at fault."""
        for each in pems.iterdir():
            (tmp_path / each.name).write_bytes(each.read_bytes())
        (line,) = complaints(tmp_path, one(listen=f"'ssl:0:{text}'"))
        begin = f'{ECHO}listen[1]: "ssl:0:{text}": {why}'
        # OpenSSL's own words for keys that do not match differ from version to version.
        assert line.startswith(begin) if why.endswith(": ") else line == begin

    def test_nobody_is_asked_for_a_passphrase(self, pems: Path, tmp_path: Path) -> None:
        """A key with a passphrase is refused at a terminal too, where OpenSSL would ask for it."""
        listen = f"'ssl:0:privateKey={pems}/secret.pem:certKey={pems}/cert.pem'"
        (tmp_path / "lab.toml").write_text(one(listen=listen))
        command = twistd("-n", "--pidfile=", "socklab", "--check", "--config", str(tmp_path / "lab.toml"))
        script = (
            "import os, sys; os.setsid(); os.close(os.open(os.ttyname(0), os.O_RDWR)); "
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        main, terminal = pty.openpty()
        try:
            done = subprocess.run(
                [sys.executable, "-c", script, *command],
                stdin=terminal,
                capture_output=True,
                env=ENVIRONMENT,
                cwd=tmp_path,
                timeout=60,
                check=False,
            )
            os.set_blocking(main, False)
            with contextlib.suppress(BlockingIOError):
                pytest.fail(f"the terminal was written to: {os.read(main, 1000)!r}")
        finally:
            os.close(main)
            os.close(terminal)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"secret.pem holds no private key without a passphrase" in done.stderr


class TestFile:
    """The file itself."""

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (
                b"[[service]]\nprotocol 'echo'\n",
                "Expected '=' after a key in a key/value pair (at line 2, column 10)",
            ),
            (b"[[service]\n", "Expected ']]' at the end of an array declaration (at line 1, column 10)"),
            (b"a = 1\r\na = 2\r\n", "Cannot overwrite a value (at line 2, column 6)"),
            (b"listen = ['tcp:0'\n", "Unclosed array (at end of document)"),
            (b"name = '\xbe\xc8'\n", "line 1: expected UTF-8"),
            (b"# \xec\x95\x88\n\n# \xbe\xc8\n", "line 3: expected UTF-8"),
            ("a = 1\n".encode("utf-16"), "line 1: expected UTF-8"),
            (b"a = " + b"[" * 100_000, "lists or tables are nested too deeply"),
        ],
        ids=lambda value: repr(value[:12]),
    )
    def test_no_toml(self, content: bytes, why: str, tmp_path: Path) -> None:
        """What is no TOML is told with its line."""
        (tmp_path / "lab.toml").write_bytes(content)
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path / "lab.toml")
        assert raised.value.lines == [f"{tmp_path}/lab.toml: {why}"]

    def test_number_beyond_python(self, tmp_path: Path) -> None:
        """An integer of thousands of digits is refused in one line, too."""
        (line,) = complaints(tmp_path, f"a = {'9' * 5000}")
        assert line.startswith("FILE: Exceeds the limit (4300 digits) for integer string conversion")

    def test_no_such_file(self, tmp_path: Path) -> None:
        """A file that is not there."""
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path / "nope.toml")
        assert raised.value.lines == [f"{tmp_path}/nope.toml: no such file or directory"]

    def test_directory(self, tmp_path: Path) -> None:
        """A directory instead."""
        with pytest.raises(ConfigError) as raised:
            loadConfig(tmp_path)
        assert raised.value.lines == [f"{tmp_path}: is a directory"]

    def test_what_windows_writes(self, tmp_path: Path) -> None:
        """A BOM and CRLF are no mistakes."""
        text = one(more="name = '안녕'").replace("\n", "\r\n")
        (tmp_path / "lab.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert service(loadConfig(tmp_path / "lab.toml")).name == "안녕"


class TestAll:
    """Many mistakes at once."""

    def test_every_mistake_is_told(self, tmp_path: Path) -> None:
        """Mistakes of all kinds in several services are all told, each once, in the order of the services."""
        text = (
            "[server]\ntrace = 'on'\n"
            + one("ecko", "'tcp:1', 'tcp:x'", "encoding = 'utf-16'\n[service.limits]\nline = 0")
            + one("oneshot", "'udp:1', 'tcp:1'", "[service.options]\nuntil = 'http'\nreplay = 'x'")
            + one("oneshot", "'udp:2'", "name = 'web'\n[service.options]\nuntil = 'http'")
            + one("chat", "'tcp:2'", "name = 'web'\ncolour = 1")
        )
        assert complaints(tmp_path, text) == [
            'FILE: server.trace: expected "off", "text" or "hex", got "on"',
            f'FILE: service[1] "ecko": encoding: {ENCODING}, got "utf-16"',
            f'FILE: service[1] "ecko": limits.line: {SIZE}, got 0',
            f'FILE: service[1] "ecko": protocol: {PROTOCOLS}, got "ecko"; did you mean `echo`?',
            'FILE: service[1] "ecko": listen[2]: "tcp:x": expected a port from 0 to 65535, got \'x\'',
            'FILE: service[2] "oneshot": options.replay: unknown key; did you mean `reply`?',
            'FILE: service[2] "oneshot": listen[2]: "tcp:1": service[1] listen[1] has this address already',
            f'FILE: service[3] "web": listen[1]: "udp:2": {STREAMS}',
            'FILE: service[4] "web": colour: unknown key',
            'FILE: service[4] "web": name: service[3] is called "web" already: give this one another name',
        ]

    def test_order_beyond_nine(self, tmp_path: Path) -> None:
        """Services are counted as numbers: the tenth comes after the ninth."""
        text = "".join(one(more=f"name = 's{i}'\nx = 1") for i in range(1, 13))
        lines = [f'FILE: service[{i}] "s{i}": x: unknown key' for i in range(1, 13)]
        assert complaints(tmp_path, text) == lines


OWN = """
from __future__ import annotations
from socklab import Factory, MessageProtocol
from twisted.internet.protocol import DatagramProtocol, Factory as Plain, Protocol

class Says(MessageProtocol):
    pass

class SaysFactory(Factory):
    protocol = Says
    def __init__(self, marks: int = 0):
        self.marks = marks

def says(marks: int) -> Factory:
    return SaysFactory(marks)

class Bytes(Protocol):
    pass

class BytesFactory(Plain):
    protocol = Bytes

class Datagrams(DatagramProtocol):
    def __init__(self, size: int = 1):
        if size < 1:
            raise ValueError(f"size: expected an integer of at least 1, got {size}")
        self.size = size

class Inside:
    Factory = SaysFactory

constant = 5
def nothing():
    return None
def failing():
    raise KeyError("no\\nway")
def stopping():
    raise ValueError("it is raining")
def untold(x):
    return SaysFactory(x)
def unknown(x: Nowhere):
    pass
"""


class TestProtocol:
    """`protocol`"""

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("own:Says", "Factory"),
            ("own:SaysFactory", "SaysFactory"),
            ("own:Inside.Factory", "SaysFactory"),
            ("own:Bytes", "Factory"),
            ("own:BytesFactory", "BytesFactory"),
            ("echo", "EchoFactory"),
            ("chat", "ChatFactory"),
            ("oneshot", "OneShotFactory"),
            ("twisted.protocols.wire:Echo", "Factory"),
        ],
    )
    def test_kinds(self, name: str, kind: str, tmp_path: Path) -> None:
        """It names a Factory class or a Protocol class: of a module beside the file, or of an installed one."""
        found = service(load(tmp_path, one(name), own=OWN))
        assert type(found.factory).__name__ == kind
        assert found.name == name.rpartition(":")[2]
        assert speaksMessages(found.factory) == ("Bytes" not in name and "twisted" not in name)
        assert found.factory.buildProtocol(None) is not None

    def test_callable(self, tmp_path: Path) -> None:
        """It may name a callable, whose arguments are the options."""
        found = service(load(tmp_path, one("own:says", more="[service.options]\nmarks = 3"), own=OWN))
        assert (found.name, found.factory.marks) == ("says", 3)

    def test_datagram_protocol(self, tmp_path: Path) -> None:
        """A DatagramProtocol class is for UDP; each listener has one of its own."""
        text = one("own:Datagrams", "'udp:0', 'udp:0'", "[service.options]\nsize = 3")
        make = service(load(tmp_path, text, own=OWN)).factory
        first, second = make(), make()
        assert isinstance(first, DatagramProtocol)
        assert first is not second
        assert (first.size, second.size) == (3, 3)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("ecko", f'{PROTOCOLS}, got "ecko"; did you mean `echo`?'),
            ("telnet", f'{PROTOCOLS}, got "telnet"'),
            ("", f'{PROTOCOLS}, got ""'),
            (":Name", 'expected "package.module:Name", got ":Name"'),
            ("own:", 'expected "package.module:Name", got "own:"'),
            (".own:Says", 'expected "package.module:Name", got ".own:Says"'),
            ("own:Says.", 'expected "package.module:Name", got "own:Says."'),
            ("nowhere:Name", "there is no module nowhere, installed or in DIR"),
            ("nowhere.at.all:Name", "there is no module nowhere.at.all, installed or in DIR"),
            ("own.part:Name", "there is no module own.part, installed or in DIR"),
            ("own:SayFactory", "own has no SayFactory; did you mean `SaysFactory`?"),
            ("own:Xyz", "own has no Xyz"),
            ("own:Inside.Factry", "own has no Inside.Factry; did you mean `Factory`?"),
            ("own:constant", "own:constant is no Factory and no Protocol class, but int"),
            ("own:constant.x", "own has no constant.x"),
            ("own:nothing", "nothing gave no Factory, but NoneType"),
            ("own:failing", r"failing failed: KeyError: 'no\nway' (DIR/own.py, line 36)"),
            ("own:unknown", "the options of unknown cannot be checked: name 'Nowhere' is not defined"),
            ("wrong:Name", "wrong does not import: SyntaxError: invalid syntax (DIR/wrong.py, line 2)"),
            (
                "lacking:Name",
                "lacking does not import: ModuleNotFoundError: No module named 'nowhere' (DIR/lacking.py, line 2)",
            ),
            ("raising:Name", "raising does not import: RuntimeError: two lines (DIR/raising.py, line 3)"),
            ("leaving:Name", "leaving does not import: SystemExit: 3 (DIR/leaving.py, line 1)"),
        ],
    )
    def test_bad(self, name: str, why: str, tmp_path: Path) -> None:
        """What cannot be served is told in a line, with the author's own line where that raised."""
        lines = complaints(
            tmp_path,
            one(name),
            own=OWN,
            wrong="x = 1\ndef (:\n",
            lacking="import sys\nimport nowhere\n",
            raising="\n\nraise RuntimeError('two\\nlines')\n",
            leaving="import sys; sys.exit(3)\n",
        )
        assert lines == [f'FILE: service[1] "{name}": protocol: {why}']

    def test_entry_points(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An installed package's entry point of the group `socklab.protocols` is a protocol's name."""
        site = tmp_path / "site"
        (site / "shouting-1.dist-info").mkdir(parents=True)
        (site / "shouting-1.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: shouting\nVersion: 1\n"
        )
        (site / "shouting-1.dist-info" / "entry_points.txt").write_text(
            "[socklab.protocols]\nshout = shouting:SaysFactory\nbroken = shouting:Nope\necho = shouting:Nope\n"
        )
        (site / "shouting.py").write_text(OWN)
        monkeypatch.syspath_prepend(str(site))
        found = service(load(tmp_path, one("shout", more="[service.options]\nmarks = 2")))
        assert (found.name, type(found.factory).__name__, found.factory.marks) == ("shout", "SaysFactory", 2)
        # A built-in protocol is not replaced.
        assert type(service(load(tmp_path, one("echo"))).factory) is EchoFactory
        assert complaints(tmp_path, one("broken")) == ['FILE: service[1] "broken": protocol: shouting has no Nope']
        known = 'broken, chat, echo, oneshot, shout or "package.module:Name"'
        assert complaints(tmp_path, one("shuot")) == [
            f'FILE: service[1] "shuot": protocol: expected {known}, got "shuot"; did you mean `shout`?'
        ]

    def test_python_goes_first(self, tmp_path: Path) -> None:
        """A file beside the config does not stand in for an installed module."""
        (tmp_path / "wire.py").write_text("raise RuntimeError")
        (tmp_path / "twisted").mkdir()
        (tmp_path / "twisted" / "__init__.py").write_text("raise RuntimeError")
        load(tmp_path, one("twisted.protocols.wire:Echo"))

    def test_folder_is_on_the_path_only_when_needed(self, tmp_path: Path) -> None:
        """The config's folder is where modules are found only if one that is named is there."""
        load(tmp_path, one())
        load(tmp_path, one("twisted.protocols.wire:Echo"))
        assert str(tmp_path) not in sys.path
        load(tmp_path, one("own:Says"), own=OWN)
        assert sys.path[-1] == str(tmp_path)

    def test_relative_config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A config that is named by a relative path finds its module too."""
        (tmp_path / "own.py").write_text(OWN)
        (tmp_path / "lab.toml").write_text(one("own:Says"))
        monkeypatch.chdir(tmp_path.parent)
        assert service(loadConfig(Path(tmp_path.name) / "lab.toml")).name == "Says"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from it")
    @pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702])
    def test_folder_that_others_write_to(self, mode: int, tmp_path: Path) -> None:
        """Root runs no code that others may have put there, be it a module or a package."""
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "__init__.py").write_text(OWN)
        tmp_path.chmod(mode)
        why = "DIR is writable by others than its owner, and root runs no code from there: chmod go-w DIR"
        for module in ("own", "package"):
            lines = complaints(tmp_path, one(f"{module}:Says"), own=OWN)
            assert lines == [f'FILE: service[1] "{module}:Says": protocol: {why}']
        assert str(tmp_path) not in sys.path
        load(tmp_path, one("echo"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from it")
    def test_module_that_others_write_to(self, tmp_path: Path) -> None:
        """Nor does it run a file that others may have changed."""
        (tmp_path / "own.py").touch()
        (tmp_path / "own.py").chmod(0o666)
        why = "is writable by others than its owner, and root runs no code from there: chmod go-w DIR/own.py"
        lines = complaints(tmp_path, one("own:Says"), own=OWN)
        assert lines == [f'FILE: service[1] "own:Says": protocol: DIR/own.py {why}']


RICH = """
from __future__ import annotations
import dataclasses
import enum
from pathlib import Path
from typing import Annotated, Any, Literal
from pydantic import BaseModel, Field
from socklab import Factory, MessageProtocol, Seconds, Size

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

@dataclasses.dataclass
class Point:
    x: int
    path: Path | None = None

class Model(BaseModel):
    x: int

class Rich(Factory):
    protocol = MessageProtocol
    def __init__(
        self,
        count: Annotated[int, Field(ge=1, le=9)] = 1,
        ratio: float = 0.5,
        flag: bool = False,
        text: str = "",
        raw: bytes = b"",
        mode: Literal["a", "b"] | int = "a",
        colour: Colour = Colour.RED,
        words: tuple[str, ...] = (),
        numbers: list[int] = [],
        names: set[str] = frozenset(),
        table: dict[str, int] = {},
        point: Point | None = None,
        model: Model = Model(x=0),
        file: Path | None = None,
        files: list[Path] = [],
        wait: Seconds = 1,
        room: Size = 1,
        copy: bool = False,
        schema: str = "",
        anything: Any = None,
    ) -> None:
        self.given = {**locals()}
        del self.given["self"]
"""


class TestOptions:
    """`[service.options]`: the Factory's own keyword arguments."""

    @pytest.mark.parametrize(
        ("protocol", "options", "lines"),
        [
            ("echo", "prefx = 'a'", ["options.prefx: unknown key; did you mean `prefix`?"]),
            ("echo", "nothing = 'a'", ["options.nothing: unknown key"]),
            ("echo", "prefix = 3", ["options.prefix: expected text, got 3"]),
            (
                "chat",
                "history = 'all'\necho_self = 1\ngreeting = []\nmax_rooms = 1.5",
                [
                    "options.greeting: expected text, got []",
                    'options.history: expected an integer, got "all"',
                    "options.echo_self: expected true or false, got 1",
                    "options.max_rooms: expected an integer, got 1.5",
                ],
            ),
            ("chat", "history = -1", ["options.history: expected an integer of at least 0, got -1"]),
            ("chat", "max_nick = 0", ["options.max_nick: expected an integer of at least 1, got 0"]),
            ("chat", "max_rooms = 0", ["options.max_rooms: expected an integer of at least 1, got 0"]),
            (
                "chat",
                "format = '{name}: {text}'",
                ["options.format: expected text with the fields {nick}, {room}, {text}: there is no field {name}"],
            ),
            (
                "oneshot",
                "until = 'lines'",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got "lines"'],
            ),
            (
                "oneshot",
                "until = true",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got true'],
            ),
            (
                "oneshot",
                "until = 1.5",
                ['options.until: expected "line", "read", "eof", "http" or an integer, got 1.5'],
            ),
            ("oneshot", "until = 0", ["options.until: expected an integer of at least 1, got 0"]),
            ("oneshot", "reply = '{reqest}'", [f"options.reply: {FIELDS}: there is no field {{reqest}}"]),
            ("oneshot", "reply = '{'", [f"options.reply: {FIELDS}: Single '{{' encountered in format string"]),
            (
                "oneshot",
                "reply_on_timeout = '{text}'",
                [f"options.reply_on_timeout: {FIELDS}: there is no field {{text}}"],
            ),
            ("oneshot", "timeout = 0", ["options.timeout: expected more than 0 seconds, got 0"]),
            ("oneshot", "timeout = 'soon'", [f'options.timeout: {DURATION}, got "soon"']),
            ("oneshot", "reply_file = 3", ["options.reply_file: expected the path of a file, got 3"]),
            ("oneshot", "reply_file = 'nope'", ["options.reply_file: DIR/nope: no such file or directory"]),
            ("oneshot", "reply_file = '.'", ["options.reply_file: DIR: is a directory"]),
            (
                "oneshot",
                "reply = 'a'\nreply_file = 'lab.toml'",
                ["options.reply_file: give this or reply, not both"],
            ),
            ("own:Says", "marks = 3", ["options: Says is a Protocol, and takes none"]),
            ("own:says", "", ["options.marks: is missing: expected an integer"]),
            ("own:says", "mark = 3", ["options.mark: unknown key; did you mean `marks`?"]),
            (
                "own:says",
                "nothing = 3",
                ["options.nothing: unknown key", "options.marks: is missing: expected an integer"],
            ),
            ("own:untold", "", ["options.x: is missing: expected a value"]),
            ("own:stopping", "", ["options: it is raining"]),
        ],
    )
    def test_bad(self, protocol: str, options: str, lines: list[str], tmp_path: Path) -> None:
        """Options are checked against the annotations, and by the Factory itself."""
        got = complaints(tmp_path, one(protocol, more=f"[service.options]\n{options}"), own=OWN)
        assert got == [f'FILE: service[1] "{protocol}": {line}' for line in lines]

    def test_datagram_protocol_is_tried(self, tmp_path: Path) -> None:
        """What a DatagramProtocol refuses is told before a port opens, too."""
        got = complaints(tmp_path, one("own:Datagrams", "'udp:0'", "[service.options]\nsize = 0"), own=OWN)
        why = "options.size: expected an integer of at least 1, got 0"
        assert got == [f'FILE: service[1] "own:Datagrams": {why}']

    def test_every_type(self, tmp_path: Path) -> None:
        """What TOML has is taken for what Python has: lists, text, tables; paths are of the file's folder."""
        options = """[service.options]
            count = 9
            ratio = 2
            flag = true
            text = "안녕"
            raw = "안녕"
            mode = 3
            colour = "blue"
            words = ["a", "b"]
            numbers = [1, 2]
            names = ["a", "a"]
            table = { a = 1 }
            point = { x = 1, path = "p" }
            model = { x = 1 }
            file = "f"
            files = ["f", "/g"]
            wait = "250ms"
            room = "1KiB"
            copy = true
            schema = "s"
            anything = [1, "a"]
        """
        found = service(load(tmp_path, one("rich:Rich", more=options), rich=RICH))
        rich = sys.modules["rich"]
        assert found.factory.given == {
            "count": 9,
            "ratio": 2.0,
            "flag": True,
            "text": "안녕",
            "raw": "안녕".encode(),
            "mode": 3,
            "colour": rich.Colour.BLUE,
            "words": ("a", "b"),
            "numbers": [1, 2],
            "names": {"a"},
            "table": {"a": 1},
            "point": rich.Point(1, tmp_path / "p"),
            "model": rich.Model(x=1),
            "file": tmp_path / "f",
            "files": [tmp_path / "f", Path("/g")],
            "wait": 0.25,
            "room": 1024,
            "copy": True,
            "schema": "s",
            "anything": [1, "a"],
        }

    @pytest.mark.filterwarnings("error")
    def test_defaults_are_the_factory_s_own(self, tmp_path: Path) -> None:
        """An option that is not given is not passed; option names that pydantic uses itself are no matter."""
        given = service(load(tmp_path, one("rich:Rich"), rich=RICH)).factory.given
        assert (given["words"], given["point"], given["copy"], given["wait"]) == ((), None, False, 1)

    @pytest.mark.parametrize(
        ("option", "why"),
        [
            ("count = 0", "count: expected an integer of at least 1 of at most 9, got 0"),
            ("ratio = 'x'", 'ratio: expected a number, got "x"'),
            ("raw = 3", "raw: expected text, got 3"),
            ("mode = 'c'", 'mode: expected "a", "b" or an integer, got "c"'),
            ("colour = 'green'", 'colour: expected "red" or "blue", got "green"'),
            ("words = 'a'", 'words: expected a list, got "a"'),
            ("words = ['a', 3]", "words[2]: expected text, got 3"),
            ("numbers = ['a']", 'numbers[1]: expected an integer, got "a"'),
            ("names = [3]", "names[1]: expected text, got 3"),
            ("table = 3", "table: expected a table, got 3"),
            ("table = { a = 'b' }", 'table: expected a table, got {"a": "b"}'),
            ("point = 3", "point: expected a table, got 3"),
            ("point = {}", "point.x: is missing: expected an integer"),
            ("point = { x = '1' }", 'point.x: expected an integer, got "1"'),
            ("point = { x = 1, pat = 'a' }", "point.pat: unknown key; did you mean `path`?"),
            ("model = { x = 'a' }", 'model.x: expected an integer, got "a"'),
            ("file = 3", "file: expected the path of a file, got 3"),
            ("files = ['a', 3]", "files[2]: expected the path of a file, got 3"),
            ("files = 'a'", 'files: expected a list, got "a"'),
            ("wait = -1", f"wait: {DURATION}, got -1"),
            ("room = 0", f"room: {SIZE}, got 0"),
        ],
    )
    def test_every_type_wrong(self, option: str, why: str, tmp_path: Path) -> None:
        """A wrong value is told in the operator's words, at its place."""
        got = complaints(tmp_path, one("rich:Rich", more=f"[service.options]\n{option}"), rich=RICH)
        assert got == [f'FILE: service[1] "rich:Rich": options.{why}']

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A reply file stands beside the config, wherever twistd runs."""
        (tmp_path / "reply.bin").write_bytes(b"\xffreply")
        monkeypatch.chdir("/")
        found = service(load(tmp_path, one("oneshot", more="[service.options]\nreply_file = 'reply.bin'")))
        assert found.factory.reply == b"\xffreply"


class TestFit:
    """What is served where."""

    @pytest.mark.parametrize(
        ("protocol", "listen", "more", "lines"),
        [
            (
                "own:Bytes",
                "'tcp:0', 'udp:0', 'ws:tcp:0'",
                "",
                ['listen[2]: "udp:0": the protocol needs a stream: it cannot be served over datagrams'],
            ),
            (
                "own:BytesFactory",
                "{ endpoint = 'udp:0' }",
                "",
                ['listen[1].endpoint: "udp:0": the protocol needs a stream: it cannot be served over datagrams'],
            ),
            (
                "own:Datagrams",
                "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock'",
                "",
                [
                    'listen[1]: "tcp:0": the protocol is one for datagrams: listen on udp:',
                    'listen[3]: "ws:tcp:0": the protocol is one for datagrams: listen on udp:',
                    'listen[4]: "unix:a.sock": the protocol is one for datagrams: listen on udp:',
                ],
            ),
            (
                "oneshot",
                "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock'",
                "[service.options]\nuntil = 'http'",
                [
                    'listen[2]: "udp:0": ' + STREAMS,
                    'listen[3]: "ws:tcp:0": ' + STREAMS,
                ],
            ),
            (
                "oneshot",
                "'tcp:0'",
                "framing = 'lines'",
                ["framing: the protocol says itself where its messages end"],
            ),
            (
                "oneshot",
                "'tcp:0', { endpoint = 'tcp:0', framing = 'raw' }",
                "",
                ["listen[2].framing: the protocol says itself where its messages end"],
            ),
            (
                "own:Bytes",
                "'tcp:0'",
                "framing = 'int16'",
                ["framing: the protocol reads bytes, not messages: it needs no framing"],
            ),
            (
                "own:Bytes",
                "{ endpoint = 'tcp:0', framing = 'int16' }",
                "",
                ["listen[1].framing: the protocol reads bytes, not messages: it needs no framing"],
            ),
            ("oneshot", "'tcp:0'", "framing = 'linez'", [f'framing: {FRAMING}, got "linez"']),
        ],
    )
    def test_unfit(self, protocol: str, listen: str, more: str, lines: list[str], tmp_path: Path) -> None:
        """What does not go together is told for each listener that it concerns."""
        got = complaints(tmp_path, one(protocol, listen, more), own=OWN)
        assert got == [f'FILE: service[1] "{protocol}": {line}' for line in lines]

    @pytest.mark.parametrize("until", ["'line'", "'read'", "'eof'", "5"])
    def test_oneshot_everywhere(self, until: str, tmp_path: Path) -> None:
        """All that one-shot waits for but HTTP makes sense on every transport."""
        load(tmp_path, one("oneshot", "'tcp:0', 'udp:0', 'ws:tcp:0'", f"[service.options]\nuntil = {until}"))


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
            "message": 1024 * 1024,
            "line": 64 * 1024,
            "pending": 1024 * 1024,
            "handshake_timeout": 5.0,
            "handshake_bytes": 64 * 1024,
            "fragments": 4096,
            "ping_interval": 25.0,
            "ping_timeout": 20.0,
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

            [[service]]
            name = "one"
            protocol = "chat"
            listen = ['tcp:0', { endpoint = 'tcp:0', framing = "netstring", encoding = "cp949", optional = true }]
            framing = "int16"
            encoding = "euc-kr"
            [service.options]
            history = 5
            [service.limits]
            message = "2KiB"
            line = "1kB"
            pending = 5
            handshake_timeout = 0
            handshake_bytes = "1 KiB"
            fragments = 1
            ping_interval = "1m"
            ping_timeout = "0.5s"
            keepalive = "1h"
            udp_peers = 2
            udp_idle = 1.5
            udp_amplification = 3
            udp_rate = 0.5
            [service.websocket]
            deflate = true

            [[service]]
            protocol = "oneshot"
            listen = ['udp:0']
        """
        config = load(tmp_path, text)
        assert config.server == ServerTable(shutdown_timeout=0.5, trace="hex")
        chat, oneshot = config.services
        assert (chat.name, type(chat.factory), oneshot.name, type(oneshot.factory)) == (
            "one",
            ChatFactory,
            "oneshot",
            OneShotFactory,
        )
        assert chat.limits.model_dump() == {
            "message": 2048,
            "line": 1000,
            "pending": 5,
            "handshake_timeout": 0.0,
            "handshake_bytes": 1024,
            "fragments": 1,
            "ping_interval": 60.0,
            "ping_timeout": 0.5,
            "keepalive": 3600.0,
            "udp_peers": 2,
            "udp_idle": 1.5,
            "udp_amplification": 3.0,
            "udp_rate": 0.5,
        }
        assert chat.websocket.deflate is True
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


def checked(*arguments: str) -> tuple[Any, str, str]:
    """Have the options parsed; give how that ended, and what stood on standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    status = None
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "__stderr__", err)
        try:
            Options().parseOptions([*arguments])
        except SystemExit as error:
            status = error.code
    return status, out.getvalue(), err.getvalue()


class TestCheck:
    """`twistd socklab --check`"""

    def test_good(self, tmp_path: Path) -> None:
        """A good file: status 0, and no word."""
        (tmp_path / "lab.toml").write_text(one())
        assert checked("--check", "--config", f"{tmp_path}/lab.toml") == (0, "", "")
        assert checked("--check") == (0, "", "")

    @pytest.mark.parametrize("flags", [["--check"], []])
    def test_bad(self, flags: list[str], tmp_path: Path) -> None:
        """A bad one: status 1, and its mistakes on standard error, whether it was to be checked only or served."""
        (tmp_path / "lab.toml").write_text(one(more="x = 1\ny = 2"))
        assert checked(*flags, "--config", f"{tmp_path}/lab.toml") == (
            1,
            "",
            "".join(f'{tmp_path}/lab.toml: service[1] "echo": {key}: unknown key\n' for key in "xy"),
        )

    def test_without_check(self, tmp_path: Path) -> None:
        """Without --check a good file goes on to be served."""
        (tmp_path / "lab.toml").write_text(one(more="name = 'x'"))
        options = Options()
        options.parseOptions(["--config", f"{tmp_path}/lab.toml"])
        assert [each.name for each in options.config.services] == ["x"]

    @pytest.mark.parametrize(("more", "status"), [("", 0), ("x = 1", 1)])
    def test_process(self, more: str, status: int, tmp_path: Path) -> None:
        """So it is for the real command: nothing on standard output, no log, no pid file."""
        (tmp_path / "lab.toml").write_text(one(listen="'tcp:0', 'ws:tcp:0'", more=more))
        before = {each.name for each in tmp_path.iterdir()}
        done = subprocess.run(
            twistd("socklab", "--check", "--config", "lab.toml"),
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        expected = 'lab.toml: service[1] "echo": x: unknown key\n' if more else ""
        assert (done.returncode, done.stdout, done.stderr) == (status, "", expected)
        assert {each.name for each in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("more", ["", "x = 1"])
    def test_nothing_is_installed_or_opened(self, more: str, tmp_path: Path, certificate: Path) -> None:
        """A check of every kind of listener installs no reactor and opens no socket."""
        listen = (
            "'tcp:0', 'udp:0', 'ws:tcp:0', 'unix:a.sock', 'haproxy:tcp:0', "
            f"'ssl:0:privateKey={certificate}/key.pem:certKey={certificate}/cert.pem'"
        )
        (tmp_path / "lab.toml").write_text(one("chat", listen, more))
        script = (
            "import socket, sys\n"
            "class Refused:\n"
            "    def __init__(self, *args, **kw): raise AssertionError('a socket')\n"
            "from socklab.service import Options\n"
            "socket.socket = Refused\n"
            "try: Options().parseOptions(['--check', '--config', 'lab.toml'])\n"
            "except SystemExit as error: print(error.code)\n"
            "print('twisted.internet.reactor' in sys.modules, 'autobahn' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == f"{1 if more else 0}\nFalse False\n", done.stderr
        assert not (tmp_path / "a.sock").exists()


def test_until_beyond_the_limit(tmp_path: Path) -> None:
    """A request longer than a message may be could never come: that is a mistake in the config."""
    path = tmp_path / "lab.toml"
    path.write_text(
        '[[service]]\nprotocol = "oneshot"\nlisten = ["tcp:0"]\n'
        "options = { until = 200 }\nlimits = { message = 100 }\n"
    )
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert caught.value.lines == [
        f'{path}: service[1] "oneshot": options.until: 200 bytes exceed limits.message, which is 100'
    ]


def test_settings_that_would_mean_nothing(tmp_path: Path) -> None:
    """A listener's framing where messages are messages, and an encoding where there is one only, are mistakes."""
    path = tmp_path / "lab.toml"
    path.write_text(
        '[[service]]\nprotocol = "echo"\n'
        'listen = [{ endpoint = "ws:tcp:0", encoding = "cp949", framing = "lines" }]\n'
    )
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert [each.partition("listen[1].")[2] for each in caught.value.lines] == [
        "framing: only streams need one: here a message is a message",
        "encoding: WebSocket text is always UTF-8 (RFC 6455, 5.6)",
    ]


def test_factory_without_a_protocol(tmp_path: Path) -> None:
    """A Factory that would serve nothing is a mistake."""
    path = tmp_path / "lab.toml"
    path.write_text('[[service]]\nprotocol = "socklab:Factory"\nlisten = ["tcp:0"]\n')
    with pytest.raises(ConfigError, match="Factory has no `protocol`: it would serve nothing"):
        loadConfig(path)


@pytest.mark.parametrize("prefix", ["icmp", "raw"])
def test_raw_sockets(prefix: str, tmp_path: Path) -> None:
    """Raw sockets and ICMP are refused with the reason."""
    with pytest.raises(ValueError, match="they need root, and have no ports and no messages"):
        parseListen(f"{prefix}:1", tmp_path)
