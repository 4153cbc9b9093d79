"""`socklab replay`: a record as a client, and as a test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.defer import Deferred

from socklab import Lines
from socklab.client import Connection, End
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.records.replay import Voice
from socklab.records.script import Kind, Message, Part, Script
from tests.cli.conftest import run as run
from tests.cli.support import Run
from tests.observe.recordings import Tape
from tests.process import Server


def script(tape: Tape, kind: Kind) -> Script:
    """Give what a client does again."""
    return Script(tape.conversations(), tape.entries(), kind)


def steps(found: Script) -> list[tuple[str, bytes]]:
    """Give them without times and numbers."""
    return [(step.what, step.message.payload) for step in found.steps]


# What is played


def test_bytes_as_they_were() -> None:
    """To a stream a stream is said as it was, in pieces and with the ends of its lines; FIN, too."""
    tape = Tape(EchoFactory(), framing=Lines)
    peer = tape.server.tcp()
    for piece in (b"hel", b"lo\r\n"):
        peer.send(piece)
    peer.finish()
    assert steps(script(tape, "stream")) == [
        ("send", b"hel"),
        ("send", b"lo\r\n"),
        ("hear", b"hello\n"),
        ("finish", b""),
        ("close", b""),
    ]


def test_messages_over_websocket() -> None:
    """To WebSocket the messages are said, of the kind that they were; of lines without their ends."""
    tape = Tape(EchoFactory())
    peer = tape.server.websocket()
    peer.sendMessage(b"hello", False)
    peer.sendMessage(b"\xff", True)
    found = script(tape, "websocket").steps
    assert [each.message for each in found if each.what == "send"] == [
        Message(b"hello", False),
        Message(b"\xff", True),
    ]
    raw = Tape(EchoFactory())
    raw.server.tcp().send(b"hello\r\n")
    assert steps(script(raw, "websocket"))[0] == ("send", b"hello")


def test_messages_as_lines() -> None:
    """What was a message elsewhere is a line to a stream."""
    tape = Tape(EchoFactory())
    tape.server.websocket().sendMessage(b"hello", False)
    tape.server.udp().send(b"datagram\n")
    assert steps(script(tape, "stream"))[:4] == [
        ("send", b"hello\n"),
        ("hear", b"hello\n"),
        ("send", b"datagram\n"),
        ("hear", b"datagram\n"),
    ]


def test_nothing_said() -> None:
    """Who was refused, and who only connected, has no part."""
    tape = Tape(EchoFactory(), access=["deny 10.0.0.1", "allow all"])
    tape.server.tcp("10.0.0.1")
    tape.server.tcp()
    assert script(tape, "stream").parts == {}


# What comes back


def voice(heard: list[Message], isStream: bool = True) -> Voice:
    """Give a conversation in which this was heard."""
    (conversation,) = spoken().conversations()
    return Voice(Part(conversation, heard=heard), isStream)


def spoken() -> Tape:
    """Give a record of one conversation."""
    tape = Tape(EchoFactory())
    tape.server.tcp().send(b"hello")
    return tape


def test_same_stream() -> None:
    """Of a stream only the bytes count, not how they were read."""
    one = voice([Message(b"hello", None), Message(b"again", None)])
    one.received(b"hel", True)
    one.received(b"loagain", True)
    assert one.difference([]) is None


@pytest.mark.parametrize(
    ("got", "difference"),
    [
        (b"hello", "expected 11 B, got 5 B, the same so far"),
        (b"", "expected 11 B, got 0 B"),
        (b"hello world, and more", "expected 11 B, got 21 B, the same so far"),
        (b"hello there", 'byte 7: expected "hello world", got "hello there"'),
        (b"hello\x1b[2Jor", 'byte 6: expected "hello world", got "hello\\x1b[2Jor"'),
    ],
)
def test_other_stream(got: bytes, difference: str) -> None:
    """Where a stream differs first is told, and nothing of it reaches the terminal raw."""
    one = voice([Message(b"hello world", None)])
    one.received(got, True)
    assert one.difference([]) == difference


def test_other_messages() -> None:
    """Of messages the number, the kind and the content count; the kind only where it is known."""
    wanted = [Message(b"a", False), Message(b"b", None)]
    for got, difference in (
        ([(b"a", False), (b"b", True)], None),
        ([(b"a", False)], "expected 2 messages, got 1"),
        ([(b"a", True), (b"b", True)], "message 1: expected text, got binary"),
        ([(b"a", False), (b"c", True)], 'message 2: byte 1: expected "b", got "c"'),
    ):
        one = voice(wanted, isStream=False)
        for payload, isBinary in got:
            one.received(payload, isBinary)
        assert one.difference([]) == difference


def test_ignored() -> None:
    """What may differ is left out of both."""
    one = voice([Message(b"user2: hello", None)])
    one.received(b"user17: hello", True)
    assert one.difference([]) is not None
    assert one.difference([re.compile(b"user[0-9]+")]) is None


def test_waits() -> None:
    """An answer has come when as much of it is there as there was; the end is the end of waiting."""
    one = voice([Message(b"hello", None)])
    one.expect(Message(b"hello", None))
    fired: list[str] = []

    def wait(waited: Deferred[None], name: str) -> None:
        waited.addCallback(lambda _: fired.append(name))

    wait(one.hasCome(), "come")
    one.received(b"hel", True)
    assert fired == []
    one.received(b"lo", True)
    assert fired == ["come"]
    one.expect(Message(b"more", None))
    wait(one.hasCome(), "never")
    one.connection = cast(Connection, object())
    wait(one.isOver(), "over")
    one.ended(End("peer", "closed the connection"))
    assert fired == ["come", "never", "over"]


def test_flood() -> None:
    """A server that says without end what it should not is not kept."""
    one = voice([Message(b"hello", None)])
    for _ in range(40):
        one.received(bytes(1 << 16), True)
    assert sum(len(each.payload) for each in one.heard) < 1 << 21
    assert one.difference([]) is not None


# The command


CONFIG = """
[[service]]
protocol = "echo"
listen = [
    'tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1', 'unix:echo.sock'
]
[[service]]
protocol = "chat"
listen = ['tcp:0:interface=127.0.0.1', 'ws:tcp:0:interface=127.0.0.1']
[service.options]
announce = false
[[service]]
protocol = "oneshot"
listen = ['tcp:0:interface=127.0.0.1']
[service.options]
until = "eof"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on real sockets."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "lab.toml").write_text(CONFIG)
    with Server(folder / "lab.toml", folder=folder) as server:
        yield server


