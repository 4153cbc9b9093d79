"""What the console tells of conversations, and what its operator does."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from socklab.console import stream, talks
from tests.observe.support import MemoryLab

from .asking import CONFIG, Asker, Watched, laboratory, tokens


@pytest.fixture
def lab(tmp_path: Path) -> MemoryLab:
    """A lab."""
    return laboratory(tmp_path)


@pytest.fixture
def asker(lab: MemoryLab) -> Asker:
    """Its operator."""
    return Asker(lab, tokens(lab)[0])


def rowsOf(told: list[Any]) -> dict[str, dict[str, Any]]:
    """Give the rows that were told, by peer."""
    rows = [dict(zip(talks.ROW, row, strict=True)) for each in told for row in each.get("rows", [])]
    return {row["peer"]: row for row in rows}


def keyOf(lab: MemoryLab, watched: Watched, port: int) -> str:
    """Give the key of the conversation with a port."""
    found = lab.lab.console._desk.talks  # type: ignore[union-attr]
    return next(each.key for each in found if each.peer.port == port and each.by is None)


def test_rows(lab: MemoryLab, asker: Asker) -> None:
    """A page is told who is there, then who comes, speaks and goes."""
    first = lab.connect(1, port=1)
    watched = Watched(lab, asker)
    assert rowsOf([watched.first])["127.0.0.1:1"]["received"] == 0
    second = lab.connect(1, port=2)
    first.deliver("안녕\n".encode())
    second.lose(ConnectionDone())
    rows = rowsOf(watched.told())
    one = rows["127.0.0.1:1"]
    assert (one["received"], one["sent"], one["receivedBytes"]) == (1, 1, 7)
    ended = rows["127.0.0.1:2"]
    assert (ended["closed"], ended["by"], ended["why"]["code"]) == ("peer: closed", "peer", "why-closed")


def test_messages(lab: MemoryLab, asker: Asker) -> None:
    """Who follows a conversation is told what was said since a page looked, then each message."""
    watched = Watched(lab, asker)
    wire = lab.connect(1, port=1)
    wire.deliver(b"before")
    key = keyOf(lab, watched, 1)
    watched.told()
    asker.do("follow", stream=watched.first["stream"], talk=key)
    wire.deliver(b"?\xff\n")
    told = watched.told()
    (kept,) = [each["messages"] for each in told if "messages" in each]
    assert [(each["way"], each["text"]) for each in kept] == [("in", "before"), ("out", "before")]
    message = next(each["message"] for each in told if "message" in each)
    assert (message["talk"], message["way"], message["size"]) == (key, "in", 3)
    assert message["data"] == b64encode(b"?\xff\n").decode()
    assert message["text"] == "?�\n"
    asker.do("follow", stream=watched.first["stream"], talk=None)
    wire.deliver(b"not told")
    assert not [each for each in watched.told() if "message" in each]


def test_nobody_looks(lab: MemoryLab, asker: Asker) -> None:
    """What messages say is kept only while a page looks, and a minute longer: the page may be loaded anew."""
    assert not lab.events.traffic
    asker.open("stream")
    assert lab.events.traffic
    wire = lab.connect(1, port=1)
    wire.deliver(b"hello")
    desk: Any = lab.lab.console._desk  # type: ignore[union-attr]
    (page,) = desk._streams.values()
    page._request.channel.connectionLost(Failure(ConnectionDone()))
    lab.reactor.advance(59)
    assert lab.events.traffic
    (talk,) = desk.talks
    assert [each.payload for each in talk.messages] == [b"hello", b"hello"]
    lab.reactor.advance(2)
    assert not lab.events.traffic
    assert not talk.messages
    assert desk.talks._size == 0


def test_memory(lab: MemoryLab, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is said, and whoever has been here, what is kept is bounded."""
    monkeypatch.setattr(talks, "MEMORY", 50_000)
    monkeypatch.setattr(talks, "EACH", 10)
    monkeypatch.setattr(talks, "ENDED", 3)
    Watched(lab, asker)
    desk: Any = lab.lab.console._desk  # type: ignore[union-attr]
    wires = [lab.connect(1, port=each) for each in range(1, 9)]
    for wire in wires:
        wire.deliver(bytes(20_000))
        for _ in range(20):
            wire.deliver(b"x")
    assert desk.talks._size <= 50_000
    assert max(len(each.messages) for each in desk.talks) <= 10
    assert all(len(each.payload) <= talks.SHOWN for talk in desk.talks for each in talk.messages)
    for wire in wires:
        wire.lose(ConnectionDone())
    assert len([*desk.talks]) == 3
    assert desk.talks._size == sum(each.size for each in desk.talks)


