"""`listen` strings, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from socklab.transports.listen import parseListen
from tests.config.support import (
    ECHO,
    READABLE,
    complaints,
    one,
)

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
    (
        "tcp:3000:interfce=127.0.0.1",
        "tcp: has no 'interfce', but backlog, interface, port; did you mean `interface`?",
    ),
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
    ("tpc:3000", "Twisted refuses it: Unknown endpoint type: 'tpc'; did you mean `tcp`?"),
    ("ws:upd:3000", "Twisted refuses it: Unknown endpoint type: 'upd'; did you mean `udp`?"),
    ("http://localhost:3000", "Twisted refuses it: Unknown endpoint type: 'http'"),
    ("systemd:domain=NET:index=0", "expected INET, INET6 or UNIX as domain, got 'NET'"),
    ("systemd:domain=INET", "Twisted refuses it: Specify exactly one of descriptor index or name"),
    ("ssl:3000", "DIR/server.pem: no such file or directory" + READABLE),
    ("tls:3000", "the port is missing, as in tls:certificates:3001"),
    ("tls:.:3000:privateKey=x", "tls: has no 'privateKey', but backlog, interface, path, port"),
    ("tls:none:3000", "DIR/none: no such file or directory" + READABLE),
    ("haproxy:tls:none:3000", "DIR/none: no such file or directory" + READABLE),
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
            ("haproxy:unix:a.sock", "unix:DIR/a.sock:backlog=1024"),
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


@pytest.mark.parametrize("prefix", ["icmp", "raw"])
def test_raw_sockets(prefix: str, tmp_path: Path) -> None:
    """Raw sockets and ICMP are refused with the reason."""
    with pytest.raises(ValueError, match="they need root, and have no ports and no messages"):
        parseListen(f"{prefix}:1", tmp_path)
