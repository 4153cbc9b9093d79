"""Records as captures: packets that are as they should be, and that tshark follows."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab import Lines
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.protocols.oneshot import OneShotFactory
from socklab.records.packets import Endpoint, Route, TcpStream, checksum
from socklab.records.pcapng import Exporter, head
from tests.cli.conftest import run as run
from tests.cli.support import Run
from tests.clients.outside import requireClient
from tests.observe.recordings import Tape

CLIENT, SERVER = Endpoint(ip_address("127.0.0.1"), 40000), Endpoint(ip_address("127.0.0.2"), 7)


def export(path: Path, *tapes: Tape) -> Path:
    """Write what was recorded as one capture."""
    with path.open("wb") as capture:
        capture.write(head())
        for tape in tapes:
            exporter = Exporter(tape.conversations())
            for entry in tape.entries():
                capture.writelines(exporter.add(entry))
    return path


def test_checksum() -> None:
    """The example of RFC 1071, 3, and what an odd length and a sum of nothing are."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(b"\x01") == 0xFEFF
    assert checksum(b"") == 0xFFFF
    assert checksum(b"\xff\xff") == 0


@given(st.binary(max_size=100))
def test_checksum_is_the_sum_of_words(data: bytes) -> None:
    """It is what adding word by word, carries and all, gives; with it a receiver's sum is all ones."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(data) == total ^ 0xFFFF


def test_stream() -> None:
    """Sequence numbers go on where they were, and each side acknowledges what it has."""
    stream = TcpStream(Route(CLIENT, SERVER))
    packets = [*stream.begin(), *stream.say("in", bytes(2000)), *stream.say("out", b"x"), *stream.end("in", False)]
    found = [struct.unpack_from("!HHIIH", packet, 34) for packet in packets]
    assert [(port, sequence, acknowledged, flags & 0x3F) for port, _, sequence, acknowledged, flags in found] == [
        (40000, 1000, 0, 0x02),
        (7, 2000, 1001, 0x12),
        (40000, 1001, 2001, 0x10),
        (40000, 1001, 2001, 0x10),
        (40000, 2441, 2001, 0x18),
        (7, 2001, 3001, 0x10),
        (7, 2001, 3001, 0x18),
        (40000, 3001, 2002, 0x10),
        (40000, 3001, 2002, 0x11),
        (7, 2002, 3002, 0x10),
        (7, 2002, 3002, 0x11),
        (40000, 3002, 2003, 0x10),
    ]
    assert [*stream.say("in", b"late")] == [*stream.end("out", True)] == []


def test_half_closed() -> None:
    """After the client's FIN the server still speaks; then only its own FIN is left."""
    stream = TcpStream(Route(CLIENT, SERVER))
    packets = [*stream.begin(), *stream.finish("in"), *stream.say("out", b"x"), *stream.end("in", False)]
    flags = [packet[47] for packet in packets]
    assert flags[3:] == [0x11, 0x10, 0x18, 0x10, 0x11, 0x10]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of everything: lines, Korean, a large stream, WebSocket, UDP, IPv6, a Unix socket, a reset."""
    chat = Tape(ChatFactory(echo_self=True))
    peer = chat.server.tcp("::1")
    peer.send("안녕 chat\r\n".encode())
    chat.server.udp().send(b"/who\n")
    peer.reset()
    echo = Tape(EchoFactory())
    large = echo.server.tcp()
    large.send(bytes(range(256)) * 20)
    large.finish()
    socket = echo.server.websocket(path="/talk")
    socket.sendMessage("안녕".encode(), False)
    socket.close()
    echo.server.udp().send(b"datagram")
    echo.server.unix().send(b"unix")
    once = Tape(OneShotFactory(until="eof"))
    asking = once.server.tcp("127.0.0.9")
    asking.send(b"question")
    asking.finish()
    return export(tmp_path_factory.mktemp("capture") / "x.pcapng", chat, echo, once)


def dissect(capture: Path, *arguments: str) -> str:
    """Have tshark read a capture; give what it prints."""
    requireClient("tshark")
    checks = ["tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.check_checksum:TRUE"]
    options = [part for each in checks for part in ("-o", each)]
    command = ["tshark", "-r", str(capture), *options, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return result.stdout


def test_tshark_has_nothing_to_say(capture: Path) -> None:
    """Each packet is whole, its sums are right, no segment is lost, out of order or sent again."""
    wrong = (
        "_ws.malformed || tcp.analysis.flags || ip.checksum.status == 0 || tcp.checksum.status == 0"
        " || udp.checksum.status == 0 || _ws.expert.severity >= 0x00600000"
    )
    # A reset is told as a warning, as it should be.
    assert dissect(capture, "-Y", f"({wrong}) && !tcp.flags.reset") == ""
    fields = ["tcp.checksum.status", "udp.checksum.status"]
    found = dissect(capture, "-T", "fields", *(part for each in fields for part in ("-e", each))).split()
    assert {*found} == {"1"}


def test_tshark_follows(capture: Path) -> None:
    """Each stream is followed as it was recorded: lines with their ends, Korean, thousands of bytes."""
    # In the order of the record; 2 is WebSocket's.
    wanted = [part for number in (0, 1, 3, 4) for part in ("-z", f"follow,tcp,raw,{number}")]
    found = dissect(capture, "-q", *wanted, "-z", "follow,udp,ascii,1")
    followed = dict(re.findall(r"^Filter: (.*)\n(?:Node .*\n){2}((?:[^=].*\n)*)", found, re.MULTILINE))
    bytes_ = [bytes.fromhex("".join(followed[f"tcp.stream eq {number}"].split())) for number in (0, 1, 3, 4)]
    assert bytes_[0].startswith("안녕 chat\r\n".encode())
    assert bytes_[1] == bytes(range(256)) * 40
    assert bytes_[2:] == [b"unixunix", b"questionquestion"]
    assert followed["udp.stream eq 1"].count("datagram") == 2


def test_tshark_knows_websocket(capture: Path) -> None:
    """The handshake and the frames are those of WebSocket."""
    # The port of a server in memory is that of the echo service, which tshark knows better.
    asHttp = ("-d", "tcp.port==7,http")
    fields = ("-T", "fields", "-e", "websocket.opcode", "-e", "websocket.mask")
    found = [line.split() for line in dissect(capture, *asHttp, "-Y", "websocket", *fields).splitlines()]
    assert found == [["1", "1"], ["1", "0"], ["8", "1"], ["8", "0"]]
    assert dissect(capture, *asHttp, "-Y", "websocket.opcode == 1", "-V").count("안녕") >= 2
    assert "GET /talk" in dissect(capture, *asHttp, "-Y", "http.request")


def test_tshark_knows_who_closed(capture: Path) -> None:
    """A reset is one, and what a conversation was is told as a comment."""
    resets = dissect(capture, "-Y", "tcp.flags.reset == 1", "-T", "fields", "-e", "ipv6.src")
    assert resets.split() == ["::1"]
    comments = dissect(capture, "-T", "fields", "-e", "frame.comment")
    assert "unix socket" in comments.lower()
    assert "reset" in comments


def test_command(tmp_path: Path, run: Run) -> None:
    """It says what it has written, of the conversations that are meant only."""
    tape = Tape(EchoFactory(), framing=Lines)
    for _ in range(2):
        tape.server.tcp().say("hello")
    tape.save(tmp_path / "x.jsonl")
    number = tape.conversations()[1].connection
    result = run("export", "x.jsonl", "--pcapng", "x.pcapng", "--connection", str(number))
    assert result.output == "x.pcapng: 7 packets of 1 conversations\n"
    result = run("export", "x.jsonl", "--pcapng", "x.pcapng", "--json")
    assert json.loads(result.output) == {"file": "x.pcapng", "packets": 14, "conversations": 2}
    assert (tmp_path / "x.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_command_that_cannot(tmp_path: Path, run: Run) -> None:
    """A record that is not there, or is none, and a capture that cannot be written are told in a line."""
    (tmp_path / "bad.jsonl").write_text("hello\n")
    result = run("export", "none.jsonl", "--pcapng", "x.pcapng")
    assert (result.exit_code, result.output) == (1, "Error: none.jsonl: no such file or directory\n")
    result = run("export", "bad.jsonl", "--pcapng", "x.pcapng")
    assert result.exit_code == 1
    assert "bad.jsonl: line 1 is none of a record\n" in result.output
    Tape(EchoFactory()).save(tmp_path / "good.jsonl")
    result = run("export", "good.jsonl", "--pcapng", "no/x.pcapng")
    assert result.output == "Error: no/x.pcapng: no such file or directory\n"