def test_slow_page(lab: MemoryLab, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that does not read loses messages, with their number, and no row; the server waits for nobody."""
    monkeypatch.setattr(stream, "_WAITING", 20_000)
    watched = Watched(lab, asker)
    wire = lab.connect(1, port=1)
    asker.do("follow", stream=watched.first["stream"], talk=keyOf(lab, watched, 1))
    watched.told()
    (page,) = lab.lab.console._desk._streams.values()  # type: ignore[union-attr]
    page.pauseProducing()
    for _ in range(500):
        wire.deliver(b"x" * 100)
        lab.reactor.advance(0)
    assert watched.told() == []
    page.resumeProducing()
    told = watched.told() + watched.told()
    came = sum("message" in each for each in told)
    assert 0 < came < 1000
    lost = sum(each.get("lost", 0) for each in told)
    # Figures that came meanwhile were lost too.
    assert came + lost >= 1000
    assert rowsOf(told)["127.0.0.1:1"]["received"] == 500


def test_figures(lab: MemoryLab, asker: Asker) -> None:
    """Each second tells what is counted, what is near its limit, and who was refused by which rule."""
    watched = Watched(lab, asker)
    asker.do("rule", kind="ban", what="192.0.2.0/24")
    lab.connect(1, host="192.0.2.7")
    lab.connect(1, port=1).deliver(b"hello")
    told = watched.told()
    figures = [each["figures"] for each in told if "figures" in each][-1]
    echo = next(each for each in figures["counts"] if (each["service"], each["transport"]) == ("echo", "tcp"))
    assert (echo["open"], echo["received"], echo["sentBytes"], echo["refused"]) == (1, 1, 5, {"ban": 1})
    assert {"name": "[server] max_connections", "now": 1, "most": lab.lab.house.maxConnections} in figures[
        "limits"
    ]
    event = next(each["event"] for each in told if each.get("event", {}).get("kind") == "refused")
    assert event["text"] == "tcp 192.0.2.7:40000 refused: ban: 192.0.2.0/24: by the operator"
    assert (event["who"], event["code"], event["values"]) == (
        "tcp 192.0.2.7:40000",
        "why-ban",
        {"network": "192.0.2.0/24"},
    )


# Hands


def test_write(lab: MemoryLab, asker: Asker) -> None:
    """A text goes to one, several or all in each one's encoding and framing; bytes as they are."""
    watched = Watched(lab, asker)
    wires = [lab.connect(0, port=each) for each in (1, 2)]
    other = lab.connect(1, port=3)
    lab.reactor.advance(0)
    for wire in (*wires, other):
        wire.received.clear()
    keys = [keyOf(lab, watched, each) for each in (1, 2, 3)]
    assert asker.do("write", to=[keys[0]], text="안녕") == {"sent": 1, "faults": []}
    assert asker.do("write", to=["chat/*"], text="여러분")["sent"] == 2
    assert asker.do("write", to=["*"], data=b64encode(b"\x00\xff").decode())["sent"] == 3
    assert wires[0].received == "안녕\n여러분\n".encode() + b"\x00\xff\n"
    assert wires[1].received == "여러분\n".encode() + b"\x00\xff\n"
    assert other.received == b"\x00\xff"
    told = asker.do("write", to=[keys[0], keys[2], "999"], text="two\nlines")
    assert told["sent"] == 1
    assert [(each["key"], each["code"]) for each in told["faults"]] == [
        ("999", "not-gone"),
        (keys[0], "why-no-line"),
    ]


def test_write_a_line_with_its_end(lab: MemoryLab, asker: Asker) -> None:
    """On lines one line end at the end is the one that is added anyway; on other streams it is sent as it is."""
    watched = Watched(lab, asker)
    line, raw = lab.connect(0, port=1), lab.connect(1, port=2)
    lab.reactor.advance(0)
    line.received.clear()
    for end in ("\r\n", "\n", "\r"):
        told = asker.do("write", to=["*"], data=b64encode(f"a{end}".encode()).decode())
        assert told == {"sent": 2, "faults": []}
    assert (line.received, raw.received) == (b"a\na\na\n", b"a\r\na\na\r")
    told = asker.do("write", to=[keyOf(lab, watched, 1)], text="a\n\n")
    assert [each["code"] for each in told["faults"]] == ["why-no-line"]


def test_nothing_is_cut_off_messages(tmp_path: Path) -> None:
    """What is too long by its last byte for a framing that counts bytes is not sent without it."""
    lab = MemoryLab(tmp_path, CONFIG.replace('protocol = "echo"', 'protocol = "echo"\nframing = "int8"'))
    asker = Asker(lab, tokens(lab)[0])
    wire = lab.connect(1, port=1)
    told = asker.do("write", to=["echo/*"], data=b64encode(b"x" * 255 + b"\n").decode())
    assert (told["sent"], len(told["faults"]), wire.received) == (0, 1, b"")


def test_close(lab: MemoryLab, asker: Asker) -> None:
    """Conversations are closed, or reset; the log has who did it."""
    watched = Watched(lab, asker)
    wires = [lab.connect(1, port=each) for each in (1, 2)]
    assert asker.do("close", to=[keyOf(lab, watched, 1)]) == {"closed": 1}
    assert asker.do("close", to=[keyOf(lab, watched, 2)], reset=True) == {"closed": 1}
    assert wires[0].finished
    assert rowsOf(watched.told())["127.0.0.1:2"]["closed"] == "server: aborted"


def test_say(lab: MemoryLab, asker: Asker) -> None:
    """The operator says a line in a room as `operator`; nobody else is called so; there must be such a room."""
    wire = lab.connect(0)
    wire.received.clear()
    asker.do("say", service="chat", room="lobby", text="들립니까?\x1b")
    lab.reactor.advance(0.1)
    assert wire.received.decode() == "operator: 들립니까?�\n"
    wire.received.clear()
    wire.deliver(b"/nick Operator\n")
    assert wire.received == b"! operator is who runs this server\n"
    for wrong in ({"room": "cellar"}, {"service": "echo"}, {"text": "two\nlines"}):
        assert asker.ask("say", {"service": "chat", "room": "lobby", "text": "x", **wrong})[0] == 400


def test_ban(lab: MemoryLab, asker: Asker, tmp_path: Path) -> None:
    """Who is banned is cut off and not let in again, until the ban is ended; a reload keeps it."""
    watched = Watched(lab, asker)
    wire = lab.connect(1, host="192.0.2.7")
    rule = {"kind": "ban", "what": "192.0.2.7/32"}
    assert asker.do("rule", kind="ban", what="192.0.2.7") == {"rules": [rule]}
    lab.reactor.advance(0)
    assert not wire.connected
    refused = lab.connect(1, host="192.0.2.7")
    lab.reactor.advance(0)
    assert not refused.connected
    assert {"rules": [rule]} in watched.told()
    asker.do("reload")
    again = asker.ask("rule", {"kind": "ban", "what": "192.0.2.7"})[2]
    assert again["error"] == "there is a ban of 192.0.2.7/32 already"
    for wrong in ("everybody", "all", "192.0.2.7/24", "fe80::1%eth0"):
        for action in ("rule", "end-rule"):
            status, _, told = asker.ask(action, {"kind": "ban", "what": wrong})
            assert (status, "expected an IP address or a network, got" in told["error"]) == (400, wrong.isalpha())
    assert asker.do("end-rule", kind="ban", what="192.0.2.7") == {"rules": []}
    assert asker.ask("end-rule", rule)[2]["error"] == "there is no ban of 192.0.2.7/32"
    assert lab.connect(1, host="192.0.2.7").connected


def test_mute(lab: MemoryLab, asker: Asker) -> None:
    """Nobody hears who is muted, whether here by then or later; it is told so, and others go on."""
    heard = lab.connect(0, host="192.0.2.1")
    muted = lab.connect(0, host="192.0.2.7")
    asker.do("rule", kind="mute", what="192.0.2.7")
    later = lab.connect(0, host="192.0.2.7")
    for each in (muted, later):
        lab.reactor.advance(0)
        heard.received.clear()
        each.received.clear()
        for line in (b"hello\n", b"/me waves\n", b"/nick loud\n"):
            each.deliver(line)
        lab.reactor.advance(0.1)
        assert each.received == b"! the operator has muted you\n" * 3
        assert heard.received == b""
    asker.do("end-rule", kind="mute", what="192.0.2.7/32")
    muted.deliver(b"again\n")
    lab.reactor.advance(0.1)
    assert heard.received == b"user2: again\n"


def test_logged(lab: MemoryLab, asker: Asker) -> None:
    """Each thing that is done is in the events of every page, with who did it."""
    watched = Watched(lab, asker)
    asker.do("close", to=["*"])
    event = next(each["event"] for each in watched.told() if "event" in each)
    assert (event["kind"], event["text"]) == ("done", "operator 1 (127.0.0.1): closed 0 of *")
    assert (event["who"], event["code"], event["values"]) == (
        "operator 1 (127.0.0.1)",
        "did-close",
        {"count": "0", "to": "*"},
    )
