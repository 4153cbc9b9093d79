"""Records: what is written while peers talk, and that no disk harms the server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress

from socklab import Lines
from socklab.about import addressText
from socklab.config.record import Record
from socklab.counts import RecordCounts
from socklab.events import Closed, Cut, MessageReceived, MessageSent, Opened
from socklab.message import Peer
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.records.file import RecordFile
from socklab.records.reading import BadRecord, conversationsOf, entriesOf, parse
from socklab.records.recording import Recording
from socklab.testing import MemoryServer

PEER = Peer(IPv4Address("TCP", "127.0.0.1", 40000), "tcp", "127.0.0.1", 40000, connection=7)


class Recorded:
    """A record that is being written."""

    def __init__(self, path: Path, rotate: int = 1 << 20, keep: int = 2) -> None:
        self.path = path
        self.counts = RecordCounts()
        self.told: list[str] = []
        self.recording = Recording(
            "test",
            Record(path, rotate, keep),
            self.counts,
            lambda peer: "127.0.0.1:7",
            self.told.append,
            now=lambda: 1_700_000_000.25,
        )

    def of(self, server: MemoryServer) -> Recorded:
        """Record a server."""
        self.recording.start(server._stream)
        return self

    def finish(self) -> list[dict[str, Any]]:
        """Give the lines, when all are written."""
        self.recording.finish()
        self.recording.join()
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]


def waitUntil(isSo: Callable[[], bool]) -> None:
    """Wait until the thread that writes has done something."""
    deadline = time.monotonic() + 30
    while not isSo():
        assert time.monotonic() < deadline
        os.sched_yield()


def message(text: bytes) -> MessageReceived:
    """Give an event."""
    return MessageReceived("test", PEER, text, True)


def test_conversation(tmp_path: Path) -> None:
    """A record has who came and went, and each message: when, whose, which way, and what."""
    server = MemoryServer(EchoFactory())
    record = Recorded(tmp_path / "x.jsonl").of(server)
    peer = server.tcp()
    peer.send("안녕\n".encode())
    peer.finish()
    recording, opened, received, sent, finished, closed = record.finish()
    assert recording["event"] == "recording"
    assert received["time"] == "2023-11-14T22:13:20.250000Z"
    assert opened["local"] == "127.0.0.1:7"
    head = ("event", "service", "transport", "peer", "local", "direction", "kind", "text")
    assert [received[key] for key in head] == [
        *("message", "test", "tcp", opened["peer"], "127.0.0.1:7", "in", "bytes", "안녕\n")
    ]
    assert (sent["direction"], sent["text"], sent["connection"]) == ("out", "안녕\n", opened["connection"])
    assert finished["event"] == "finished"
    assert (closed["event"], closed["by"], closed["reason"]) == ("closed", "peer", "closed")


@pytest.mark.parametrize(
    ("encoding", "payload", "fields"),
    [
        ("utf-8", b"hello", {"text": "hello"}),
        ("utf-8", b"\xff\x00", {"base64": "/wA="}),
        ("cp949", "한글".encode("cp949"), {"text": "한글", "encoding": "cp949"}),
        ("utf-8", b"", {"text": ""}),
    ],
)
def test_bytes(encoding: str, payload: bytes, fields: dict[str, str], tmp_path: Path) -> None:
    """Bytes stand as text if that gives them back, else as base64; they come back as they were."""
    server = MemoryServer(EchoFactory(), encoding=encoding)
    record = Recorded(tmp_path / "x.jsonl").of(server)
    server.udp().send(payload)
    lines = record.finish()
    found = [line for line in lines if line["event"] == "message"]
    assert [{key: line.get(key) for key in fields} for line in found] == [fields, fields]
    assert [each.payload for each in entriesOf(record.path.open("rb")) if each.event == "message"] == [payload] * 2
    assert found[0]["local"] == "127.0.0.1:7"


def test_websocket(tmp_path: Path) -> None:
    """Of WebSocket both is there: the messages with their kind, and all bytes, the handshake first."""
    server = MemoryServer(EchoFactory())
    record = Recorded(tmp_path / "x.jsonl").of(server)
    peer = server.websocket(path="/talk")
    peer.sendMessage(b"hello", False)
    peer.sendMessage(b"\x01", True)
    lines = record.finish()
    kinds = [(line["direction"], line["kind"]) for line in lines if line["event"] == "message"]
    assert kinds == [("in", "text"), ("out", "text"), ("in", "binary"), ("out", "binary")]
    assert next(line for line in lines if line["event"] == "opened")["path"] == "/talk"
    wire = [line for line in lines if line["event"] == "wire"]
    assert wire[0]["text"].startswith("GET /talk HTTP/1.1\r\n")
    assert [line["direction"] for line in wire] == ["in", "out"] * 3
    (conversation,) = conversationsOf(entriesOf(record.path.open("rb")))
    assert len(conversation.entries) == len(lines) - 1


def test_lines(tmp_path: Path) -> None:
    """Of lines both is there too: the text, and the bytes with their ends."""
    server = MemoryServer(EchoFactory(), framing=Lines)
    record = Recorded(tmp_path / "x.jsonl").of(server)
    server.tcp().send(b"hello\r\n")
    found = [(line["event"], line["text"]) for line in record.finish() if "text" in line]
    assert found[:2] == [("wire", "hello\r\n"), ("message", "hello")]


def test_all_that_happens(tmp_path: Path) -> None:
    """Refusals, cuts and failures are in it, too."""
    server = MemoryServer(ChatFactory(), access=["deny 10.0.0.0/8", "allow all"], raising=False)
    record = Recorded(tmp_path / "x.jsonl").of(server)
    server.tcp("10.0.0.1")
    server.tcp().send(b"GET / HTTP/1.1\r\n\r\n")
    found = {line["event"]: line for line in record.finish()}
    assert found["refused"]["rule"] == "access"
    assert "HTTP" in found["cut"]["reason"]


def test_no_control_reaches_a_terminal(tmp_path: Path) -> None:
    """`cat` of a record shows text, and nothing that moves a cursor or turns the direction of writing."""
    record = Recorded(tmp_path / "x.jsonl")
    record.recording.start(MemoryServer(EchoFactory())._stream)
    payload = "\x1b[2J\x9b\u202e\u2028한".encode()
    record.recording(message(payload))
    record.finish()
    text = record.path.read_text(encoding="utf-8")
    assert "한" in text
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & {*text}
    assert [each.payload for each in entriesOf(record.path.open("rb"))][-1] == payload


def test_private(tmp_path: Path) -> None:
    """Only its owner can read what peers have said."""
    record = Recorded(tmp_path / "x.jsonl").of(MemoryServer(EchoFactory()))
    record.recording(message(b"secret"))
    record.finish()
    assert record.path.stat().st_mode & 0o777 == 0o600


def test_rotate(tmp_path: Path) -> None:
    """A file that has become long gets a number, and so many elders stay; none is longer, no line is cut."""
    path = tmp_path / "x.jsonl"
    file = RecordFile(path, 100, 2, lambda: b"head\n")
    for number in range(40):
        file.write(b"%029d\n" % number)
    file.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.1", "x.jsonl.2"]
    for each in tmp_path.iterdir():
        head, *lines = each.read_bytes().splitlines()
        assert head == b"head"
        assert {len(line) for line in lines} == {29}
        assert each.stat().st_size <= 100
    assert int(path.read_bytes().splitlines()[-1]) == 39


def test_a_line_longer_than_a_file(tmp_path: Path) -> None:
    """A single line that is longer than a file may be has one of its own."""
    file = RecordFile(tmp_path / "x.jsonl", 100, 2, lambda: b"head\n")
    for _ in range(2):
        file.write(b"x" * 200 + b"\n")
    file.close()
    assert {each.stat().st_size for each in tmp_path.iterdir()} == {206}


def test_torn_line(tmp_path: Path) -> None:
    """After a crash in the midst of a line the next one is whole."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"event": "mess')
    file = RecordFile(path, 1000, 2, lambda: b"head\n")
    file.write(b"next\n")
    file.close()
    assert path.read_bytes().splitlines() == [b'{"event": "mess', b"head", b"next"]


