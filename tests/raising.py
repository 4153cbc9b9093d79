"""A Factory that fails wherever it can: the tests put this file beside a config."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.internet.protocol import Factory as PlainFactory

from socklab import Factory, Lines, MessageProtocol


class RaisingError(Exception):
    """What is raised."""


class Raising(MessageProtocol):
    """Echo; every other peer is a victim, for whom a hook fails: at once, as a coroutine, or by its Deferred."""

    factory: RaisingFactory
    isVictim = False

    def _run(self, hook: str) -> Any:
        """Fail, if this is the hook to do so for this peer."""
        if not self.isVictim or hook != self.factory.hook:
            return None
        match self.factory.how:
            case "await":
                return self._later(hook)
            case "Deferred":
                return fail(RaisingError(hook))
        raise RaisingError(hook)

    async def _later(self, hook: str) -> None:
        turn: Deferred[None] = Deferred()
        self.transport.clock.callLater(0, turn.callback, None)
        await turn
        raise RaisingError(hook)

    def connectionMade(self) -> Any:
        """Begin."""
        return self._run("connectionMade")

    def messageReceived(self, payload: bytes, isBinary: bool) -> Any:
        """Answer."""
        result = self._run("messageReceived")
        if result is None:
            self.transport.sendMessage(payload, isBinary)
        return result

    def readConnectionLost(self) -> Any:
        """Close."""
        result = self._run("readConnectionLost")
        if result is None:
            self.transport.loseConnection()
        return result

    def timeoutConnection(self) -> Any:
        """Close those for whom this is tested; the others may be silent."""
        return self._run("timeoutConnection")

    def connectionLost(self, reason: Any = None) -> None:
        """End."""
        self._run("connectionLost")


class RaisingFactory(Factory):
    """Fails in the named hook, for every other peer."""

    framing = Lines

    def __init__(self, hook: str = "", how: str = "raise", speed: int = 0) -> None:
        self.hook = hook
        self.how = how
        self.count = 0
        if hook == "__init__":
            raise RaisingError(hook)

    def _run(self, hook: str) -> None:
        if hook == self.hook:
            raise RaisingError(hook)

    def startFactory(self) -> None:
        """Begin."""
        self._run("startFactory")

    def stopFactory(self) -> None:
        """End."""
        self._run("stopFactory")

    def buildProtocol(self, addr: Any) -> Raising:
        """A peer has come."""
        self.count += 1
        protocol = Raising()
        protocol.factory = self
        protocol.isVictim = self.count % 2 == 0
        if protocol.isVictim:
            self._run("buildProtocol")
        return protocol

    def reconfigure(self, **options: Any) -> None:
        """Options have changed."""
        self._run("reconfigure")


class PlainRaising(Protocol):
    """The same in plain Twisted."""

    def _run(self, hook: str) -> None:
        if self.isVictim and hook == self.factory.hook:
            raise RaisingError(hook)

    def connectionMade(self) -> None:
        """Begin."""
        self._run("connectionMade")

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self._run("dataReceived")
        self.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        """End."""
        self._run("connectionLost")


class PlainRaisingFactory(PlainFactory):
    """Fails in the named hook, for every other peer."""

    def __init__(self, hook: str = "") -> None:
        self.hook = hook
        self.count = 0

    def startFactory(self) -> None:
        """Begin."""
        if self.hook == "startFactory":
            raise RaisingError(self.hook)

    def stopFactory(self) -> None:
        """End."""
        if self.hook == "stopFactory":
            raise RaisingError(self.hook)

    def buildProtocol(self, addr: Any) -> PlainRaising:
        """A peer has come."""
        self.count += 1
        protocol = PlainRaising()
        protocol.factory = self
        protocol.isVictim = self.count % 2 == 0
        if self.hook == "buildProtocol" and protocol.isVictim:
            raise RaisingError(self.hook)
        return protocol


class RaisingDatagrams(DatagramProtocol):
    """Fails in the named hook; echoes what does not begin with `x`."""

    def __init__(self, hook: str = "") -> None:
        self.hook = hook

    def startProtocol(self) -> None:
        """Begin."""
        if self.hook == "startProtocol":
            raise RaisingError(self.hook)

    def stopProtocol(self) -> None:
        """End."""
        if self.hook == "stopProtocol":
            raise RaisingError(self.hook)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer."""
        if datagram.startswith(b"x"):
            raise RaisingError("datagramReceived")
        self.transport.write(datagram, addr)
