"""SIGHUP under load, in a process: nobody is lost, and nothing that anybody has sent."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from tests import wire
from tests.process import Server


def text(greeting: str, more: str = "", services: str = "") -> str:
    """Give a config of an echo and a chat."""
    return f"""
[[service]]
name = "echo"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1']
{more}
[[service]]
name = "chat"
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1']
[service.options]
greeting = "{greeting}"
{services}
"""


def reload(server: Server, path: Path, config: str, line: str) -> None:
    """Change the config, and wait for a line of the plan."""
    path.write_text(config)
    times = server.log.count(line)
    server.sendSignal(signal.SIGHUP)
    server.waitFor(line, times=times + 1)


class Talker(threading.Thread):
    """Asks an echo again and again, and counts what is wrong."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.client = wire.tcp(port)
        self.stop = False
        self.count = 0
        self.answered = threading.Event()

    def run(self) -> None:
        """Talk until told to stop."""
        while not self.stop:
            said = b"%08d" % self.count
            self.client.sendall(said)
            assert wire.exactly(self.client, 8) == said
            self.count += 1
            self.answered.set()
        self.client.close()


def test_five_reloads_under_load(tmp_path: Path) -> None:
    """While five reloads follow each other, no connection breaks, no byte is lost, and newcomers are served."""
    path = tmp_path / "lab.toml"
    path.write_text(text("0"))
    with Server(path, folder=tmp_path) as server:
        talkers = [Talker(server.ports["echo", "tcp"]) for _ in range(8)]
        for each in talkers:
            each.start()
        for number in range(1, 6):
            limits = f"[service.limits]\nline = {1000 + number}\n"
            reload(server, path, text(str(number), limits), "reload: ~ chat: options greeting")
            with wire.tcp(server.ports["chat", "tcp"]) as newcomer:
                assert newcomer.makefile("rb").readline() == b"%d\n" % number
        # Each is still served after the last reload.
        for each in talkers:
            each.answered.clear()
        for each in talkers:
            assert each.answered.wait(wire.PATIENCE)
            each.stop = True
        for each in talkers:
            each.join(wire.PATIENCE)
            assert not each.is_alive()
        assert "Traceback" not in server.log


def test_access_for_the_next(tmp_path: Path) -> None:
    """New rules hold for newcomers; who is here stays."""
    path = tmp_path / "lab.toml"
    path.write_text(text("hi"))
    with Server(path, folder=tmp_path) as server:
        port = server.ports["echo", "tcp"]
        with wire.tcp(port) as here, wire.udp(server.ports["echo", "udp"]) as datagrams:
            here.sendall(b"a")
            assert wire.exactly(here, 1) == b"a"
            reload(server, path, text("hi", 'access = ["deny 127.0.0.0/8", "allow all"]'), "~ echo: access")
            here.sendall(b"b")
            assert wire.exactly(here, 1) == b"b"
            with wire.tcp(port) as newcomer, contextlib.suppress(ConnectionError):
                newcomer.sendall(b"c")
                assert wire.exactly(newcomer, 1) == b""
            datagrams.send(b"d")
            server.waitFor(f"udp 127.0.0.1:{datagrams.getsockname()[1]} refused: access")
            reload(server, path, text("hi"), "~ echo: access")
            datagrams.send(b"e")
            assert datagrams.recv(10) == b"e"


def test_replaced_service(tmp_path: Path) -> None:
    """Who cannot take its options is replaced on its own port; peers of the old one are told, and go."""
    path = tmp_path / "lab.toml"
    path.write_text(text("hi"))
    with Server(path, folder=tmp_path) as server:
        port = server.ports["echo", "tcp"]
        with wire.tcp(port) as old, wire.websocket(server.ports["echo", "ws"]) as page:
            old.sendall(b"a")
            assert wire.exactly(old, 1) == b"a"
            changed = text("hi", '[service.options]\nprefix = "> "')
            reload(server, path, changed, "~ echo: options prefix, which the protocol cannot take")
            assert wire.toTheEnd(old) == b""
            assert wire.receive(page) == (8, (1001).to_bytes(2))
        with wire.tcp(port) as new:
            new.sendall(b"a\n")
            assert new.makefile("rb").readline() == b"> a\n"
        with wire.udp(server.ports["echo", "udp"]) as datagrams:
            datagrams.send(b"a")
            assert datagrams.recv(10) == b"> a"
        assert "Traceback" not in server.log


def test_services_come_and_go(tmp_path: Path) -> None:
    """A new service is opened, and one that is gone from the file tells its members, datagram peers too."""
    path = tmp_path / "lab.toml"
    path.write_text(text("hi"))
    more = '[[service]]\nname = "more"\nprotocol = "echo"\nlisten = [\'tcp:0:interface=127.0.0.1\']\n'
    with Server(path, folder=tmp_path) as server:
        reload(server, path, text("hi", services=more), "reload: + more: tcp")
        server.waitFor("] more: tcp ")
        [line] = [each for each in server.log.splitlines() if "] more: tcp " in each]
        with wire.tcp(int(line.rpartition(":")[2])) as client:
            client.sendall(b"x")
            assert wire.exactly(client, 1) == b"x"
        with wire.tcp(server.ports["chat", "tcp"]) as member, wire.udp(server.ports["chat", "udp"]) as other:
            heard = member.makefile("rb")
            assert heard.readline() == b"hi\n"
            other.send(b"/who")
            assert other.recv(100) == b"hi"
            assert other.recv(100) == b"* in lobby: user1, user2 (you)"
            only = text("hi").partition('[[service]]\nname = "chat"')[0]
            reload(server, path, only, "reload: - chat: its peers drain")
            assert heard.readline() == b"* user2 has joined\n"
            assert heard.readline() == b"* the server is stopping\n"
            assert other.recv(100) == b"* the server is stopping"
            assert heard.readline() == b""
        with pytest.raises(OSError, match="refused"):
            wire.tcp(server.ports["chat", "tcp"])
        assert "Traceback" not in server.log


