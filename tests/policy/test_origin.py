"""Which pages may open a WebSocket, and by which names."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.policy.gate import Refusal
from socklab.policy.origin import PagePolicy, asciiHost, isLoopbackName, parseHost, parseOrigin


def decided(policy: PagePolicy, host: str = "localhost:8000", origin: str | None = None, path: str = "/") -> str:
    """Give the key that refuses a handshake, or nothing."""
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    refusal = policy.forbids(path, headers)
    return refusal.name if refusal else ""


LOOPBACK = PagePolicy(loopback=True)
PUBLIC = PagePolicy(hosts=["chat.example.com"])

LOOKALIKES = [
    "null",
    "",
    "http://evil.com",
    "http://localhost.evil.com",
    "http://evil.com.localhost.evil.com",
    "http://evillocalhost",
    "http://localhost-evil.com",
    "http://notlocalhost:8000",
    "http://localhost@evil.com",
    "http://localhost:8000@evil.com",
    "http://evil.com@localhost",
    "http://localhost:80:80",
    "http://localhost:99999",
    "http://localhost:evil",
    "http://localhost.",
    "http://evil.com?localhost",
    "http://evil.com#localhost",
    "http://evil.com/localhost",
    "http://localhost/",
    "http://localhost/..",
    "http://localhost http://evil.com",
    "http://localhost\x00.evil.com",
    "http://localhost\\.evil.com",
    "http://localhost%2eevil.com",
    "http://127.0.0.1.evil.com",
    "http://127.0.0.1.nip.io",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.0.0.1",
    "http://0177.0.0.1",
    "http://128.0.0.1",
    "http://0.0.0.0",
    "http://[::1].evil.com",
    "http://[::1]evil.com",
    "http://[::2]",
    "http://[::ffff:8.8.8.8]",
    "http://[::1",
    "http://::1",
    "ws://localhost",
    "file://localhost",
    "file://",
    "ftp://localhost",
    "chrome-extension://localhost",
    "data:text/html,localhost",
    "javascript://localhost",
    "//localhost",
    "localhost",
    "https:localhost",
    "http:/localhost",
    "http://ⅼocalhost",
    "http://localhost。",
]


@pytest.mark.parametrize("origin", LOOKALIKES)
def test_lookalikes_on_loopback(origin: str) -> None:
    """What only looks like a page of this machine is refused by default."""
    assert decided(LOOPBACK, origin=origin) == "websocket.origins"


@pytest.mark.parametrize(
    "origin",
    [
        *LOOKALIKES,
        "http://localhost",
        "http://127.0.0.1",
        "http://example.com",
        "http://evilchat.example.com",
        "http://a.chat.example.com",
        "http://chat.example.com.evil.com",
        "http://chat.example.com.",
        "http://chat.example.comevil",
        "http://chat-example.com",
        "http://chatXexample.com",
        "https://chat.example.com:443/",
        "https://chat.example.com, https://evil.com",
    ],
)
def test_lookalikes_elsewhere(origin: str) -> None:
    """On another listener only pages of the same host are welcome, not even those of loopback."""
    assert decided(PUBLIC, "chat.example.com", origin) == "websocket.origins"


@pytest.mark.parametrize("listener", [LOOPBACK, PUBLIC])
def test_no_origin(listener: PagePolicy) -> None:
    """A client without an Origin is a program, and passes."""
    assert decided(listener) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost",
        "http://localhost:3000",
        "HTTP://LocalHost:3000",
        "http://app.localhost:5173",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://[::ffff:7f00:1]",
    ],
)
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "localhost."])
def test_loopback_pages(origin: str, host: str) -> None:
    """On a loopback listener all pages of this machine are welcome."""
    assert decided(LOOPBACK, host, origin) == ""


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("chat.example.com", "https://chat.example.com"),
        ("chat.example.com:8000", "http://chat.example.com"),
        ("Chat.Example.com", "http://chat.example.com:3000"),
        ("192.0.2.7:8000", "http://192.0.2.7"),
        ("[2001:db8::1]:8000", "http://[2001:db8::1]:80"),
        ("chat.example.com.", "http://chat.example.com."),
    ],
)
def test_same_host(host: str, origin: str) -> None:
    """A page of the host that was asked for is welcome, whatever its port."""
    assert decided(PUBLIC, host, origin) == ""


def test_origins() -> None:
    """Pages named in `origins` are welcome, exactly these."""
    policy = PagePolicy(["https://app.example.com", "http://app.example.com:8080", "null"], loopback=True)
    for origin in (
        "https://app.example.com",
        "https://app.example.com:443",
        "http://app.example.com:8080",
        "null",
    ):
        assert decided(policy, origin=origin) == ""
    for origin in ("http://app.example.com", "https://app.example.com:8443", "https://x.app.example.com", "NULL"):
        assert decided(policy, origin=origin) == "websocket.origins"
    assert {decided(PagePolicy(["*"], loopback=True), origin=each) for each in LOOKALIKES} == {""}


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:8000",
        "localhost.evil.com",
        "evillocalhost",
        "127.0.0.1.nip.io",
        "192.0.2.7",
        "0.0.0.0:8000",
        "[::]:8000",
        "[2001:db8::1]",
        "",
        "localhost:99999999",
        "localhost:65536",
        "localhost:",
        "localhost:80:80",
        "localhost@evil.com",
        "localhost, evil.com",
        "localhost/",
        "*",
        "[localhost]",
        "::1",
        "[::1",
    ],
)
def test_rebinding_on_loopback(host: str) -> None:
    """Only names and addresses that are this machine's own reach a loopback listener."""
    assert decided(LOOPBACK, host) == "websocket.hosts"
    assert decided(LOOPBACK, host, f"http://{host}") == "websocket.hosts"


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost:1", "127.0.0.1:65535", "127.1.2.3", "[::1]", "[0:0::1]:1"]
)
def test_names_on_loopback(host: str) -> None:
    """Those are."""
    assert decided(LOOPBACK, host) == ""


