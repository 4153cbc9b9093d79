"""Certificates as people have them, with a real client."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from tests import wire
from tests.process import Server


def test_full_chain(tmp_path: Path) -> None:
    """The intermediate certificates that stand behind the server's own in its file are sent to the client."""
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "fullchain.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    (tmp_path / "lab.toml").write_text(
        "[[service]]\nprotocol = 'echo'\n"
        "listen = ['ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=fullchain.pem']\n"
    )
    context = ssl.create_default_context()
    root.configure_trust(context)
    with Server(tmp_path / "lab.toml", folder=tmp_path) as server:
        client = context.wrap_socket(wire.tcp(server.ports["echo", "tls"]), server_hostname="localhost")
        client.sendall(b"hello")
        assert wire.exactly(client, 5) == b"hello"
        client.close()
