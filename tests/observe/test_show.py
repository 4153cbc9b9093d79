"""`socklab show`: what a record says, as a person or a program wants it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from socklab import Lines
from socklab.cli.records import follow
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.records.reading import Entry, parse
from socklab.records.shown import jsonOf, lineOf
from tests.cli.conftest import run as run
from tests.cli.support import Run
from tests.observe.recordings import Tape
from tests.process import ENVIRONMENT


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """Two connections with lines: one says hello, one says 안녕."""
    tape = Tape(EchoFactory(), framing=Lines)
    one, other = tape.server.tcp("127.0.0.1"), tape.server.tcp("127.0.0.2")
    one.say("hello")
    other.say("안녕")
    one.finish()
    tape.save(tmp_path / "x.jsonl")
    return tape


def numbers(tape: Tape) -> list[int]:
    """Give the numbers of its connections."""
    return [each.connection for each in tape.conversations()]


def test_text(tape: Tape, run: Run) -> None:
    """Each line says when, whose, what happened, how much and what; nothing is said twice."""
    one, other = numbers(tape)
    ports = [each.peer for each in tape.conversations()]
    lines = run("show", "x.jsonl").output.splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        f"#{one} test: tcp {ports[0]} opened",
        f"#{other} test: tcp {ports[1]} opened",
        f'#{one} test: tcp {ports[0]} received 5 B "hello"',
        f'#{one} test: tcp {ports[0]} sent 5 B "hello"',
        f'#{other} test: tcp {ports[1]} received 6 B "안녕"',
        f'#{other} test: tcp {ports[1]} sent 6 B "안녕"',
        f"#{one} test: tcp {ports[0]} will send no more",
        f"#{one} test: tcp {ports[0]} closed by peer: closed",
    ]
    assert lines[0].startswith("2023-11-14T22:13:20.001Z ")


def test_hex(tape: Tape, run: Run) -> None:
    """Bytes are shown in hexadecimal, or side by side with their text, Korean too."""
    assert (
        run("show", "x.jsonl", "--hex", "--received")
        .output.splitlines()[0]
        .endswith(" received 5 B 68 65 6c 6c 6f |hello|")
    )
    both = run("show", "x.jsonl", "--both", "--peer", "127.0.0.2", "--sent").output.splitlines()
    assert both[0].endswith(" sent 6 B")
    assert both[1].split() == ["000000", "ec", "95", "88", "eb", "85", "95", "안·녕·"]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 8),
        (["--received"], 2),
        (["--sent"], 2),
        (["--grep", "hel+o"], 2),
        (["--grep", "안"], 2),
        (["--peer", "127.0.0.2"], 3),
        (["--service", "test"], 8),
        (["--service", "other"], 0),
        (["--transport", "udp"], 0),
        (["--received", "--peer", "127.0.0.1"], 1),
    ],
)
def test_filters(options: list[str], count: int, tape: Tape, run: Run) -> None:
    """Only what is meant is shown."""
    result = run("show", "x.jsonl", *options)
    assert (len(result.output.splitlines()), result.exit_code) == (count, 0)
    assert len(run("show", "x.jsonl", *options, "--json").output.splitlines()) == count + (0 if options else 5)


@pytest.mark.parametrize("word", ["ws", "websocket"])
def test_websocket_by_either_word(word: str, tmp_path: Path, run: Run) -> None:
    """What the config calls `ws:` and records call `websocket` may be called either."""
    tape = Tape(EchoFactory())
    tape.server.websocket().say("hello")
    tape.server.tcp().say("hello")
    tape.save(tmp_path / "x.jsonl")
    lines = run("show", "x.jsonl", "--transport", word).output.splitlines()
    assert [line.split()[3] for line in lines] == ["websocket"] * 3


def test_connections(tape: Tape, run: Run) -> None:
    """One connection is shown alone, or one after the other."""
    one, other = numbers(tape)
    alone = run("show", "x.jsonl", "--connection", str(other)).output
    assert len(alone.splitlines()) == 3
    sorted_ = run("show", "x.jsonl", "--by-connection").output
    assert sorted_.endswith(f"\n\n{alone}")
    both = run("show", "x.jsonl", "--connection", str(one), "--connection", str(other)).output
    assert both == run("show", "x.jsonl").output


def test_wire(tape: Tape, run: Run) -> None:
    """With --wire the bytes are shown as they were, the lines with their ends."""
    found = run("show", "x.jsonl", "--wire", "--peer", "127.0.0.1", "--received").output
    assert found.endswith('received 6 B wire "hello\\n"\n')


def test_wire_of_raw(tmp_path: Path, run: Run) -> None:
    """Where the bytes are the messages they are shown with --wire too."""
    tape = Tape(EchoFactory())
    tape.server.tcp().send(b"hello")
    tape.save(tmp_path / "x.jsonl")
    assert run("show", "x.jsonl", "--wire", "--received").output.endswith('received 5 B "hello"\n')


def test_json(tape: Tape, run: Run) -> None:
    """For programs it gives the lines of the record as they are; they are a record again."""
    printed = run("show", "x.jsonl", "--json").output.encode()
    assert [json.loads(each) for each in printed.splitlines()] == [json.loads(each) for each in tape.lines]
    for line in tape.lines:
        assert jsonOf(parse(line)).encode() + b"\n" == line


def test_several_files(tape: Tape, tmp_path: Path, run: Run) -> None:
    """Several files are one record, in the order in which it happened."""
    half = len(tape.lines) // 2
    (tmp_path / "a.jsonl").write_bytes(b"".join(tape.lines[half:]))
    (tmp_path / "b.jsonl").write_bytes(b"".join(tape.lines[:half]))
    assert run("show", "a.jsonl", "b.jsonl").output == run("show", "x.jsonl").output


def test_nothing_raw(tmp_path: Path, run: Run) -> None:
    """Nothing in a record reaches the terminal raw, whoever wrote it."""
    evil = "\x1b[2J\u202e\u2028\x9b"
    line = {
        "time": "2026-11-21T00:00:00Z",
        "service": evil,
        "transport": evil,
        "peer": evil,
        "connection": 1,
        "by": evil,
        "reason": evil,
        "rule": evil,
        "kind": evil,
        "text": evil,
        "direction": "in",
        "path": evil,
    }
    events = ["message", "wire", "opened", "closed", "refused", "cut", "finished", evil]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({**line, "event": event}) + "\n" for event in events))
    for options in ([], ["--hex"], ["--both"], ["--wire"], ["--patterns"], ["--json"]):
        printed = run("show", "x.jsonl", *options).output
        assert printed
        assert not {*evil} & {*printed} - {*"[2J"}


def test_lost() -> None:
    """Where events are missing, that is shown."""
    line = lineOf(Entry(0, "lost", "echo", more={"events": 3}), "text")
    assert line.endswith("echo: 3 events are missing here: they came faster than the disk took them")


def test_bad_lines(tape: Tape, tmp_path: Path, run: Run) -> None:
    """Lines that are none of a record are told, and the others shown; a file without any is a mistake."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(path.read_bytes() + b"torn\n" * 5)
    result = run("show", "x.jsonl")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 8 + 4
    assert "x.jsonl: 2 more lines are none of a record\n" in result.output
    path.write_bytes(b"hello\n")
    assert run("show", "x.jsonl").exit_code == 1
    assert run("show", "none.jsonl").output == "Error: none.jsonl: no such file or directory\n"


