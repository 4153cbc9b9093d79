"""What authors test with behaves as they would think."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import deferLater

from socklab import Factory, Int16, Limits, Lines, MessageProtocol, PeerError
from socklab.testing import Entry, MemoryServer, splits


class Kitchen(MessageProtocol):
    """Takes ten seconds for each dish; knows no poison."""

    async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """An order has come."""
        if payload == b"poison":
            raise PeerError("not here")
        await deferLater(self.transport.clock, 10)
        self.transport.sendMessage(payload, isBinary)


class KitchenFactory(Factory):
    """Has a life."""

    protocol = Kitchen
    framing = Lines
    open = False

    def startFactory(self) -> None:
        """It opens."""
        self.open = self.clock.seconds() == 0

    def stopFactory(self) -> None:
        """It closes."""
        self.open = False


def test_advance_is_one_step() -> None:
    """What the end of one handler begins takes its own time after that."""
    server = MemoryServer(KitchenFactory())
    peer = server.tcp()
    peer.send(b"soup\nrice\n")
    server.advance(20)
    assert peer.hear() == ["soup"]
    server.advance(10)
    assert peer.hear() == ["rice"]
    assert server.clock.seconds() == 30


def test_life_of_the_factory() -> None:
    """The Factory is started with the clock, and stopped."""
    factory = KitchenFactory()
    server = MemoryServer(factory)
    assert factory.open
    server.stop()
    assert not factory.open


def test_transcript() -> None:
    """It tells what happened, and why a peer was cut; the close code is there at once."""
    server = MemoryServer(KitchenFactory())
    peer = server.websocket(host="192.0.2.7")
    peer.say("poison")
    assert peer.closeCode == 1007
    assert server.transcript() == [
        Entry("websocket", "opened", peer="192.0.2.7:40001"),
        Entry("websocket", "received", b"poison", False, "192.0.2.7:40001"),
        Entry("websocket", "cut", peer="192.0.2.7:40001", reason="not here"),
    ]


def test_lines_that_come_in_pieces() -> None:
    """A line is heard when it is whole, however it came."""

    class Halves(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            self.transport.sendMessage(payload, isBinary)

    factory = Factory()
    factory.protocol = Halves
    peer = MemoryServer(factory).tcp()
    for first, rest in splits(b"one\ntwo\n"):
        peer.send(first)
        heard = peer.hear()
        peer.send(rest)
        assert heard + peer.hear() == ["one", "two"]


def test_dribble() -> None:
    """A message that comes byte by byte is one message, on each transport."""
    server = MemoryServer(KitchenFactory(), limits=Limits(queue=100))
    for peer in (server.tcp(), server.tls(), server.unix()):
        peer.dribble("국수\n".encode())
        server.advance(10)
        assert peer.hear() == ["국수"]


@pytest.mark.parametrize("framing", [Lines, Int16])
@pytest.mark.parametrize("transport", ["tcp", "unix", "udp", "websocket"])
def test_text_for_bytes(transport: str, framing: Any) -> None:
    """Who sends text is told so, on each transport."""

    class Texts(MessageProtocol):
        def messageReceived(self, payload: bytes, isBinary: bool) -> None:
            self.transport.sendMessage("text", isBinary)  # type: ignore[arg-type]

    factory = Factory()
    factory.protocol = Texts
    peer = getattr(MemoryServer(factory, framing=framing), transport)()
    with pytest.raises(TypeError, match="sendMessage takes bytes, got str"):
        peer.say("x") if framing is Lines or transport in ("udp", "websocket") else peer.send(b"\0\1x")
