"""Peers that vanish while something is on its way to them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from twisted.internet.task import Clock

from socklab.transports.vanished import LOOK, VanishedPeers, sentAgainFor, unacknowledged


def info(retransmits: int = 0, probes: int = 0, unacked: int = 0, silence: int = 0) -> bytes:
    """Give a `struct tcp_info` of Linux."""
    head = struct.pack("=8B4I", 1, 0, retransmits, probes, 0, 0, 0, 0, 200_000, 40_000, 1448, 536)
    return head + struct.pack("=9I", unacked, 0, 0, 0, 0, 0, 0, silence, silence) + bytes(40)


def connected() -> tuple[socket.socket, socket.socket]:
    """Give two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        here = socket.create_connection(port.getsockname())
        return here, port.accept()[0]


class TestInfo:
    """What the system says of a connection."""

    def test_sent_again(self) -> None:
        """What was sent again and is not acknowledged tells for how long, in seconds."""
        assert sentAgainFor(info(retransmits=3, unacked=1, silence=48_000)) == 48.0

    def test_closed_window(self) -> None:
        """So does a question whether the peer reads again that nobody answers; one or two of keepalive do not."""
        assert sentAgainFor(info(probes=7, silence=50_000)) == 50.0
        assert sentAgainFor(info(probes=3, silence=50_000)) is None

    def test_quiet(self) -> None:
        """Who was merely silent for an hour has vanished no more than one whose answer is on its way."""
        assert sentAgainFor(info(silence=3_600_000)) is None
        assert sentAgainFor(info(unacked=5, silence=3_600_000)) is None

    def test_short(self) -> None:
        """A system that tells less tells nothing."""
        assert sentAgainFor(info(retransmits=3, unacked=1, silence=48_000)[:59]) is None

    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
    def test_living(self, family: socket.AddressFamily) -> None:
        """A peer that is there is not suspected, nor one on a Unix socket; asking leaves the socket open."""
        here, there = socket.socketpair(socket.AF_UNIX) if family == socket.AF_UNIX else connected()
        with here, there:
            there.sendall(b"x")
            assert unacknowledged(there) is None
            assert here.recv(1) == b"x"
            here.sendall(b"y")
            assert there.recv(1) == b"y"

    def test_closed(self) -> None:
        """Nor one whose connection is closed, nor a datagram peer."""
        closed = socket.socket()
        closed.close()
        assert unacknowledged(closed) is None
        assert unacknowledged(None) is None


@dataclass(eq=False)
class Someone:
    """A connection."""

    silence: float | None = None
    """What the system says of it."""
    cut: float | None = None

    def carrier(self) -> Someone:
        """Give the transport that it goes over."""
        return self

    def vanished(self, seconds: float) -> None:
        """It is ended."""
        self.cut = seconds


class Watched:
    """A service with connections, and looks at them."""

    def __init__(self, count: int = 1, keepalive: float = 30.0) -> None:
        self.clock = Clock()
        self.keepalive = keepalive
        self.people = [Someone() for _ in range(count)]
        self.looks = VanishedPeers(self.people, self.clock, lambda: self.keepalive, lambda each: each.silence)
        self.looks.start()

    def pass_(self, seconds: float, *silent: Someone) -> None:
        """Let time pass in which some acknowledge nothing."""
        for _ in range(round(seconds)):
            for each in silent:
                each.silence = (each.silence or 0) + 1
            self.clock.advance(1)
            while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
                self.clock.advance(0)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A service with a thousand connections; in the end its looks stop, and leave no timer."""
    found = Watched(1000)
    yield found
    found.looks.stop()
    assert not found.clock.getDelayedCalls()


class TestLooks:
    """Who is ended, and when."""

    def test_in_a_minute(self, watched: Watched) -> None:
        """Who acknowledges nothing is ended within 60 s, whichever of a thousand it is, and nobody else."""
        silent = watched.people[::333]
        watched.pass_(35, *silent)
        assert not any(each.cut for each in watched.people)
        watched.pass_(25, *silent)
        assert [each for each in watched.people if each.cut] == silent

    def test_idle_before(self, watched: Watched) -> None:
        """Who was idle for an hour and now loses one segment has as long as anybody."""
        (someone, *_) = watched.people
        watched.pass_(3600)
        someone.silence = 3600.0
        watched.pass_(LOOK)
        assert someone.cut is None
        someone.silence = None
        watched.pass_(3600)
        assert someone.cut is None

    def test_comes_back(self, watched: Watched) -> None:
        """Who acknowledges something now and then is there, over however bad a line."""
        (someone, *_) = watched.people
        for _ in range(20):
            watched.pass_(25, someone)
            someone.silence = 0.0
        assert someone.cut is None

    def test_off(self, watched: Watched) -> None:
        """Without `keepalive` nobody is looked at, until a reload says otherwise."""
        watched.keepalive = 0
        (someone, *_) = watched.people
        watched.pass_(120, someone)
        assert someone.cut is None
        watched.keepalive = 30
        watched.pass_(60, someone)
        assert someone.cut
