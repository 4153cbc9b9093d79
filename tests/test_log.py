"""Events in the log: what an operator reads, what a program reads, and what no peer can do to either."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import FileLogObserver, Logger, globalLogPublisher
from twisted.python import log as legacy
from twisted.python.failure import Failure

from socklab import Factory, MessageProtocol, PeerError
from socklab.events import (
    Closed,
    Cut,
    Dropped,
    Event,
    Events,
    Failed,
    InputEnded,
    MessageReceived,
    MessageSent,
    Opened,
    Refused,
)
from socklab.limits import Limits
from socklab.log import Recorder, say
from socklab.log.form import asJson, asText
from socklab.log.names import Names
from socklab.message import TLS, Peer
from socklab.protocols.chat import ChatFactory
from socklab.testing import MemoryServer

ADDRESS = IPv4Address("TCP", "127.0.0.1", 5000)
STREAM = Peer(ADDRESS, "tcp", "127.0.0.1", 5000, connection=7)
PAGE = Peer(ADDRESS, "websocket", "127.0.0.1", 5000, path="/a", origin="http://x\x1b")
SECURE = Peer(
    ADDRESS, "websocket", "127.0.0.1", 5000, path="/", subprotocol="v1", tls=TLS("TLSv1.3", "AES", "a.example")
)

FORGERIES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \[[^\]]*\] ")


class Reactor(Clock):
    """A clock for which threads may call."""

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        """Do so."""
        call(*arguments)


class Written:
    """A log as it is written."""

    def __init__(self, form: Callable[[Any], str | None] = asText) -> None:
        self._file = StringIO()
        self._observer = FileLogObserver(self._file, form)

    def __enter__(self) -> Written:
        globalLogPublisher.addObserver(self._observer)
        return self

    def __exit__(self, *reason: object) -> None:
        globalLogPublisher.removeObserver(self._observer)

    @property
    def text(self) -> str:
        """All of it."""
        return self._file.getvalue()

    @property
    def said(self) -> list[str]:
        """Its lines without their times; those of a traceback left out."""
        lines = self.text.split("\n")[:-1]
        return [line.partition("[socklab] ")[2] for line in lines if not line.startswith("\t")]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Its lines, as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def text() -> Iterator[Written]:
    """What is logged meanwhile, as text."""
    with Written(asText) as written:
        yield written


@pytest.fixture
def objects() -> Iterator[Written]:
    """What is logged meanwhile, as JSON."""
    with Written(asJson) as written:
        yield written


class TestText:
    """Lines for a person."""

    def test_trace_as_text(self, text: Written) -> None:
        """Each message is a line: service, transport, address, direction, size, and the text, controls escaped."""
        record = Recorder(Clock(), "text", "text")
        for event in (
            Opened("chat", STREAM),
            MessageReceived("chat", STREAM, "안녕\r\n\x00".encode(), True),
            MessageSent("chat", STREAM, b"\xff\x1b", True),
            Closed("chat", STREAM, "peer", "closed"),
            Opened("echo", PAGE),
            MessageReceived("echo", PAGE, b"hi", False),
            MessageSent("echo", PAGE, b"hi", True),
            Opened("echo", SECURE),
        ):
            record(event)
        assert text.said == [
            "chat: tcp 127.0.0.1:5000 opened",
            r'chat: tcp 127.0.0.1:5000 received 9 B "안녕\r\n\x00"',
            r'chat: tcp 127.0.0.1:5000 sent 2 B "\xff\x1b"',
            "chat: tcp 127.0.0.1:5000 closed by peer: closed",
            r'echo: websocket 127.0.0.1:5000 opened (path "/a", origin "http://x\x1b")',
            'echo: websocket 127.0.0.1:5000 received 2 B text "hi"',
            'echo: websocket 127.0.0.1:5000 sent 2 B binary "hi"',
            (
                'echo: websocket 127.0.0.1:5000 opened (path "/", subprotocol "v1", tls version "TLSv1.3", '
                'tls cipher "AES", server name "a.example")'
            ),
        ]

    def test_half_close(self, text: Written) -> None:
        """A FIN has a line of its own where more comes after it; else it belongs to the end."""
        record = Recorder(Clock(), "text", "text")
        for event in (
            InputEnded("once", STREAM),
            MessageSent("once", STREAM, b"x", True),
            Closed("once", STREAM, "server", "closed"),
            InputEnded("once", STREAM),
            Closed("once", STREAM, "peer", "closed"),
        ):
            record(event)
        assert text.said == [
            "once: tcp 127.0.0.1:5000 will send no more",
            'once: tcp 127.0.0.1:5000 sent 1 B "x"',
            "once: tcp 127.0.0.1:5000 closed by server: closed",
            "once: tcp 127.0.0.1:5000 closed by peer: closed",
        ]

    def test_names(self, text: Written, monkeypatch: pytest.MonkeyPatch) -> None:
        """With names, what DNS says of an address is told when it is known, none of it raw."""
        monkeypatch.setattr(socket, "getnameinfo", lambda where, flags: (f"{where[0]}.exa\x1bmple", "0"))
        record = Recorder(Reactor(), "text", "text")
        record.configure("text", "text", names=True)
        record(Opened("chat", STREAM))
        record(Opened("chat", STREAM))
        deadline = time.monotonic() + 30
        while len(text.said) < 4:
            assert time.monotonic() < deadline
            os.sched_yield()
        assert sorted(text.said) == [
            r"chat: tcp 127.0.0.1:5000 is 127.0.0.1.exa\x1bmple",
            r"chat: tcp 127.0.0.1:5000 is 127.0.0.1.exa\x1bmple",
            "chat: tcp 127.0.0.1:5000 opened",
            "chat: tcp 127.0.0.1:5000 opened",
        ]

    def test_trace_in_the_peers_encoding(self, text: Written) -> None:
        """The text of a cp949 listener is readable too."""
        peer = Peer(ADDRESS, "tcp", "127.0.0.1", 5000, "cp949")
        Recorder(Clock(), "text", "text")(MessageReceived("chat", peer, "한글".encode("cp949"), True))
        assert text.said == ['chat: tcp 127.0.0.1:5000 received 4 B "한글"']

    def test_trace_as_hex(self, text: Written) -> None:
        """The hex trace shows every byte, and the ASCII among them."""
        Recorder(Clock(), "hex", "text")(MessageReceived("echo", STREAM, b"Hi\n\xff", True))
        assert text.said == ["echo: tcp 127.0.0.1:5000 received 4 B 48 69 0a ff |Hi..|"]

    def test_what_is_always_logged(self, text: Written) -> None:
        """Without a trace the log tells who was refused or cut and why, what was dropped, and what failed."""
        record = Recorder(Clock(), "off", "text")
        for event in (
            Opened("chat", STREAM),
            Refused("chat", STREAM, "access", 'rule "deny all"'),
            Cut("chat", STREAM, 'no\n"forged" line\x1b' + "x" * 300),
            Dropped("chat", STREAM, "too many"),
            Failed("chat", STREAM, Failure(ZeroDivisionError("ours"))),
            Closed("chat", STREAM, "server", "x"),
        ):
            record(event)
        assert text.said == [
            'chat: tcp 127.0.0.1:5000 refused: access: rule "deny all"',
            r'chat: tcp 127.0.0.1:5000 cut: no\n"forged" line\x1b' + "x" * 183 + "...",
            "chat: tcp 127.0.0.1:5000 dropped: too many (told once)",
            "chat: tcp 127.0.0.1:5000: the protocol failed",
        ]
        assert "builtins.ZeroDivisionError: ours\n" in text.text


class TestJson:
    """Objects for a program."""

    def test_events(self, objects: Written) -> None:
        """Each event is an object of its own kind, flat; the traced ones with their payload."""
        record = Recorder(Clock(), "text", "json")
        for event in (
            Opened("echo", PAGE),
            Opened("echo", SECURE, ADDRESS),
            MessageReceived("chat", STREAM, "안녕\xff".encode("latin-1", "replace") + b"\xff", True),
            MessageSent("echo", PAGE, b"hi", False),
            Refused("chat", STREAM, "per_address", "2 connections"),
            Cut("chat", STREAM, "why"),
            Dropped("chat", STREAM, "too many"),
            Closed("chat", STREAM, "peer", "reset"),
        ):
            record(event)
        chat = {"service": "chat", "transport": "tcp", "peer": "127.0.0.1:5000", "connection": 7}
        page = {"service": "echo", "transport": "websocket", "peer": "127.0.0.1:5000"}
        tls = {"tls_version": "TLSv1.3", "tls_cipher": "AES", "server_name": "a.example"}
        found = objects.objects
        times = [datetime.fromisoformat(each.pop("time")) for each in found]
        assert times == sorted(times)
        assert all(each.tzinfo is not None for each in times)
        assert {each.pop("level") for each in found} == {"info"}
        assert found == [
            {"event": "opened", **page, "path": "/a", "origin": "http://x\x1b"},
            {"event": "opened", **page, "local": "127.0.0.1:5000", "path": "/", "subprotocol": "v1", **tls},
            {"event": "message_received", **chat, "bytes": 4, "payload": "??\\xff\\xff"},
            {"event": "message_sent", **page, "bytes": 2, "binary": False, "payload": "hi"},
            {"event": "refused", **chat, "rule": "per_address", "reason": "2 connections"},
            {"event": "cut", **chat, "reason": "why"},
            {"event": "dropped", **chat, "reason": "too many"},
            {"event": "closed", **chat, "by": "peer", "reason": "reset"},
        ]

    def test_hex(self, objects: Written) -> None:
        """The hex trace gives the bytes exactly."""
        Recorder(Clock(), "hex", "json")(MessageSent("chat", STREAM, b"\x00\xff", True))
        assert objects.objects[0]["payload_hex"] == "00ff"

    def test_without_a_trace(self, objects: Written) -> None:
        """Who came and went is told without a trace too; messages are not."""
        record = Recorder(Clock(), "off", "json")
        record(Opened("chat", STREAM))
        record(MessageReceived("chat", STREAM, b"secret", True))
        record(Closed("chat", STREAM, "peer", "closed"))
        assert [each["event"] for each in objects.objects] == ["opened", "closed"]

    def test_failure(self, objects: Written) -> None:
        """A failure is one object, with its traceback, which is cut short."""
        try:
            raise ValueError("no\n\x1b" + "x" * 100_000)
        except ValueError:
            Recorder(Clock(), "off", "json")(Failed("chat", STREAM, Failure()))
        (found,) = objects.objects
        assert found["event"] == "failed"
        assert found["level"] == "critical"
        assert found["error"].startswith("ValueError: no\n\x1bxxx")
        assert "Traceback" in found["traceback"] or "xxx" in found["traceback"]
        assert len(objects.text) < 40_000

    def test_failure_that_quotes_the_peer(self, text: Written, objects: Written) -> None:
        """An exception of 1 MiB is cut short in either form, also when Twisted's older interface logs it."""
        legacy.err(Failure(ValueError("x\x1b\n" * 350_000)), "so there")
        assert len(text.text) < 80_000
        assert not FORGERIES.search(text.text)
        (found,) = objects.objects
        assert (found["level"], found["message"]) == ("critical", "so there")
        assert found["error"].startswith("ValueError: x")
        assert len(objects.text) < 150_000

    def test_exception_without_text(self, objects: Written) -> None:
        """A failure that cannot be shown is an object too."""

        class Mute(Exception):
            def __str__(self) -> str:
                raise ZeroDivisionError

        Recorder(Clock(), "off", "json")(Failed("chat", STREAM, Failure(Mute())))
        (found,) = objects.objects
        assert found["error"].startswith("Mute: ")

    def test_other_lines(self, objects: Written) -> None:
        """Our own lines name what they tell of; what Twisted and protocols log is `log`, its text in `message`."""
        say("echo: tcp 127.0.0.1:7", "listening", service="echo", where="127.0.0.1:7")
        say("socklab ready", "ready")
        Logger(namespace="author").warn("it is {what}", what="odd\n")
        found = [{key: value for key, value in each.items() if key != "time"} for each in objects.objects]
        assert found == [
            {"level": "info", "event": "listening", "service": "echo", "where": "127.0.0.1:7"},
            {"level": "info", "event": "ready", "system": "socklab", "message": "socklab ready"},
            {"level": "warn", "event": "log", "system": "author", "message": "it is odd\n"},
        ]