def test_patterns(tmp_path: Path, run: Run) -> None:
    """--patterns tells who makes a connection for each message, and takes WebSocket apart."""
    tape = Tape(OneShotFactory())
    for _ in range(5):
        peer = tape.server.tcp()
        peer.say("hello")
        peer.finish()
    tape.server.websocket().say("hello")
    tape.save(tmp_path / "x.jsonl")
    printed = run("show", "x.jsonl", "--patterns").output
    assert "test: tcp 127.0.0.1: one-shot: 5 connections, 5 messages, 5 source ports\n" in printed
    assert "  closed first: the server (5)\n" in printed
    assert "  first bytes: lines (5)\n" in printed
    assert "  > Upgrade: websocket\n" in printed
    assert "received FIN text, length 5, mask " in printed
    assert f"    {'received text':<16}{5:>9}{11:>11}{6:>20}\n" in printed
    found = json.loads(run("show", "x.jsonl", "--patterns", "--json").output)
    assert found["addresses"][0]["verdict"] == "one-shot"
    assert found["websockets"][0]["costs"][0] == {
        "direction": "in",
        "kind": "text",
        "payload": 5,
        "websocket": 11,
        "line": 6,
    }


def test_follow(tape: Tape, tmp_path: Path) -> None:
    """What is added is given as it comes, a line that is written in two pieces too, and what a new file has."""
    path = tmp_path / "x.jsonl"
    following = follow(path)
    found = [next(following) for _ in tape.lines]
    assert found == tape.entries()
    with path.open("ab") as file:
        file.write(tape.lines[-1] + tape.lines[-1][:10])
    assert next(following) == found[-1]
    with path.open("ab") as file:
        file.write(tape.lines[-1][10:])
    assert next(following) == found[-1]
    path.rename(tmp_path / "x.jsonl.1")
    path.write_bytes(tape.lines[2])
    assert next(following) == parse(tape.lines[2])


def test_follow_alone(tape: Tape, run: Run) -> None:
    """--follow is for one file, as it comes."""
    assert run("show", "x.jsonl", "x.jsonl", "--follow").exit_code == 2
    assert run("show", "x.jsonl", "-f", "--patterns").exit_code == 2


def test_closed_pipe(tmp_path: Path) -> None:
    """`socklab show FILE | head -1` ends without a word."""
    tape = Tape(ChatFactory())
    peer = tape.server.tcp()
    for _ in range(2000):
        peer.say("/who")
    path = tape.save(tmp_path / "x.jsonl")
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "socklab", "show", str(path)]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        os.close(writing)
        os.read(reading, 10)
        os.close(reading)
        assert process.stderr is not None
        assert process.stderr.read() == b""
