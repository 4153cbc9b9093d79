"""SIGHUP: a changed config, while peers stay."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs

from socklab.config import loadConfig
from socklab.events import Events
from socklab.lab import Lab
from socklab.reload import reload
from tests import wire
from tests.process import CHECKOUT, Server

HERE = Path(__file__).parent
COUNTING = (HERE / "authors" / "counting.py").read_text()

SERVICE = """
[[service]]
name = "{name}"
protocol = "{protocol}"
listen = ['tcp:0']
{more}
"""


def service(name: str = "one", protocol: str = "counting:CountingFactory", more: str = "") -> str:
    """Give the text of one service."""
    return SERVICE.format(name=name, protocol=protocol, more=more)


class FakePort:
    """A datagram port that is never opened."""

    maxThroughput = 0

    def getHost(self) -> IPv4Address:
        """Give where it would be."""
        return IPv4Address("UDP", "127.0.0.1", 7)

    def getHandle(self) -> FakePort:
        """Give the socket, which takes all options."""
        return self

    def setsockopt(self, *option: int) -> None:
        """Take an option."""

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        """Send."""

    def stopListening(self) -> None:
        """Close."""


class FakeReactor(MemoryReactorClock):
    """Opens datagram ports in memory too."""

    def listenUDP(self, port: int, protocol: Any, *more: Any, **and_: Any) -> FakePort:
        """Open one."""
        opened = FakePort()
        protocol.makeConnection(opened)
        return opened


class Reloading:
    """A lab, and the file that it was made of."""

    def __init__(self, folder: Path, text: str) -> None:
        (folder / "counting.py").write_text(COUNTING)
        self.path = folder / "lab.toml"
        self.path.write_text(text)
        self.lab = Lab(loadConfig(self.path), FakeReactor(), Events())
        self.lab.privilegedStartService()
        self.lab.startService()

    @property
    def factory(self) -> Any:
        """Of the first service."""
        return self.lab.config.services[0].factory

    def reload(self, text: str) -> list[str]:
        """Change the file, and give what is said of that."""
        self.path.write_text(text)
        return [*reload(self.lab, loadConfig(self.path))]


REPLACED = ": replaced; the peers of the old one drain"
LISTEN = "listen = ['tcp:0']"
TWO = "listen = ['tcp:0', { endpoint = 'tcp:0', encoding = 'cp949' }]"


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (service(), service(), ["= one"]),
        (service(), service(more="[service.options]"), ["= one"]),
        (service(), service(more="[service.options]\nword = 'x'"), ["~ one: options word: its peers stay"]),
        (service(more="[service.options]\nword = 'x'"), service(), ["~ one: options word: its peers stay"]),
        (
            service(),
            service(more="[service.options]\nword = ''"),
            ["~ one: options word: its peers stay", "! one: word: expected one"],
        ),
        (
            service(),
            service(more="[service.options]\nstep = 2"),
            ["~ one: options step, which the protocol cannot take while it runs" + REPLACED],
        ),
        (
            service(),
            service(more="encoding = 'cp949'\naccess = ['deny all']\n[service.limits]\nline = 9"),
            ["~ one: access, encoding, limits"],
        ),
        (
            service(),
            service(more="[service.limits]\nline = 9\n[service.options]\nword = 'x'"),
            ["~ one: limits", "~ one: options word: its peers stay"],
        ),
        (
            service(),
            service(protocol="chat", more="[service.options]\nhistory = 3"),
            ["~ one: another protocol: replaced; the peers of the old one drain"],
        ),
        (
            service() + service("two"),
            service("two") + service("three"),
            ["= two", "+ three", "+ three: tcp *:0: taken over", "- one: its peers drain"],
        ),
        (
            service(),
            service("two").replace(LISTEN, "listen = ['tcp:0:interface=127.0.0.1']"),
            ["+ two", "+ two: tcp 127.0.0.1:0", "- one: its peers drain"],
        ),
        (
            service(),
            service().replace(LISTEN, "listen = ['tcp:0', 'udp:0', 'unix:a.sock']"),
            ["+ one: udp *:0", "+ one: unix DIR/a.sock"],
        ),
        (
            service().replace(LISTEN, "listen = ['tcp:0', 'udp:0']"),
            service(),
            ["- one: udp *:0"],
        ),
        (
            service().replace(LISTEN, "listen = ['tcp:49152', 'udp:0']"),
            service().replace(LISTEN, "listen = ['tcp:49152:interface=127.0.0.1', 'udp:0']"),
            ["! one: tcp 127.0.0.1:49152: needs a restart: tcp:49152 has the address until then"],
        ),
        (
            service().replace(LISTEN, TWO),
            service().replace(LISTEN, TWO),
            ["= one"],
        ),
        (
            service().replace(LISTEN, TWO),
            service("two").replace(LISTEN, TWO),
            ["+ two", *["+ two: tcp *:0: taken over"] * 2, "- one: its peers drain"],
        ),
        (
            service(),
            "[server]\nshutdown_timeout = 1\nmemory_budget = '1GiB'\n" + service(),
            ["= one", "~ [server]: shutdown_timeout, memory_budget"],
        ),
        (
            service(),
            "[server]\ntrace = 'hex'\n" + service(),
            ["= one", "~ [server]: trace"],
        ),
    ],
)
def test_plan(before: str, after: str, lines: list[str], tmp_path: Path) -> None:
    """The plan tells of each service: kept, changed, replaced, opened, closed, or refused, and why."""
    running = Reloading(tmp_path, before)
    told = running.reload(after)
    assert [line.replace(str(tmp_path), "DIR") for line in told] == lines
    if not any(line.startswith("!") for line in lines):
        # What was changed is what is served now.
        assert all(line.startswith("= ") for line in running.reload(after))


def test_which_of_two(tmp_path: Path) -> None:
    """Of two listeners on port 0 that one stays whose settings stay."""
    running = Reloading(tmp_path, service().replace(LISTEN, TWO))
    (ours,) = running.lab.protocolServices()
    _, korean = ours.listeners()
    told = running.reload(service().replace(LISTEN, "listen = [{ endpoint = 'tcp:0', encoding = 'cp949' }]"))
    assert told == ["- one: tcp *:0"]
    assert ours.listeners() == [korean]


VALUES = """
import attrs
from socklab import Factory, MessageProtocol

