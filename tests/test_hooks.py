"""A protocol that fails, in whatever hook: its peer is closed, the failure is told, and the others go on."""

from __future__ import annotations

from typing import Any

import pytest

from socklab.events import Closed, Failed
from socklab.limits import Limits
from socklab.testing import MemoryServer
from socklab.testing.peers import DatagramTestPeer, WebSocketPeer
from tests.raising import RaisingError, RaisingFactory

HOOKS = [
    "buildProtocol",
    "connectionMade",
    "messageReceived",
    "readConnectionLost",
    "timeoutConnection",
    "connectionLost",
]
HOW = ["raise", "await", "Deferred"]
TRANSPORTS = ["tcp", "tls", "unix", "udp", "websocket"]


def serve(factory: Any) -> MemoryServer:
    """Serve, with a limit of silence; failures are not raised, as they are not in a server."""
    return MemoryServer(factory, limits=Limits(idle=5.0), raising=False)


def echoes(peer: Any) -> bool:
    """Tell whether a peer is still served."""
    peer.say("still there")
    return "".join(peer.hear()).strip() == "still there"


def trigger(server: MemoryServer, peer: Any, hook: str) -> None:
    """Have the peer do what a hook is for."""
    if hook in ("readConnectionLost", "timeoutConnection", "connectionLost"):
        assert echoes(peer)
    if hook == "timeoutConnection":
        server.advance(5)
    elif hook == "readConnectionLost":
        peer.finish()
    elif hook == "connectionLost" and not isinstance(peer, DatagramTestPeer):
        peer.reset()
    elif hook == "connectionLost":
        server.advance(60)
    elif hook == "messageReceived" or isinstance(peer, DatagramTestPeer):
        peer.say("a")
    server.advance(0)


def cases() -> list[Any]:
    """Give each hook, with each way to fail in it, on each transport where it is called."""
    return [
        pytest.param(hook, how, transport, id=f"{hook}-{how}-{transport}")
        for hook in HOOKS
        for how in (HOW if hook not in ("buildProtocol", "connectionLost") else ["raise"])
        for transport in TRANSPORTS
        if hook != "readConnectionLost" or transport in ("tcp", "tls", "unix")
    ]


@pytest.mark.parametrize(("hook", "how", "transport"), cases())
def test_failure(hook: str, how: str, transport: str) -> None:
    """A stream is reset, WebSocket is closed with 1011, a datagram peer is forgotten; who is there stays."""
    server = serve(RaisingFactory(hook, how))
    other = getattr(server, transport)()
    assert echoes(other)
    victim = getattr(server, transport)()
    trigger(server, victim, hook)
    (failed,) = [each for each in server.events if isinstance(each, Failed)]
    assert (failed.service, failed.peer.kind) == ("test", transport)
    assert failed.failure.check(RaisingError)
    assert str(failed.failure.value) == hook
    assert hook == "connectionLost" or isClosed(victim)
    closed = [
        (each.by, each.reason) for each in server.events if isinstance(each, Closed) and each.peer == failed.peer
    ]
    if hook == "buildProtocol":
        assert closed == []
    elif hook == "connectionLost":
        assert len(closed) == 1
    else:
        assert closed == [("server", "the protocol failed")]
    if isinstance(victim, DatagramTestPeer):
        assert echoes(victim)
    assert echoes(other)
    server.stop()


def isClosed(peer: Any) -> bool:
    """Tell whether the server has ended with a peer as it should after a failure."""
    if isinstance(peer, WebSocketPeer):
        peer.frames()
        if not peer.closed:
            peer.close(1011)
            peer.finish()
        return peer.closeCode == 1011 and peer.closed
    return isinstance(peer, DatagramTestPeer) or bool(peer.closed)
