"""A proxy: each peer has a connection to an upstream server; its lines go there, and the answers come back."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from socklab import Factory, FramingError, Lines, MessageProtocol, Seconds

FAULTS: Final = (ConnectError, ConnectionClosed, DNSLookupError, FramingError)


class Upstream(Protocol):
    """The connection to the upstream: a line out, a line back. A framing does no I/O, so it serves here too."""

    def __init__(self, peer: ProxyProtocol) -> None:
        self.peer = peer
        self.lines = Lines()
        self.answer = succeed(b"")

    def ask(self, line: bytes) -> Deferred[bytes]:
        """Send a line; the answer comes, or the connection is lost."""
        assert self.transport is not None
        self.transport.write(self.lines.frame(line))
        self.answer = Deferred()
        return self.answer

    def dataReceived(self, data: bytes) -> None:
        """Take the answer; what nobody has asked for is dropped."""
        for line in self.lines.feed(data):
            if not self.answer.called:
                self.answer.callback(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The upstream has gone; the peer shall too."""
        if not self.answer.called:
            self.answer.errback(reason)
        self.peer.transport.loseConnection()


class ProxyProtocol(MessageProtocol):
    """Put a line to the upstream, and wait for the answer; the peer's next line waits meanwhile."""

    factory: ProxyFactory
    upstream: Upstream

    async def connectionMade(self) -> None:
        """Connect to the upstream; lines that come meanwhile wait too."""
        self.upstream = Upstream(self)
        try:
            await connectProtocol(self.factory.endpoint(), self.upstream)
        except FAULTS as error:
            self.fail(str(error))

    async def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Ask, and send the answer as the kind that the question was."""
        try:
            answer = await self.upstream.ask(payload).addTimeout(self.factory.timeout, self.transport.clock)
        except TimeoutError:
            self.fail(f"no answer within {self.factory.timeout:g} s")
        except FAULTS as error:
            self.fail(str(error))
        else:
            # Text over WebSocket must be UTF-8, whatever the upstream says.
            text = answer.decode(errors="replace").encode()
            self.transport.sendMessage(answer if isBinary else text, isBinary)

    def fail(self, why: str) -> None:
        """Say why, and close: an answer that came late would be taken for that to another line."""
        self.transport.sendMessage(f"ERROR upstream: {why}".encode(), False)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The peer has gone, and what it waited for is cancelled; the upstream shall know."""
        if self.upstream.transport is not None:
            self.upstream.transport.loseConnection()


class ProxyFactory(Factory):
    """Lines to an upstream server and back, whatever the peer came by."""

    protocol = ProxyProtocol
    framing = Lines

    def __init__(self, host: str, port: int, timeout: Seconds = 10) -> None:
        """@param host: the upstream's name or address.
        @param port: its TCP port.
        @param timeout: seconds to wait for the connection, and for each answer.
        """
        self.host = host
        self.port = port
        self.timeout = timeout

    def endpoint(self) -> IStreamClientEndpoint:
        """Give the way to the upstream; a server's clock is its reactor."""
        return HostnameEndpoint(self.clock, self.host, self.port, self.timeout)
