"""The console after a reload: elsewhere, with other tokens, with another certificate."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Callable
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from socklab.config import loadConfig
from socklab.console.door import hashOf
from socklab.reload import reload
from tests import wire
from tests.observe.support import MemoryLab
from tests.process import Server

from .asking import CONFIG, Asker, Watched, tokens

HASHES = f"token_hash = '{hashOf('one')}'\nviewer_hash = '{hashOf('two')}'\nmetrics"


def change(lab: MemoryLab, path: Path, text: str) -> list[str]:
    """Change the config, and give what is said of the console."""
    path.write_text(text)
    return [line for line in reload(lab.lab, loadConfig(path)) if "console" in line]


def test_tokens(tmp_path: Path) -> None:
    """Another token ends the sessions of the one before, and those of no other."""
    text = CONFIG.replace("metrics", HASHES)
    lab, path = MemoryLab(tmp_path, text), tmp_path / "lab.toml"
    operator, viewer = Asker(lab, "one"), Asker(lab, "two")
    pages = Watched(lab, operator), Watched(lab, viewer)
    assert change(lab, path, text.replace(hashOf("two"), hashOf("three"))) == ["~ [console]: viewer_hash"]
    assert [each.ask("session")[2]["role"] for each in (operator, viewer)] == ["operator", None]
    assert [bool(each.told()) for each in pages] == [True, False]
    assert change(lab, path, text) == ["~ [console]: viewer_hash"]
    assert viewer.ask("session")[2]["role"] is None
    assert operator.ask("session")[2]["role"] == "operator"


def test_made_tokens(tmp_path: Path) -> None:
    """Tokens that the server has made stay through a reload, until the config has its own."""
    lab, path = MemoryLab(tmp_path, CONFIG), tmp_path / "lab.toml"
    asker = Asker(lab, tokens(lab)[0])
    assert change(lab, path, CONFIG.replace("59300", "59301")) == ["~ [console]: listen"]
    assert asker.ask("session")[2]["role"] == "operator"
    assert change(lab, path, CONFIG.replace("metrics", HASHES)) == ["~ [console]: listen, token_hash, viewer_hash"]
    assert asker.ask("session")[2]["role"] is None


def test_elsewhere(tmp_path: Path) -> None:
    """At another port who is in stays in, and goes on looking; the page is told where the console is now."""
    lab, path = MemoryLab(tmp_path, CONFIG), tmp_path / "lab.toml"
    asker = Asker(lab, tokens(lab)[0])
    watched = Watched(lab, asker)
    assert change(lab, path, CONFIG.replace("'tcp:59300'", "'tcp:59301'")) == ["~ [console]: listen"]
    assert lab.reactor.tcpServers[-1][0] == 59301
    assert {"scheme": "http", "where": "*:59301"} in [each.get("moved") for each in watched.told()]
    asker.do("rule", kind="mute", what="192.0.2.7")
    assert [each for each in watched.told() if "rules" in each]
    assert change(lab, path, CONFIG.replace("'tcp:59300'", "'tcp:59301'")) == []


class Client:
    """A program that asks the console of a process, over HTTP and HTTPS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port = port
        self._context = context
        self._cookie = ""

    def ask(self, name: str, body: Any = None, tls: bool = True) -> Any:
        """Ask, and give the answer and the serial number of the certificate, or 0."""
        connection: Any
        if tls:
            connection = HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self._context)
        else:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"X-Socklab": "1", "Cookie": self._cookie}
        connection.request("GET" if body is None else "POST", f"/api/{name}", body and json.dumps(body), headers)
        shown = connection.sock.getpeercert() if tls else None
        answer = connection.getresponse()
        self._cookie = (answer.getheader("Set-Cookie") or self._cookie).partition(";")[0]
        told = json.load(answer)
        connection.close()
        return told, int(str(shown["serialNumber"]), 16) if shown else 0


@pytest.fixture
def renew(tmp_path: Path, authority: trustme.CA) -> Callable[[], int]:
    """Write another certificate, and give its serial number."""

    def new() -> int:
        leaf = authority.issue_cert("127.0.0.1")
        leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        return load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number

    return new


def test_tls(tmp_path: Path, authority: trustme.CA, renew: Callable[[], int]) -> None:
    """TLS begins on the same port, its certificate is renewed, a taken port is not had; who is in stays in."""
    first, path = renew(), tmp_path / "lab.toml"
    config = f"[console]\nlisten = '{{}}'\ntoken_hash = '{hashOf('one')}'\nmetrics = false\n"
    config += "[[service]]\nprotocol = 'echo'\nlisten = ['tcp:0:interface=127.0.0.1']\n"
    path.write_text(config.format("tcp:0"))
    with Server(path, folder=tmp_path) as server:

        def change(listen: str, line: str) -> None:
            path.write_text(config.format(listen))
            before = server.log.count(line)
            server.sendSignal(signal.SIGHUP)
            server.waitFor(line, times=before + 1)

        client = Client(server.ports["console", "http"], wire.trusting(authority))
        assert client.ask("login", {"token": "one"}, tls=False)[0] == {"role": "operator"}
        form = f"ssl:{client.port}:privateKey=key.pem:certKey=cert.pem"
        change(form, f"console: https 127.0.0.1:{client.port}")
        assert client.ask("session") == ({"role": "operator"}, first)
        second = renew()
        change(form, "reload: ~ [console]: certificate")
        assert client.ask("session") == ({"role": "operator"}, second)
        change(f"tcp:{server.ports['echo', 'tcp']}", "reload: ! [console]: tcp 127.0.0.1:")
        assert client.ask("session") == ({"role": "operator"}, second)
        (tmp_path / "cert.pem").write_text("junk")
        change(form, "reload: the config is not good: nothing has changed")
        assert client.ask("session") == ({"role": "operator"}, second)
        assert "Traceback" not in server.log