class TestBound:
    """A flood of peers does not flood the log."""

    def test_refusals(self, text: Written) -> None:
        """Of 100,000 refusals within ten seconds 19 are logged, and then how many were not."""
        clock = Clock()
        record = Recorder(clock, "off", "text")
        for number in range(100_000):
            record(Refused("chat", STREAM, "per_address", f"{number} connections of 10.0.0.{number % 256}"))
            clock.advance(0.0001)
        lines = text.said
        assert lines[0] == "chat: tcp 127.0.0.1:5000 refused: per_address: 0 connections of 10.0.0.0"
        assert len(lines) in (19, 20)
        clock.advance(60)
        left = 100_000 - len(lines)
        assert text.said[len(lines) :] == [
            f"chat: refused: per_address: ... and {left} more like this within 60 s"
        ]
        clock.advance(600)
        assert len(text.said) == len(lines) + 1

    def test_apart(self, text: Written) -> None:
        """Other services, events and reasons have lines of their own; the numbers in a reason make no other."""
        record = Recorder(Clock(), "off", "text")
        for number in range(1000):
            record(Cut("chat", STREAM, f"more than {number} bytes were waiting"))
            record(Cut("echo", STREAM, f"more than {number} bytes were waiting"))
            record(Cut("chat", STREAM, "silence"))
            record(Dropped("chat", STREAM, "silence"))
        assert len(text.said) == 40

    def test_reasons_that_peers_invent(self, text: Written) -> None:
        """Reasons that are all different are bounded together."""
        clock = Clock()
        record = Recorder(clock, "off", "text")
        letters = "abcdefghijklmnopqrstuvwxyz"
        for one in letters:
            for two in letters:
                for three in letters:
                    record(Cut("chat", STREAM, one + two + three))
        assert len(text.said) < 250
        record(Refused("chat", STREAM, "access", "others are still told"))
        assert len(text.said) < 251
        clock.advance(61)
        before = len(text.said)
        record(Cut("chat", STREAM, "new"))
        assert text.said[before:] == ["chat: tcp 127.0.0.1:5000 cut: new"]

    def test_failures(self, text: Written) -> None:
        """Tracebacks of one kind are bounded too."""
        record = Recorder(Clock(), "off", "text")
        for number in range(1000):
            record(Failed("chat", STREAM, Failure(ZeroDivisionError(number))))
        assert text.text.count("ZeroDivisionError") == 10

    def test_tracebacks_of_others(self, text: Written) -> None:
        """So are those that Twisted logs, of a plain protocol that raises, say; other lines of theirs are not."""
        record = Recorder(Clock(), "off", "text")
        failure = Failure(ZeroDivisionError())
        modern: dict[str, Any] = {"log_failure": failure, "log_namespace": "twisted"}
        older = [{"failure": failure, "log_system": f"Broken,{number},192.0.2.7"} for number in range(100)]
        assert [record.admits(modern) for _ in range(100)].count(True) == 10
        assert [record.admits(each) for each in older].count(True) == 10
        assert all(record.admits({"log_namespace": "author"}) for _ in range(100))
        ours = {"log_namespace": "socklab", "log_format": "it did not reach {peer}"}
        assert [record.admits(ours) for _ in range(100)].count(True) == 10
        record.close()
        assert text.said == [
            "twisted: failed: ZeroDivisionError: ... and 90 more like this within 60 s",
            "Broken: failed: ZeroDivisionError: ... and 90 more like this within 60 s",
            "socklab: log: it did not reach {peer}: ... and 90 more like this within 60 s",
        ]

    def test_arrivals(self, objects: Written) -> None:
        """As JSON, 1000 arrivals at once are told each, and more are counted."""
        clock = Clock()
        record = Recorder(clock, "off", "json")
        for _ in range(5000):
            record(Opened("chat", STREAM))
        assert len(objects.objects) == 1000
        record.close()
        found = objects.objects[-1]
        assert (found["event"], found["service"], found["left_out"]) == ("opened", "chat", 4000)

    def test_trace_is_not_bounded(self, text: Written) -> None:
        """What was asked for is told in full."""
        record = Recorder(Clock(), "text", "text")
        for _ in range(2000):
            record(Opened("chat", STREAM))
            record(MessageReceived("chat", STREAM, b"x", True))
        assert len(text.said) == 4000

    def test_close(self, text: Written) -> None:
        """In the end the log says what was left out, and nothing runs on."""
        clock = Clock()
        record = Recorder(clock, "off", "text")
        for _ in range(15):
            record(Cut("chat", STREAM, "x"))
        record.close()
        assert text.said[-1] == "chat: cut: x: ... and 5 more like this within 60 s"
        assert not clock.getDelayedCalls()


