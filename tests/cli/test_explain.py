"""`socklab explain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from socklab.cli.explain import APPLIES
from socklab.limits import Limits
from tests.cli.support import Run
from tests.config.support import OWN, one

ACCESS = 'access = ["deny 10.0.0.5", "allow 10.0.0.0/8", "allow ::1", "deny all"]\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A config with rules, for all transports."""
    listens = "'tcp:3000', 'udp:3000', 'ws:tcp:8000', 'unix:x.sock', 'tcp:3000:interface=\\:\\:1'"
    (tmp_path / "lab.toml").write_text(
        one("chat", listens, ACCESS + "[service.limits]\nper_address = 5\nidle = 60")
        + one("echo", "'tcp:7007:interface=127.0.0.1', 'ws:tcp:7008:interface=127.0.0.1'")
    )
    return "lab.toml"


def test_rules(run: Run, config: str) -> None:
    """For each listener it says which rule decides, and why, and which limits hold."""
    result = run("explain", config, "tcp", "10.0.0.6", "--service", "chat")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "chat: tcp *:3000\n"
        '  access: rule 2 of 4, "allow 10.0.0.0/8", decides: 10.0.0.6 is in 10.0.0.0/8\n'
        "  allowed\n"
        "  limits: per_address 5, message 1048576, line 65536, queue 65536, pending 1048576, "
        "pending_soft 262144, pending_seconds 60, idle 60, keepalive 30\n"
    )


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("10.0.0.5", '1 of 4, "deny 10.0.0.5", decides: it is 10.0.0.5'),
        ("::ffff:10.0.0.5", '1 of 4, "deny 10.0.0.5", decides: it is 10.0.0.5'),
        ("192.0.2.1", '4 of 4, "deny all", decides: none before it matches'),
    ],
)
def test_refused(run: Run, config: str, address: str, line: str) -> None:
    """Who is refused is told by which rule, and the status is 1."""
    transport = "udp" if ":" not in address else "tcp"
    listens = "'tcp:1:interface=\\:\\:', 'udp:1'"
    Path(config).write_text(one("chat", listens, ACCESS))
    result = run("explain", config, transport, address)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines()[1:] == [f"  access: rule {line}", "  refused"]


def test_all_services(run: Run, config: str) -> None:
    """Without --service it is about all that listen there; out of reach is out of reach."""
    result = run("explain", config, "tcp", "10.0.0.6")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-4:] == [
        "echo: tcp 127.0.0.1:7007",
        "  reach: only programs on this machine reach 127.0.0.1",
        '  access: rule 1 of 1, "allow all", decides: it is for all',
        "  refused",
    ]


def test_websocket_by_either_word(run: Run, config: str) -> None:
    """What the config calls `ws:` and the log calls `websocket` may be called either."""
    said = [run("explain", config, word, "10.0.0.6").stdout for word in ("ws", "websocket")]
    assert said[0].startswith("chat: ws *:8000\n")
    assert said[1] == said[0]


def test_unix(run: Run, config: str) -> None:
    """A Unix peer has no address."""
    result = run("explain", config, "unix")
    assert result.exit_code == 1
    why = "a Unix peer has no address, and matches only `all`"
    assert result.stdout.splitlines()[1:] == [f'  access: rule 4 of 4, "deny all", decides: {why}', "  refused"]


def test_family(run: Run, config: str) -> None:
    """A listener of the other family is none for that address."""
    result = run("explain", config, "tcp", "::1")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        'chat: tcp [::1]:3000\n  access: rule 3 of 4, "allow ::1", decides: it is ::1\n'
    )
    result = run("explain", config, "ws", "::1")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "lab.toml: no ws listener for IPv6\n")


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ([], 0, 'websocket: a program may ask for "localhost" and /'),
        (["--origin", "http://localhost:3000"], 0, 'websocket: a page of "http://localhost:3000" may ask for'),
        (["--origin", "https://evil.com"], 1, 'websocket.origins: a page of "https://evil.com", which is not in'),
        (["--origin", "null"], 1, "websocket.origins: a page of null (a file,"),
        (["--host", "chat.example.com"], 1, 'websocket.hosts: "chat.example.com" is no name of this server; if'),
        (["--path", "/x?y"], 0, 'websocket: a program may ask for "localhost" and /x?y'),
    ],
)
def test_pages(run: Run, config: str, arguments: list[str], status: int, line: str) -> None:
    """For WebSocket it says what becomes of a page's Origin, of Host and of the path."""
    result = run("explain", config, "ws", "127.0.0.1", "--service", "echo", *arguments)
    assert result.exit_code == status
    assert result.stdout.splitlines()[2].startswith(f"  {line}")
    assert ("  allowed" in result.stdout.splitlines()) == (status == 0)


def test_limits_of_a_plain_protocol(run: Run, tmp_path: Path) -> None:
    """A plain protocol's connections are bounded by fewer limits; datagrams without a memory too."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "lab.toml").write_text(
        one("own:BytesFactory", "'tcp:1'", "limits = { max_connections = 2 }")
        + one("echo", "'udp:1'", "limits = { max_connections = 2, idle = 5 }")
    )
    result = run("explain", "lab.toml", "tcp", "10.0.0.1")
    assert result.stdout.splitlines()[-1] == "  limits: max_connections 2, keepalive 30"
    result = run("explain", "lab.toml", "udp", "10.0.0.1")
    assert result.stdout.splitlines()[-1] == "  limits: queue 65536, udp_peers 1024, udp_amplification 1"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["tcp"], "Missing argument 'ADDRESS'"),
        (["unix", "10.0.0.1"], "A peer on a Unix socket has no address"),
        (["tcp", "localhost"], "'localhost' is no IP address"),
        (["icmp", "10.0.0.1"], "'icmp' is not one of"),
        (["tcp", "10.0.0.1", "--origin", "null"], "--origin is for ws and wss"),
        (["tcp", "10.0.0.1", "--service", "chta"], "expected chat, echo, got 'chta'"),
    ],
)
def test_usage(run: Run, config: str, arguments: list[str], why: str) -> None:
    """What makes no question is told, with status 2."""
    result = run("explain", config, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_bad_config(run: Run, tmp_path: Path) -> None:
    """The mistakes of a bad config are told, with status 1."""
    (tmp_path / "lab.toml").write_text(one(more="x = 1"))
    result = run("explain", "lab.toml", "tcp", "10.0.0.1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == 'lab.toml: service[1] "echo": x: unknown key\n'


def test_every_limit_applies_somewhere() -> None:
    """Each limit is known to this command, in the order of the table."""
    assert [*APPLIES] == [*Limits.model_fields]