def test_service_by_another_name(tmp_path: Path) -> None:
    """A service under another name serves on the same port without a gap; members of the old one are told."""
    path = tmp_path / "lab.toml"
    path.write_text(text("hi"))
    with Server(path, folder=tmp_path) as server:
        port = server.ports["chat", "tcp"]
        with wire.tcp(port) as old:
            heard = old.makefile("rb")
            assert heard.readline() == b"hi\n"
            other = text("ho").replace('name = "chat"', 'name = "talk"')
            reload(server, path, other, "reload: + talk: tcp 127.0.0.1:0: taken over")
            assert heard.readline() == b"* the server is stopping\n"
            assert heard.readline() == b""
        with wire.tcp(port) as new, wire.udp(server.ports["chat", "udp"]) as datagrams:
            heard = new.makefile("rb")
            assert heard.readline() == b"ho\n"
            datagrams.send(b"/who")
            assert datagrams.recv(100) == b"ho"
            assert datagrams.recv(100) == b"* in lobby: user1, user2 (you)"
        assert "Traceback" not in server.log


def test_bad_config(tmp_path: Path) -> None:
    """A config with mistakes changes nothing; a port that is taken is told, and the rest goes on."""
    path = tmp_path / "lab.toml"
    path.write_text(text("hi"))
    with Server(path, folder=tmp_path) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        reload(server, path, text("hi", "acess = []"), "reload: the config is not good: nothing has changed")
        more = f'[[service]]\nname = "more"\nprotocol = "echo"\nlisten = [\'tcp:{port}:interface=127.0.0.1\']\n'
        reload(
            server, path, text("ho", services=more), f"! more: tcp 127.0.0.1:{port}: the address is in use already"
        )
        with wire.tcp(server.ports["chat", "tcp"]) as member:
            assert member.makefile("rb").readline() == b"ho\n"
        assert "Traceback" not in server.log


def test_log(tmp_path: Path) -> None:
    """The trace and the form of the log change with the file."""
    path = tmp_path / "lab.toml"
    config = "[server]\n{}\n" + text("hi")
    path.write_text(config.format(""))
    with Server(path, folder=tmp_path) as server, wire.tcp(server.ports["echo", "tcp"]) as client:

        def talk(said: bytes) -> None:
            client.sendall(said)
            assert wire.exactly(client, len(said)) == said

        talk(b"one")
        changed = "reload: ~ [server]: trace, log_format"
        reload(server, path, config.format("trace = 'text'\nlog_format = 'json'"), changed)
        talk(b"two")
        server.waitFor('"payload": "two"')
        assert json.loads(server.log.splitlines()[-1])["transport"] == "tcp"
        reload(server, path, config.format(""), changed)
        talk(b"three")
        reload(server, path, config.format(""), "[socklab] reload: = echo")
        assert not any(f'"{word}"' in server.log for word in ("one", "three"))


def test_renewed_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    """A renewed certificate is shown from the next handshake on; a bad one changes nothing, and peers stay."""

    def renew() -> int:
        leaf = authority.issue_cert("localhost")
        leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        return load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number

    def connect(port: int) -> ssl.SSLSocket:
        context = wire.trusting(authority)
        return context.wrap_socket(wire.tcp(port), server_hostname="localhost")

    def serial(client: ssl.SSLSocket) -> int:
        shown = client.getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)

    first = renew()
    path = tmp_path / "lab.toml"
    form = "ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem"
    config = f"[[service]]\nname = 'one'\nprotocol = 'echo'\nlisten = ['{form}']\n"
    path.write_text(config)
    with Server(path, folder=tmp_path) as server:
        port = server.ports["one", "tls"]
        with connect(port) as old:
            assert serial(old) == first
            for _ in range(2):
                number = renew()
                reload(server, path, config, "reload: ~ one: tls 127.0.0.1:")
                with connect(port) as new:
                    assert serial(new) == number
                old.sendall(b"x")
                assert wire.exactly(old, 1) == b"x"
            reload(server, path, config, "reload: = one")
            (tmp_path / "cert.pem").write_text("junk")
            reload(server, path, config, "reload: the config is not good: nothing has changed")
            with connect(port) as new:
                assert serial(new) == number
        renew()
        reload(server, path, f"{config}[service.limits]\nhandshake_timeout = '200ms'", "reload: ~ one: limits")
        with wire.tcp(port) as silent, contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""
        server.waitFor("cut: no TLS handshake within 0.2 s")
        assert "Traceback" not in server.log
