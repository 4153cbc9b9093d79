"""Behind a proxy: whose connection it is stands in a header, which may come in any pieces. In memory."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from socklab.events import Closed, Cut, Event, Events, Opened
from socklab.limits import Limits
from socklab.policy.access import Access
from socklab.policy.gate import Gate, House
from socklab.protocols.echo import EchoFactory
from socklab.testing.wires import MemoryTransport
from socklab.transports.accepting import StreamFactory
from socklab.transports.proxied import ProxiedEndpoint
from socklab.transports.serving import Serving

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
ADDRESSES = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4567, 80)
SIXES = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack("!HH", 4567, 80)


def second(addresses: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    """Give a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses)) + addresses


HEADERS = {
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 80\r\n": "192.0.2.7",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 4567 80\r\n": "2001:db8::7",
    b"PROXY UNKNOWN \r\n": "10.0.0.9",
    second(ADDRESSES): "192.0.2.7",
    second(ADDRESSES + b"\x03\x00\x04abcd"): "192.0.2.7",
    second(SIXES, 0x21): "2001:db8:0:0:0:0:0:7",
    second(b"", 0, 0x20): "10.0.0.9",
}
"""What a proxy sends, and whose connection it then is; that of the proxy itself, for its own checks."""

BAD = [
    b"hello, this is no proxy\r\n",
    b"PROXY ",
    b"PROXY TCP4 " + b"1" * 200,
    b"PROXY TCP4\r\n",
    b"PROXY TCP9 192.0.2.7 10.0.0.1 4567 80\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 many 80\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 99999\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1\r\n",
    b"PROXY TCP4 root\x1b[2J 10.0.0.1 4567 80\r\n",
    b"PROXY TCP4 \xff 10.0.0.1 4567 80\r\n",
    second(ADDRESSES, command=0x11),
    second(ADDRESSES, family=0x14),
    second(ADDRESSES[:5]),
]


class Port:
    """Takes the place of an endpoint."""

    factory: Any

    def listen(self, factory: Any) -> Deferred[None]:
        """Open."""
        self.factory = factory
        return succeed(None)


class Proxied:
    """An echo behind a proxy, and one connection to it."""

    def __init__(self, **limits: float) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        events = Events()
        events.subscribe(self.events.append)
        given_ = Limits(**limits)  # type: ignore[arg-type]
        self.gate = Gate(Access(["allow all"]), given_, House(), self.clock.seconds)
        self.serving = Serving("one", EchoFactory(), events, self.clock, self.gate, given_, proxied=True)
        port = Port()
        ProxiedEndpoint(port, lambda: self.serving).listen(StreamFactory(self.serving))  # type: ignore[arg-type]
        address = IPv4Address("TCP", "10.0.0.9", 40000)
        self.wire = MemoryTransport(self.clock, address)
        self.wire.accept(port.factory.buildProtocol(address))

    def say(self, data: bytes) -> None:
        """Send bytes, unless the connection is over."""
        if self.wire.connected:
            self.wire.deliver(data)
            self.clock.advance(0)

    def cuts(self) -> list[str]:
        """Give why it was cut."""
        return [each.reason for each in self.events if isinstance(each, Cut)]


@pytest.mark.parametrize("header", HEADERS)
def test_every_split(header: bytes) -> None:
    """Wherever the network cuts it, the header is understood, and what follows is the client's."""
    for cut in range(len(header) + 6):
        proxied = Proxied()
        said = header + b"hello"
        proxied.say(said[:cut])
        proxied.say(said[cut:])
        assert bytes(proxied.wire.received) == b"hello"
        (opened,) = (each for each in proxied.events if isinstance(each, Opened))
        assert opened.peer.host == HEADERS[header]


@pytest.mark.parametrize("header", BAD)
def test_bad(header: bytes) -> None:
    """Who sends something else is cut, with a line in the log, and was never here."""
    proxied = Proxied()
    proxied.say(header)
    proxied.say(b"x" * 200)
    assert proxied.cuts() == ["no PROXY header: only a proxy that sends one may connect here"]
    assert not proxied.wire.connected
    assert proxied.gate.connections == 0
    assert not proxied.clock.getDelayedCalls()


@pytest.mark.parametrize("begun", [b"", b"PROXY TCP4 192.0.2.7", SIGNATURE[:5], second(ADDRESSES)[:-1]])
def test_too_slow(begun: bytes) -> None:
    """Who has not sent all of it within `handshake_timeout` is cut; a reload may have changed that."""
    proxied = Proxied()
    proxied.say(begun)
    proxied.clock.advance(4.9)
    assert proxied.wire.connected
    proxied.clock.advance(0.2)
    assert proxied.cuts() == ["no PROXY header within 5 s"]
    assert not proxied.wire.connected


@pytest.mark.parametrize("header", HEADERS)
def test_silent(header: bytes) -> None:
    """A client is there as soon as the header names it, and may only listen; the proxy's own checks are nobody."""
    proxied = Proxied()
    proxied.say(header)
    opened = [each.peer.host for each in proxied.events if isinstance(each, Opened)]
    assert opened == ([] if HEADERS[header] == "10.0.0.9" else [HEADERS[header]])
    assert proxied.gate.connections == len(opened)
    proxied.wire.lose(ConnectionResetError())
    assert proxied.gate.connections == 0


def test_in_time() -> None:
    """Who has sent it may be silent for as long as it likes."""
    proxied = Proxied()
    proxied.say(b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 80\r\nhello")
    proxied.clock.advance(3600)
    assert proxied.wire.connected
    proxied.wire.lose(ConnectionResetError())
    (closed,) = (each for each in proxied.events if isinstance(each, Closed))
    assert closed.by == "peer"
    assert not proxied.clock.getDelayedCalls()


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([*HEADERS, SIGNATURE, b"PROXY ", b"\r\n"]))))
@example([SIGNATURE, b"\x21\x12\x00\x0c", b"x" * 12])
@example([SIGNATURE, b"\x21\x31\x00\xd8", b"x" * 216])
def test_anything(pieces: list[bytes]) -> None:
    """Whatever comes, in whatever pieces, raises nothing, and in the end there is either a client or a cut."""
    proxied = Proxied()
    for piece in pieces:
        if piece:
            proxied.say(piece)
    proxied.clock.advance(5)
    # Where the header names nobody, a client comes with its first bytes.
    proxied.say(b"!")
    opened = [each for each in proxied.events if isinstance(each, Opened)]
    assert len(opened) + len(proxied.cuts()) == 1