def test_reopened(tmp_path: Path) -> None:
    """When its file was moved away, the rest is written to a new one of the same name; nothing is lost."""
    record = Recorded(tmp_path / "x.jsonl").of(MemoryServer(EchoFactory()))
    record.recording(message(b"before"))
    record.recording.reopen()
    waitUntil(lambda: record.counts.bytes > 0)
    record.path.rename(tmp_path / "old.jsonl")
    record.recording.reopen()
    record.recording(message(b"after"))
    after = record.finish()
    before = (tmp_path / "old.jsonl").read_bytes()
    assert b"before" in before
    assert b"after" not in before
    assert [line["event"] for line in after] == ["recording", "message"]


def test_event_that_cannot_be_written(tmp_path: Path) -> None:
    """An event that cannot be written is told in its place, and the record goes on."""
    record = Recorded(tmp_path / "x.jsonl").of(MemoryServer(EchoFactory()))
    record.recording(Cut("test", PEER, object()))  # type: ignore[arg-type]
    record.recording(message(b"hello"))
    lines = record.finish()
    assert [line["event"] for line in lines] == ["recording", "lost", "message"]
    assert lines[1]["reason"] == "a Cut that cannot be written: TypeError"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk() -> None:
    """A full disk costs the events, is logged once, and the events are counted."""
    record = Recorded(Path("/dev/full")).of(MemoryServer(EchoFactory()))
    for _ in range(3):
        record.recording(message(b"hello"))
    record.recording.finish()
    record.recording.join()
    assert record.counts.lost == 3
    assert record.counts.bytes == 0
    assert record.told == ["test: record: /dev/full: no space left on device: events are lost, until it works"]


