"""WebSocket: what an idle connection costs, and the timers of many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.task import Clock

from socklab.alarms import Alarms
from socklab.limits import Limits
from socklab.protocols.echo import EchoFactory
from socklab.testing import MemoryServer
from socklab.transports.websocket import WebSocketFactory
from socklab.transports.websocket.headers import Headers

TEXT, CONTINUED, PING, PONG = 1, 0, 9, 10


def test_an_idle_connection_keeps_nothing_of_its_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside its slots it has no attribute: not after the handshake, and not when it has answered a ping, after
    whatever messages."""
    made: list[object] = []
    build = WebSocketFactory.buildProtocol
    monkeypatch.setattr(
        WebSocketFactory, "buildProtocol", lambda *arguments: made.append(build(*arguments)) or made[-1]
    )
    server = MemoryServer(EchoFactory(), limits=Limits(ping_interval=25, ping_timeout=20))
    peer = server.websocket()
    assert vars(made[0]) == {}
    peer.sendFrame(TEXT, "한".encode()[:1], fin=False)
    peer.sendFrame(PING, b"x")
    peer.sendFrame(CONTINUED, "한".encode()[1:])
    server.advance(25)
    peer.sendFrame(PONG, b"socklab")
    server.advance(20)
    assert vars(made[0]) == {}
    peer.say("still")
    assert peer.hear() == ["한", "still"]


def test_a_connection_begins_as_autobahn_would_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Autobahn sets on a connection at first is there, and the same, although its step is left out."""
    made: list[object] = []
    build = WebSocketFactory.buildProtocol
    monkeypatch.setattr(
        WebSocketFactory, "buildProtocol", lambda *arguments: made.append(build(*arguments)) or made[-1]
    )
    MemoryServer(EchoFactory()).rawWebsocket()
    plain = WebSocketServerProtocol()
    plain.factory = WebSocketServerFactory()
    plain.factory.setProtocolOptions(openHandshakeTimeout=0)
    WebSocketProtocol._connectionMade(plain)
    # Options come from our own factory; the objects are shared by all, or made when they are needed.
    others = {*WebSocketServerProtocol.CONFIG_ATTRS, "factory", "trafficStats", "send_queue", "utf8validator"}
    others |= {"is_open", "is_closed", "_valid_events", "_results", "_transport_details"}
    first = {name: value for name, value in vars(plain).items() if name not in others}
    assert {name: getattr(made[0], name) for name in first} == first
    assert not made[0].send_queue  # type: ignore[attr-defined]


@pytest.mark.parametrize("headers", [{}, {"host": "localhost:80", "x": ""}, {"cookie": "a=b; c=d", "y": "é::"}])
def test_headers_are_a_mapping(headers: dict[str, str]) -> None:
    """They say what the dict said that they were made of."""
    kept = Headers(headers)
    assert kept == headers
    assert (len(kept), [*kept], kept.get("host"), "z" in kept) == (
        len(headers),
        [*headers],
        headers.get("host"),
        False,
    )
    assert repr(kept) == f"Headers({headers})"


class Sleeper:
    """Notes when it rings."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self.ring = ring


class TestAlarms:
    """Timers of many."""

    def test_each_rings_in_its_own_time(self) -> None:
        """Once, in order, whatever the others wait for."""
        clock, rung = Clock(), []
        alarms = Alarms(clock)
        for index, seconds in enumerate([5, 1, 5, 1]):
            alarms.add(Sleeper(lambda index=index: rung.append((index, clock.seconds()))), seconds)  # type: ignore[misc]
            clock.advance(0.25)
        clock.pump([0.25] * 40)
        assert rung == [(1, 1.25), (3, 1.75), (0, 5), (2, 5.5)]
        assert not clock.getDelayedCalls()

    def test_many_have_one_timer(self) -> None:
        """The clock has one for all that wait equally long, and none for those that wait no more."""
        clock = Clock()
        alarms = Alarms(clock)
        sleepers = [Sleeper(lambda: None) for _ in range(100)]
        queues = [alarms.add(each, 5) for each in sleepers]
        assert len(clock.getDelayedCalls()) == 1
        for queue, each in zip(queues, sleepers, strict=True):
            queue.cancel(each)
            queue.cancel(each)
        assert not clock.getDelayedCalls()

    def test_one_that_raises(self) -> None:
        """The others ring all the same, in the next turn."""
        clock, rung = Clock(), []
        alarms = Alarms(clock)
        alarms.add(Sleeper(lambda: 1 / 0), 5)
        alarms.add(Sleeper(lambda: rung.append(2)), 5)
        with pytest.raises(ZeroDivisionError):
            clock.advance(5)
        clock.advance(0)
        assert rung == [2]

    def test_one_that_waits_again(self) -> None:
        """Who waits again when it rings does so as long as before."""
        clock, rung = Clock(), []
        alarms = Alarms(clock)

        def ring() -> None:
            rung.append(clock.seconds())
            alarms.add(sleeper, 5)

        sleeper = Sleeper(ring)
        alarms.add(sleeper, 5)
        clock.pump([1] * 16)
        assert rung == [5, 10, 15]

    def test_one_that_waits_again_keeps_nobody(self) -> None:
        """Those behind it ring in their own time all the same."""
        clock, rung = Clock(), []
        alarms = Alarms(clock)
        again = [True]

        def ring() -> None:
            rung.append(("first", clock.seconds()))
            if again:
                alarms.add(first, again.pop() * 5)

        first = Sleeper(ring)
        alarms.add(first, 5)
        clock.advance(1)
        alarms.add(Sleeper(lambda: rung.append(("second", clock.seconds()))), 5)
        clock.pump([1] * 10)
        assert rung == [("first", 5), ("second", 6), ("first", 10)]