class QuotingProtocol(MessageProtocol):
    """Fail in each way that quotes the peer."""

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        text = payload.decode("utf-8", "surrogatepass" if payload[:1] == b"\xed" else "surrogateescape")
        Logger(namespace="author").info("heard {text}", text=text)
        if len(payload) % 2:
            raise PeerError(f"nonsense: {text}")
        raise ValueError(text)


class QuotingFactory(Factory):
    """Fail."""

    protocol = QuotingProtocol


# What makes a forgery, more often than chance would.
NASTY = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"\n2026-01-01T00:00:00+0000 [socklab] socklab ready",
            b"\r2026-01-01T00:00:00+0000 [socklab] x",
            "\u2028\u2029\u0085\u202e\u2066\x9b31m\x7f".encode(),
            b'"}\n{"event": "ready"}',
            b"\xed\xa0\x80",
            b"/nick \x1b[2J",
        ]
    ),
)


class TestForgery:
    """Nothing that a peer sends can pass for a line of ours, or move a reader's cursor."""

    @staticmethod
    def events(data: bytes) -> list[Event]:
        """Give what happens when a peer puts such bytes wherever it can."""
        happened: list[Event] = []
        # Within a line of HTTP.
        inline = data.translate(None, b"\r\n")
        for factory in (ChatFactory(), QuotingFactory()):
            server = MemoryServer(factory, raising=False, limits=Limits(line=64))
            for peer in (server.tcp(), server.unix(), server.tls()):
                peer.send(data + b"\n")
                peer.finish()
            server.udp().send(data)
            server.rawWebsocket().sendBytes(b"GET /" + data + b" HTTP/1.1\r\nHost: " + data + b"\r\n\r\n")
            server.rawWebsocket().sendBytes(
                b"GET /?" + inline.replace(b" ", b"") + b" HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                b"dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost\r\nX-Y: " + inline + b"\r\n\r\n"
            )
            page = server.websocket()
            page.sendMessage(data, True)
            closing = server.websocket()
            closing.sendFrame(8, b"\x03\xe8" + data[:100])
            happened += server.events
            server.stop()
        return happened

    @settings(deadline=None, max_examples=50)
    @given(NASTY, st.sampled_from(["off", "text", "hex"]))
    def test_text(self, data: bytes, trace: Any) -> None:
        """Each line of the text log begins with its time, or with the TAB of a traceback; none holds a control."""
        with Written(asText) as written:
            record = Recorder(Clock(), trace, "text")
            for event in self.events(data):
                record(event)
        assert written.text
        assert not FORGERIES.search(written.text)
        for line in written.text.split("\n")[:-1]:
            assert line.startswith("\t") or HEAD.match(line), line
        written.text.encode()

    @settings(deadline=None, max_examples=50)
    @given(NASTY, st.sampled_from(["off", "text", "hex"]))
    def test_json(self, data: bytes, trace: Any) -> None:
        """Each line of the JSON log is one flat object that every parser takes: ASCII, without lone surrogates."""
        with Written(asJson) as written:
            record = Recorder(Clock(), trace, "json")
            for event in self.events(data):
                record(event)
        assert written.text.isascii()
        for line in written.text.split("\n")[:-1]:
            found = json.loads(line)
            assert list(found)[:3] == ["time", "level", "event"]
            assert all(isinstance(each, str | int | bool) for each in found.values())
            line.encode().decode()
            json.dumps(found, ensure_ascii=False).encode()

    def test_certificate(self, text: Written, objects: Written) -> None:
        """Nor the subject of a certificate."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "eve\n\x1b[2J\u2028\u202e")])
        key = ec.generate_private_key(ec.SECP256R1())
        then = datetime(2026, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(then).not_valid_after(then.replace(year=2027))
        peer = Peer(ADDRESS, "tls", "127.0.0.1", 5000, certificate=builder.sign(key, hashes.SHA256()))
        Recorder(Clock(), "text", "text")(Opened("chat", peer))
        assert text.text.count("\n") == 1
        assert not FORGERIES.search(text.text)
        assert objects.objects[0]["certificate"].startswith("CN=eve")

    def test_long_reason(self, text: Written, objects: Written) -> None:
        """A reason of 1 MiB is cut short in either form."""
        Recorder(Clock(), "off", "text")(Cut("chat", STREAM, "\x1b" * 1024 * 1024))
        assert len(text.text) < 2000
        assert len(objects.text) < 3000


def test_observer_that_fails() -> None:
    """An observer that raises keeps no event from the others."""
    seen: list[object] = []

    def broken(event: object) -> None:
        raise ZeroDivisionError

    events = Events()
    events.subscribe(broken)
    events.subscribe(seen.append)
    assert not events.traffic
    event = Opened("chat", STREAM)
    events.emit(event)
    assert seen == [event]


def test_silent_name_server() -> None:
    """While a name server is silent, others are not asked for; who has no name is asked for once."""
    answer = threading.Event()
    asked: list[str] = []
    done: list[str] = []
    ended = threading.Semaphore(0)

    def ask(host: str) -> str:
        asked.append(host)
        answer.wait(30)
        raise OSError

    class Counting(Reactor):
        def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
            super().callFromThread(call, *arguments)
            ended.release()

    names = Names(Counting(), ask)
    for number in range(20):
        names.find(f"192.0.2.{number}", done.append)
    answer.set()
    for _ in range(10):
        assert ended.acquire(timeout=30)
    names.find("192.0.2.1", done.append)
    assert (sorted(asked), done) == (sorted(f"192.0.2.{number}" for number in range(10)), [])