def test_works_again(tmp_path: Path) -> None:
    """When it can be written again, that is logged, and the record goes on."""
    folder = tmp_path / "mounted later"
    record = Recorded(folder / "x.jsonl").of(MemoryServer(EchoFactory()))
    record.recording(message(b"lost"))
    waitUntil(lambda: bool(record.told))
    folder.mkdir()
    record.recording(message(b"kept"))
    assert [line.get("text") for line in record.finish()] == [None, "kept"]
    assert record.counts.lost == 1
    assert [line.rpartition(": ")[2] for line in record.told] == ["events are lost, until it works", "works again"]


def test_slow_disk(tmp_path: Path) -> None:
    """A disk that takes nothing costs events, and no time; how many are missing stands where they are missing."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # Its writer waits until somebody reads.
    record = Recorded(path, rotate=1 << 30).of(MemoryServer(EchoFactory()))
    payload = bytes(1 << 20)
    for _ in range(40):
        record.recording(message(payload))
    record.recording.finish()
    with path.open("rb") as reader:
        lines = [json.loads(line) for line in reader]
    record.recording.join()
    kept = sum(line["event"] == "message" for line in lines)
    assert lines[-1]["event"] == "lost"
    assert 7 <= kept <= 16
    assert lines[-1]["events"] == record.counts.lost == 40 - kept


def test_two_runs(tmp_path: Path) -> None:
    """Numbers of connections begin anew with each process: the same one is then another conversation."""
    for run in (1, 2):
        record = Recorded(tmp_path / "x.jsonl")
        record.recording._run = str(run)
        record.recording.start(MemoryServer(EchoFactory())._stream)
        record.recording(Opened("test", PEER))
        record.recording(message(b"hello"))
        record.recording(MessageSent("test", PEER, b"hello", True))
        record.recording(Closed("test", PEER, "peer", "closed"))
        record.finish()
    found = conversationsOf(entriesOf(record.path.open("rb")))
    assert [(each.number, each.connection, len(each.entries)) for each in found] == [(1, 7, 4), (2, 7, 4)]


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[]", b"{}", b'{"time": "x", "event": "a", "service": "b"}', b'{"time": 3}', b"\xff"]
)
def test_no_record(line: bytes) -> None:
    """What is no line of a record is told as such."""
    with pytest.raises(BadRecord):
        parse(line)


def test_bad_lines_are_left_out() -> None:
    """Bad lines among good ones are passed over, and their numbers known; empty ones are nothing."""
    good = b'{"time": "2026-11-21T00:00:00Z", "event": "closed", "service": "a", "peer": "unix"}\n'
    bad: list[int] = []
    assert len([*entriesOf([good, b"\n", b"torn", good], bad)]) == 2
    assert bad == [3]


def test_addresses() -> None:
    """Addresses stand as they are written elsewhere."""
    assert addressText(IPv4Address("TCP", "127.0.0.1", 3)) == "127.0.0.1:3"
    assert addressText(UNIXAddress("/run/x.sock")) == "unix:/run/x.sock"
    assert addressText(None) == ""