def test_names_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any other listener: addresses, the machine's names, those of the certificate, and `hosts`."""
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.lan.example")
    policy = PagePolicy(
        hosts=["chat.example.com", "*.apps.example.com"], names=["tls.example.net", "*.example.org"]
    )
    for host in (
        *("192.0.2.7:8000", "[2001:db8::1]:80", "127.0.0.1", "localhost"),
        *("box.lan.example", "BOX", "box.local:8000"),
        *("chat.example.com", "chat.example.com.", "one.apps.example.com"),
        *("tls.example.net", "www.example.org"),
    ):
        assert decided(policy, host) == "", host
    for host in (
        *("evil.com", "lan.example", "box.evil.com", "xbox", "apps.example.com", "two.one.apps.example.com"),
        *("example.org", "a.b.example.org", ".example.org", "example.com", "chat.example.com.evil.com"),
    ):
        assert decided(policy, host) == "websocket.hosts", host


def test_certificate_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS a browser proves the name, so those of the certificate are good on loopback too."""
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    policy = PagePolicy(names=["dev.example.com"], loopback=True)
    assert decided(policy, "dev.example.com") == ""
    assert decided(policy, "box") == "websocket.hosts"


def test_any_host() -> None:
    """`hosts = ["*"]`, and a Unix socket behind a proxy, check none."""
    for policy in (PagePolicy(hosts=["*"]), PagePolicy(behindProxy=True)):
        assert decided(policy, "evil.com") == decided(policy, "") == ""
        assert decided(policy, "chat.example.com", "https://chat.example.com") == ""
        assert decided(policy, "chat.example.com", "https://evil.com") == "websocket.origins"
        assert decided(policy, "", "https://evil.com") == "websocket.origins"


def test_paths() -> None:
    """With `paths` only these can be asked for; what follows the question mark does not matter."""
    policy = PagePolicy(paths=["/chat", "/채팅"], loopback=True)
    for path in ("/chat", "/chat?room=1", "/%EC%B1%84%ED%8C%85"):
        assert decided(policy, path=path) == ""
    for path in ("/", "/chat/", "/Chat", "/chatter", "//chat", "/%63hat", "", "/채팅"):
        assert decided(policy, path=path) == "websocket.paths"


def test_what_the_operator_reads() -> None:
    """A refusal names what was asked, and the key that would allow it; nothing of it is without bound."""
    assert PUBLIC.forbids("/", {"host": "wiki.example.com:8000"}) == Refusal(
        "websocket.hosts",
        '"wiki.example.com:8000" is no name of this server; '
        'if it is one: hosts = ["wiki.example.com"] in [service.websocket]',
        403,
    )
    assert LOOPBACK.forbids("/", {"host": "a b"}) == Refusal(
        "websocket.hosts", '"a b" is no name of this server', 403
    )
    assert LOOPBACK.forbids("/", {"host": "localhost", "origin": "https://evil.com"}) == Refusal(
        "websocket.origins", 'a page of "https://evil.com", which is not in `origins`', 403
    )
    assert LOOPBACK.forbids("/", {"host": "localhost", "origin": "null"}) == Refusal(
        "websocket.origins",
        "a page of null (a file, or a page that hides where it is from), which is not in `origins`",
        403,
    )
    assert PagePolicy(paths=["/b", "/a"]).forbids("/c", {}) == Refusal(
        "websocket.paths", "/c is none of /a, /b", 404
    )
    for headers in ({"host": "x" * 9999}, {"host": "localhost", "origin": "x" * 9999}):
        refusal = LOOPBACK.forbids("/", headers)
        assert refusal is not None
        assert len(refusal.reason) < 250


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("*", "*"),
        ("Chat.Example.com", "chat.example.com"),
        ("chat.example.com.", "chat.example.com"),
        ("*.example.com", "*.example.com"),
        ("한국.kr", "xn--3e0b707e.kr"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("my_box", "my_box"),
    ],
)
def test_names_of_hosts(text: str, name: str) -> None:
    """A name of `hosts` is taken as browsers send it."""
    assert asciiHost(text) == name
    assert asciiHost(name) == name


@pytest.mark.parametrize(
    "text", ["", "a b", "chat.example.com:8000", "http://x", "x/", "*x", "a.*.b", "*.", "-", "a..b", "x" * 300]
)
def test_what_is_no_host(text: str) -> None:
    """What can be in no Host header is refused."""
    with pytest.raises(ValueError):  # noqa: PT011
        asciiHost(text)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Whatever stands in the headers, it is decided; and only what names this machine is let in."""
    for headers in ({"host": text}, {"host": "localhost", "origin": text}, {"host": text, "origin": text}):
        if LOOPBACK.forbids(text, headers) is None:
            for each in headers.values():
                host = parseHost(each.strip().lower().removeprefix("https://").removeprefix("http://"))
                assert host is not None
                assert isLoopbackName(host.removesuffix("."))
    parseOrigin(text)