def url(server: Server, service: str, transport: str) -> str:
    """Give where a service is."""
    return f"{transport.replace('stream', 'tcp')}://127.0.0.1:{server.ports[service, transport]}"


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("transport", ["tcp", "udp", "ws", "unix"])
def test_echo(transport: str, fast: bool, server: Server, tmp_path: Path, run: Run) -> None:
    """What was recorded comes back over each transport, as fast as it can and in its own time."""
    tape = Tape(EchoFactory())
    peer = getattr(tape.server, transport.replace("ws", "websocket"))()
    for _ in range(3):
        peer.say("안녕")
    if transport in ("tcp", "unix"):
        peer.finish()
    tape.save(tmp_path / "x.jsonl")
    where = f"unix://{server.path('echo')}" if transport == "unix" else url(server, "echo", transport)
    result = run("replay", "x.jsonl", where, "--expect-same", *(["--fast"] if fast else []))
    assert result.exit_code == 0, result.output
    assert result.output.endswith(" came back: as recorded\n")


def test_end_of_input(server: Server, tmp_path: Path, run: Run) -> None:
    """An answer that comes only after FIN comes: FIN is played, too."""
    tape = Tape(OneShotFactory(until="eof"))
    peer = tape.server.tcp()
    peer.send(b"question")
    peer.finish()
    tape.save(tmp_path / "x.jsonl")
    result = run("replay", "x.jsonl", url(server, "oneshot", "tcp"), "--fast", "--expect-same")
    assert (result.exit_code, result.output.count("as recorded")) == (0, 1)


def test_room(server: Server, tmp_path: Path, run: Run) -> None:
    """Several who talk with each other do so again, in the order in which they spoke; over WebSocket too."""
    tape = Tape(ChatFactory(announce=False))
    one, other = tape.server.tcp(), tape.server.tcp()
    one.say("/nick alice")
    other.say("/nick bob")
    for number in range(10):
        (one if number % 3 else other).say(f"line {number}")
    tape.save(tmp_path / "x.jsonl")
    for transport in ("tcp", "ws"):
        result = run("replay", "x.jsonl", url(server, "chat", transport), "--fast", "--expect-same", "--json")
        assert [each["difference"] for each in json.loads(result.output)["conversations"]] == [None, None]


def test_difference(server: Server, tmp_path: Path, run: Run) -> None:
    """Another answer is told, and is a status with --expect-same; unless it is what may differ."""
    tape = Tape(EchoFactory(prefix="> "))
    tape.server.tcp().say("hello")
    tape.save(tmp_path / "x.jsonl")
    where = url(server, "echo", "tcp")
    result = run("replay", "x.jsonl", where, "--fast", "--wait", "0.1")
    assert result.exit_code == 0
    assert 'not as recorded: byte 1: expected "> hello\\n", got "hello\\n"' in result.output
    assert run("replay", "x.jsonl", where, "--fast", "--wait", "0.1", "--expect-same").exit_code == 4
    assert (
        run("replay", "x.jsonl", where, "--fast", "--wait", "0.1", "--expect-same", "--ignore", "> ").exit_code
        == 0
    )


def test_cannot(server: Server, tmp_path: Path, run: Run) -> None:
    """Nobody there, nothing in the record: a line for each, and its status."""
    spoken().save(tmp_path / "x.jsonl")
    result = run("replay", "x.jsonl", "tcp://127.0.0.1:1", "--fast")
    assert (result.exit_code, result.output) == (1, "tcp 127.0.0.1:1: refused: nobody listens there\n")
    result = run("replay", "x.jsonl", url(server, "echo", "tcp"), "--service", "other")
    assert (result.exit_code, result.output) == (1, "Error: x.jsonl: nobody has said anything that is meant.\n")
    assert run("replay", "x.jsonl", "http://127.0.0.1:1").exit_code == 2
