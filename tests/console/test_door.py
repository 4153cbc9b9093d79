"""Who may use the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from socklab.config import ConfigError, loadConfig
from socklab.console.door import hashOf
from socklab.reload import reload
from tests.observe.support import MemoryLab

from .asking import CONFIG, HOST, Asker, Watched, laboratory, tokens


@pytest.fixture
def lab(tmp_path: Path) -> MemoryLab:
    """A lab."""
    return laboratory(tmp_path)


def test_token_in_the_log(tmp_path: Path) -> None:
    """The log tells two addresses, one to operate and one to look, whose token stands behind `#`."""
    with capturedLogs() as events:
        lab = laboratory(tmp_path)
    said = [str(each["entry"]) for each in events if "entry" in each]
    where = "http://0.0.0.0:59300/".replace("0.0.0.0", "*")
    assert [each for each in said if "#" in each] == [
        f"console: operate {where}#{tokens(lab)[0]}",
        f"console: look {where}#{tokens(lab)[1]}",
    ]


def test_cookie(lab: MemoryLab) -> None:
    """A token is exchanged for a cookie that no script reads and no other site's page brings along."""
    status, head, told = Asker(lab).ask("login", {"token": tokens(lab)[0]})
    assert (status, told) == (200, {"role": "operator"})
    cookie = head.partition("Set-Cookie: ")[2].partition("\r\n")[0]
    assert cookie.startswith("socklab_59300=")
    assert cookie.partition("; ")[2].lower() == "path=/api; httponly; samesite=strict"


def test_wrong_tokens(lab: MemoryLab) -> None:
    """A wrong token is refused; after ten of them even the right one has to wait a second."""
    asker = Asker(lab)
    for _ in range(10):
        assert asker.ask("login", {"token": "x"})[0] == 403
    assert asker.ask("login", {"token": tokens(lab)[0]})[0] == 429
    lab.reactor.advance(1.1)
    assert asker.ask("login", {"token": tokens(lab)[0]})[0] == 200
    assert asker.ask("login", {"token": "x" * 300})[0] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": f"http://{HOST}", "sec_fetch_site": "same-origin"}, 200),
        ({"cookie": "socklab_59300=x"}, 401),
        ({"cookie": None}, 401),
        ({"x_socklab": None}, None),
        ({"origin": "http://localhost:8000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"host": "evil.example:59300"}, 403),
    ],
)
def test_only_our_page(headers: dict[str, Any], status: int | None, lab: MemoryLab) -> None:
    """Only our own page is answered: not a page of another port, nor one whose name is rebound, nor a form."""
    asker = Asker(lab, tokens(lab)[0])
    if status is None:
        status, headers = 403, {"x-socklab": None}
    for name, body in (("stream", None), ("rule", {"kind": "ban", "what": "192.0.2.7"})):
        assert asker.ask(name, body, **headers)[0] == status
    assert len(lab.lab.house.bans) == (status == 200)


@pytest.mark.parametrize("name", ["write", "close", "say", "rule", "end-rule", "reload"])
def test_viewer(name: str, lab: MemoryLab) -> None:
    """Who has the second token sees all, and does nothing."""
    viewer = Asker(lab, tokens(lab)[1])
    assert Watched(lab, viewer).first["role"] == "viewer"
    status, _, told = viewer.ask(name, {})
    assert (status, told["error"]) == (403, "you may look, and do nothing")


def test_leave(lab: MemoryLab) -> None:
    """Who leaves is out, with the streams that are open; so is who has not been seen for half a day."""
    for end in (lambda asker: asker.do("logout"), lambda asker: lab.reactor.advance(12 * 3600 + 1)):
        asker = Asker(lab, tokens(lab)[0])
        assert asker.ask("session")[2] == {"role": "operator"}
        end(asker)
        assert asker.ask("session")[2] == {"role": None}


def test_asked_wrongly(lab: MemoryLab) -> None:
    """What is asked wrongly is told so, in a line."""
    asker = Asker(lab, tokens(lab)[0])
    assert asker.ask("nothing", {})[0] == 404
    assert asker.ask("write")[0] == 405
    assert asker.ask("write", {"to": ["1"], "data": "?"})[2]["error"] == "data: this is no base64"
    assert asker.ask("write", {"to": []})[0] == 400
    assert asker.ask("write", {"to": ["1"], "what": 1})[2] == {
        "error": "what: Extra inputs are not permitted",
        "code": "not-asked-so",
        "values": {"where": "what", "what": "Extra inputs are not permitted"},
    }
    assert asker.ask("follow", {"stream": "9"})[2]["error"] == "there is no such stream"


def test_page_headers(lab: MemoryLab) -> None:
    """The page loads nothing of others, holds no script or style itself, and is kept by no cache."""
    text = Asker(lab).open("", path="/").value().decode()
    head, _, page = text.partition("\r\n\r\n")
    policy = head.partition("Content-Security-Policy: ")[2].partition("\r\n")[0]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "Cache-Control: no-store" in head
    assert "X-Content-Type-Options: nosniff" in head
    assert page.count("<script ") == page.count('<script type="module" src=') == 1
    assert "<style" not in page


# The config


def test_hash(tmp_path: Path) -> None:
    """With hashes in the config no token is printed, and those are good; other ones end all sessions."""
    text = CONFIG.replace("metrics", f"token_hash = '{hashOf('one')}'\nviewer_hash = '{hashOf('two')}'\nmetrics")
    lab = MemoryLab(tmp_path, text)
    assert not lab.lab.console._door.made  # type: ignore[union-attr]
    assert Asker(lab, "two").ask("session")[2] == {"role": "viewer"}
    asker = Asker(lab, "one")
    path = tmp_path / "lab.toml"
    path.write_text(text.replace(hashOf("one"), hashOf("three")))
    assert [*reload(lab.lab, loadConfig(path))][-1] == "~ [console]: token_hash"
    assert asker.ask("session")[2] == {"role": None}
    assert Asker(lab).ask("login", {"token": "one"})[0] == 403
    Asker(lab, "three")


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            "listen = 'tcp:1:interface=0.0.0.0'",
            (
                "console.token_hash: is missing: others than this machine can reach the console; "
                "`socklab console token` makes one"
            ),
        ),
        (f"listen = 'tcp:1'\nviewer_hash = '{hashOf('x')}'", "console.viewer_hash: needs a token_hash beside it"),
        (
            "listen = 'tcp:1'\noutbound = ['allow 10.0.0.0/8']",
            "console.outbound[1]: the last rule decides for all others: `allow all` or `deny all`",
        ),
        (
            "listen = 'tcp:1'\ntoken_hash = 'secret'",
            (
                'console.token_hash: expected "sha256:" and 64 hex digits, as `socklab console token` prints '
                'them, got "secret"'
            ),
        ),
    ],
)
def test_mistakes(table: str, line: str, tmp_path: Path) -> None:
    """Where others can reach it, it needs a token of the operator's choice."""
    path = tmp_path / "lab.toml"
    path.write_text(f"[console]\n{table}\n[[service]]\nprotocol = 'echo'\nlisten = ['tcp:0']\n")
    with pytest.raises(ConfigError) as caught:
        loadConfig(path)
    assert [each.removeprefix(f"{path}: ") for each in caught.value.lines] == [line]
