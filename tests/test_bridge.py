"""Plain Twisted Factories over WebSocket, in memory."""

from __future__ import annotations

import base64

import pytest
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.protocols.wire import QOTD, Echo
from twisted.python.failure import Failure

from socklab.events import Cut
from socklab.testing import MemoryServer
from socklab.testing.peers import WebSocketPeer


class Upper(LineReceiver):
    """Answer each line in capitals; `bye` ends it."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """A line has come."""
        if line == b"bye":
            self.transport.loseConnection()
        else:
            self.sendLine(line.decode().upper().encode())


def serve(kind: type[Protocol]) -> MemoryServer:
    """Serve a plain Protocol."""
    return MemoryServer(Factory.forProtocol(kind))


def test_line_receiver() -> None:
    """A LineReceiver works for a page that sends text, without any subprotocol; lines may span messages."""
    peer = serve(Upper).websocket()
    peer.say("one\ntw")
    peer.say("o\n")
    assert "".join(peer.hear()) == "ONE\nTWO\n"
    peer.say("bye\nafter\n")
    assert peer.hear() == []
    assert peer.closeCode == 1000


def test_server_that_speaks_first() -> None:
    """What is sent before the peer has said anything is text, when it is."""
    peer = serve(QOTD).websocket()
    assert peer.hear() == ["An apple a day keeps the doctor away.\r\n"]
    assert peer.closeCode == 1000


def test_kind_follows_the_peer() -> None:
    """Answers are of the kind that the peer last sent."""
    peer = serve(Echo).websocket()
    peer.sendMessage(b"text", False)
    peer.sendMessage(b"\xff\x00", True)
    peer.sendMessage("글".encode(), False)
    assert peer.receive() == [(b"text", False), (b"\xff\x00", True), ("글".encode(), False)]


def test_text_is_never_cut_within_a_character() -> None:
    """A character written in pieces is sent when it is whole; bytes that are no text are binary."""

    class Pieces(Protocol):
        def dataReceived(self, data: bytes) -> None:
            for byte in data:
                self.transport.write(bytes([byte]))

    peer = serve(Pieces).websocket()
    peer.say("a한b")
    assert peer.hear() == ["a", "한", "b"]

    class Garbage(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"\xed")
            self.transport.write(b"\x95\xff")

    peer = serve(Garbage).websocket()
    peer.say("x")
    assert peer.receive() == [(b"\xed\x95\xff", True)]


def test_unfinished_character_is_not_lost() -> None:
    """What looked like the beginning of a character, and was not, is sent before the close."""

    class Latin(Protocol):
        def connectionMade(self) -> None:
            self.transport.write(bytearray(b"caf\xe9"))
            self.transport.loseConnection()

    peer = serve(Latin).websocket()
    assert peer.receive() == [(b"caf", False), (b"\xe9", True)]


def test_subprotocol_binary() -> None:
    """With websockify's `binary` all is binary."""
    peer = serve(QOTD).websocket(subprotocols="binary, base64")
    assert peer.receive() == [(b"An apple a day keeps the doctor away.\r\n", True)]
    assert b"\r\nSec-WebSocket-Protocol: binary\r\n" in peer.response


def test_subprotocol_base64() -> None:
    """With `base64` bytes travel as text in base64; what is none ends the conversation with 1007."""
    server = serve(Echo)
    peer = server.websocket(subprotocols="base64")
    peer.sendMessage(base64.b64encode(b"\x00\xff"), False)
    assert peer.receive() == [(base64.b64encode(b"\x00\xff"), False)]
    peer.sendMessage(b"!", False)
    peer.frames()
    assert peer.closeCode == 1007
    assert [type(each) for each in server.events if isinstance(each, Cut)] == [Cut]


@pytest.mark.parametrize("end", ["close", "reset"])
def test_connection_lost_once_with_a_reason(end: str) -> None:
    """connectionLost comes once, with a Failure, and `connected` tells the truth before and after."""
    calls: list[object] = []

    class Recorder(Protocol):
        def connectionMade(self) -> None:
            calls.append(self.connected)

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            calls.append(type(reason))

    peer = serve(Recorder).websocket()
    getattr(peer, end)()
    peer.finish()
    peer.frames()
    assert calls == [1, Failure]


def test_nothing_is_built_without_a_handshake() -> None:
    """A connection that never shakes hands makes no protocol."""
    built: list[Protocol] = []

    class Recording(Factory):
        def buildProtocol(self, addr: object) -> Protocol:
            built.append(Echo())
            return built[-1]

    server = MemoryServer(Recording())
    server.rawWebsocket().reset()
    assert built == []


def test_transport_is_a_transport() -> None:
    """The plain Protocol finds what it expects of a transport: addresses, producers, pausing, abort."""
    protocols: list[Protocol] = []

    class Keeping(Protocol):
        def connectionMade(self) -> None:
            protocols.append(self)

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    server = serve(Keeping)
    peer = server.websocket()
    transport: object = protocols[0].transport
    assert transport.getPeer().host == "127.0.0.1"  # type: ignore[attr-defined]
    assert transport.getHost().port == 7  # type: ignore[attr-defined]
    assert transport.disconnecting is False  # type: ignore[attr-defined]
    transport.pauseProducing()  # type: ignore[attr-defined]
    peer.say("held")
    assert peer.hear() == []
    transport.resumeProducing()  # type: ignore[attr-defined]
    assert peer.hear() == ["held"]
    transport.writeSequence([b"a", b"b"])  # type: ignore[attr-defined]
    assert peer.hear() == ["ab"]
    transport.abortConnection()  # type: ignore[attr-defined]
    transport.write(b"late")  # type: ignore[attr-defined]
    peer.frames()
    assert peer.closed


def test_pull_producer_is_asked_once_a_turn() -> None:
    """A producer that waits to be asked, such as Chargen, is asked once a turn, whenever the peer falls behind."""
    asked = 0
    peers: list[WebSocketPeer] = []

    class Producing(Protocol):
        def connectionMade(self) -> None:
            self.transport.registerProducer(self, False)  # type: ignore[attr-defined]

        def resumeProducing(self) -> None:
            nonlocal asked
            asked += 1
            # Every third is more than is taken at once; the peer has read it before the next turn.
            for each in peers:
                each.stopReading()
                if asked % 3 == 0:
                    server.clock.callLater(0, each.startReading)
            self.transport.write(b"x" * 30_000)

        def stopProducing(self) -> None:
            pass

    server = serve(Producing)
    peers.append(server.websocket())
    for _ in range(20):
        before = asked
        server.advance(1)
        assert asked - before <= 1
    assert asked > 10
    peers[0].reset()
    assert not server.clock.getDelayedCalls()