@attrs.define(eq=False)
class Place:
    x: int

class ListFactory(Factory):
    protocol = MessageProtocol

    def __init__(self, names: list[str] = [], place: Place | None = None, step: int = 1) -> None:
        self.names = names
        self.names.append("its own")
        self.given = []

    def reconfigure(self, **options: object) -> None:
        self.given.append(options)
"""


def test_what_the_file_says_is_compared(tmp_path: Path) -> None:
    """An option that the file says as before has not changed, even if the Factory changed what it was given."""
    (tmp_path / "lists.py").write_text(VALUES)
    options = "[service.options]\nnames = ['a']\nplace = { x = 1 }\n"
    running = Reloading(tmp_path, service(protocol="lists:ListFactory", more=options))
    assert running.reload(service(protocol="lists:ListFactory", more=options)) == ["= one"]
    # A default that is written out is no change either.
    assert running.reload(service(protocol="lists:ListFactory", more=f"{options}step = 1")) == ["= one"]
    assert running.factory.given == []
    changed = service(protocol="lists:ListFactory", more=f"{options}step = 2")
    assert running.reload(changed) == ["~ one: options step: its peers stay"]
    assert running.factory.given == [{"step": 2}]


def test_options_and_defaults(tmp_path: Path) -> None:
    """An option that the file no longer names is its default again; each change is handed over once."""
    running = Reloading(tmp_path, service(more="[service.options]\nword = 'x'"))
    factory = running.factory
    assert factory.word == "x"
    running.reload(service(more="[service.options]\nword = 'y'"))
    assert factory.word == "y"
    factory.word = "its own"
    assert running.reload(service(more="[service.options]\nword = 'y'")) == ["= one"]
    assert factory.word == "its own"
    running.reload(service())
    assert factory.word == "message"


def test_refused_options_are_tried_again(tmp_path: Path) -> None:
    """What `reconfigure` refused is not taken for done."""
    running = Reloading(tmp_path, service())
    bad = service(more="[service.options]\nword = ''")
    lines = ["~ one: options word: its peers stay", "! one: word: expected one"]
    assert running.reload(bad) == running.reload(bad) == lines
    assert running.factory.word == "message"


def test_reconfigure_that_fails(tmp_path: Path) -> None:
    """An error of `reconfigure` itself is told, with its traceback, and harms nothing."""
    running = Reloading(tmp_path, service())

    def reconfigure(word: str) -> None:
        raise KeyError(word)

    running.factory.reconfigure = reconfigure
    with capturedLogs() as logs:
        lines = running.reload(service(more="[service.options]\nword = 'x'"))
    assert lines == ["~ one: options word: its peers stay", "! one: KeyError('x')"]
    assert [each["log_level"] for each in logs] == [LogLevel.critical]


def test_process(tmp_path: Path) -> None:
    """SIGHUP changes the options of a server with peers; a bad file changes nothing."""
    running = Reloading(tmp_path, service())
    with Server(running.path, folder=tmp_path) as server, wire.tcp(server.ports["one", "tcp"]) as client:
        lines = client.makefile("rb")

        def ask() -> bytes:
            client.sendall(b"x\n")
            return lines.readline()

        assert ask() == b"1 message x started 1\n"
        running.path.write_text(service(more="[service.options]\nword = 'letter'"))
        server.sendSignal(signal.SIGHUP)
        server.waitFor("reload: ~ one: options word: its peers stay")
        assert ask() == b"2 letter x started 1\n"
        running.path.write_text(service(protocol="ecko"))
        server.sendSignal(signal.SIGHUP)
        server.waitFor("reload: the config is not good: nothing has changed")
        server.waitFor("did you mean `echo`?")
        assert ask() == b"3 letter x started 1\n"
        assert "Traceback" not in server.log


def test_chat(tmp_path: Path) -> None:
    """A chat takes new options, and its members stay."""
    shutil.copy(CHECKOUT / "configs" / "chat.toml", tmp_path / "lab.toml")
    text = '[[service]]\nname = "chat"\nprotocol = "chat"\nlisten = ["tcp:0"]\n'
    running = Reloading(tmp_path, text)
    with Server(running.path, folder=tmp_path) as server:
        port = server.ports["chat", "tcp"]
        with wire.tcp(port) as alice:
            heard = alice.makefile("rb")
            alice.sendall(b"/nick alice\n")
            assert heard.readline() == b"* you are alice now\n"
            running.path.write_text(
                text + "[service.options]\ngreeting = 'hello'\nformat = '<{nick}> {text}'\nhistory = 1\n"
            )
            server.sendSignal(signal.SIGHUP)
            server.waitFor("reload: ~ chat: options greeting, history, format: its peers stay")
            with wire.tcp(port) as bob:
                said = bob.makefile("rb")
                assert said.readline() == b"hello\n"
                assert heard.readline() == b"* user2 has joined\n"
                bob.sendall(b"hi\n")
                assert heard.readline() == b"<user2> hi\n"
            with wire.tcp(port) as carol:
                said = carol.makefile("rb")
                assert [said.readline(), said.readline()] == [b"hello\n", b"<user2> hi\n"]
