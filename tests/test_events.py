"""The stream of events: who gets what, and that a slow listener costs nobody anything."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from socklab import Lines
from socklab.events import (
    BytesReceived,
    BytesSent,
    Event,
    Events,
    MessageReceived,
    Opened,
    Paused,
    Resumed,
)
from socklab.inbox import Inbox
from socklab.limits import Limits
from socklab.log import Recorder
from socklab.message import Peer
from socklab.protocols.chat import ChatFactory
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer

PEER = Peer(IPv4Address("TCP", "127.0.0.1", 40000), "tcp", "127.0.0.1", 40000)


def message(payload: bytes = b"hello") -> MessageReceived:
    """Give an event."""
    return MessageReceived("echo", PEER, payload, True)


def watch(server: MemoryServer) -> list[Event]:
    """Have the bytes told too; give where they come."""
    seen: list[Event] = []
    server._stream.subscribe(seen.append, traffic=True, wire=True)
    return seen


def test_branch() -> None:
    """What happens in a part goes to who listens there, and to who listens to all."""
    events = Events()
    one, other = events.branch(), events.branch()
    all_: list[Event] = []
    ofOne: list[Event] = []
    events.subscribe(all_.append)
    one.subscribe(ofOne.append)
    first, second = Opened("one", PEER), Opened("other", PEER)
    one.emit(first)
    other.emit(second)
    assert all_ == [first, second]
    assert ofOne == [first]


def test_traffic_of_a_branch() -> None:
    """Who asks for the traffic of a part makes no other part tell it; who asks for all does."""
    events = Events()
    one, other = events.branch(), events.branch()
    leave = one.subscribe(print, traffic=True, wire=True)
    assert (one.traffic, one.wire) == (True, True)
    assert (events.traffic, other.traffic, other.wire) == (False, False, False)
    leave()
    assert not one.traffic
    leave = events.subscribe(print, traffic=True)
    assert one.traffic
    assert other.traffic
    assert events.branch().traffic
    leave()
    assert not other.traffic


def test_arrivals() -> None:
    """Who comes and goes is told only while somebody asks for it; the log in text does not."""
    events = Events()
    part = events.branch()
    leave = events.subscribe(print, arrivals=False)
    assert not part.arrivals
    leave()
    events.subscribe(print)
    assert part.arrivals
    assert Recorder(Clock(), "text", "text").arrivals
    assert Recorder(Clock(), "off", "json").arrivals
    assert not Recorder(Clock(), "off", "text").arrivals


def test_unsubscribe() -> None:
    """Who has left is told no more, and may leave twice; a part that is gone hears of nothing."""
    events = Events()
    part = events.branch()
    seen: list[Event] = []
    leave = events.subscribe(seen.append)
    leave()
    leave()
    events.emit(Opened("echo", PEER))
    events.subscribe(seen.append, traffic=True)
    part.leave()
    part.emit(Opened("echo", PEER))
    assert seen == []
    assert not part.traffic


def test_paused() -> None:
    """A peer that does not read is told of as paused, and as resumed when it reads."""
    server = MemoryServer(EchoFactory())
    peer = server.tcp()
    peer.stopReading()
    for _ in range(3):
        peer.send(bytes(50_000))
    peer.startReading()
    told = [event for event in server.events if isinstance(event, Paused | Resumed)]
    assert [type(each) for each in told] == [Paused, Resumed]
    assert {each.reason for each in told} == {"the peer does not read"}


def test_too_fast() -> None:
    """A peer that is held back for its rate is told of too."""
    server = MemoryServer(EchoFactory(), limits=Limits(message_rate=1.0))
    peer = server.tcp()
    for _ in range(2):
        peer.send(b"x")
    server.advance(5)
    told = [event for event in server.events if isinstance(event, Paused | Resumed)]
    assert [(type(each), each.reason) for each in told][:2] == [
        (Paused, "the peer sends faster than it may"),
        (Resumed, "the peer sends faster than it may"),
    ]


def test_local() -> None:
    """While somebody wants traffic, the beginning of a conversation tells where it came to."""
    server = MemoryServer(EchoFactory())
    server.tcp()
    opened = [event for event in server.events if isinstance(event, Opened)]
    assert opened[0].local is not None


def test_bytes_of_lines() -> None:
    """Of framed streams the bytes are told as they were: in pieces, with the ends of the lines."""
    server = MemoryServer(EchoFactory(), framing=Lines)
    seen = watch(server)
    peer = server.tcp()
    peer.send(b"hel")
    peer.send(b"lo\r\n")
    received = [event.data for event in seen if isinstance(event, BytesReceived)]
    sent = [event.data for event in seen if isinstance(event, BytesSent)]
    assert received == [b"hel", b"lo\r\n"]
    assert b"".join(sent) == peer.received


def test_bytes_of_raw() -> None:
    """Where a message is what was read, it is not told twice."""
    server = MemoryServer(EchoFactory())
    seen = watch(server)
    server.tcp().send(b"hello")
    assert [event for event in seen if isinstance(event, MessageReceived)]
    assert not [event for event in seen if isinstance(event, BytesReceived | BytesSent)]


def test_bytes_of_websocket() -> None:
    """Of WebSocket the handshake and the frames are told, and by then whose they are."""
    server = MemoryServer(EchoFactory())
    seen = watch(server)
    peer = server.websocket()
    peer.sendMessage(b"hello", False)
    received = [event for event in seen if isinstance(event, BytesReceived)]
    sent = [event for event in seen if isinstance(event, BytesSent)]
    assert received[0].data.startswith(b"GET / HTTP/1.1\r\n")
    assert sent[0].data.startswith(b"HTTP/1.1 101 ")
    assert received[-1].data[0] == 0x81
    assert sent[-1].data == b"\x81\x05hello"
    assert {event.peer.connection for event in [*received, *sent]} == {received[0].peer.connection}


def test_bytes_of_datagrams() -> None:
    """Of datagrams that are lines the bytes are told with the line's end."""
    server = MemoryServer(ChatFactory())
    seen = watch(server)
    server.udp().send(b"/who\n")
    assert [event.data for event in seen if isinstance(event, BytesReceived)] == [b"/who\n"]
    assert all(event.data.endswith(b"\n") for event in seen if isinstance(event, BytesSent))
    assert [event for event in seen if isinstance(event, BytesSent)]


def test_inbox() -> None:
    """What waits is given in order, with its time."""
    inbox = Inbox(10_000)
    inbox.put(message(b"one"), 1.0)
    inbox.put(message(b"two"), 2.0)
    assert inbox.take() == ([(message(b"one"), 1.0), (message(b"two"), 2.0)], 0)
    assert inbox.take(0) == ([], 0)


def test_inbox_overflows() -> None:
    """What a slow listener has no room for is lost and counted, and it learns of it; then there is room again."""
    inbox = Inbox(1000)
    for _ in range(5):
        inbox.put(message(bytes(300)), 1.0)
    found, lost = inbox.take()
    assert (len(found), lost, inbox.lost) == (2, 3, 3)
    inbox.put(message(), 2.0)
    assert inbox.take() == ([(message(), 2.0)], 0)


def test_inbox_wakes() -> None:
    """Who waits for events can be woken, also before it waits."""
    inbox = Inbox(1000)
    inbox.wake()
    assert inbox.take() == ([], 0)
