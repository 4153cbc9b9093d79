"""The client in the page, as far as the page cannot be one itself: over TCP, TLS, UDP and Unix sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from ..client import (
    Address,
    AddressError,
    ConnectError,
    Connection,
    End,
    SendError,
    Settings,
    TlsSettings,
    connect,
    parse,
)
from ..client.names import resolve
from ..config import Listener
from ..policy.access import Access, normal
from .talks import Message
from .texts import Wrong, reason

if TYPE_CHECKING:
    from ..lab import Lab
    from .stream import Stream

_MOST: Final = 20
"""Connections of one page."""
_SCHEMES: Final = {"tcp", "tls", "udp", "unix"}


class Client:
    """One connection of a page (`socklab.client.Receiver`)."""

    def __init__(self, key: str, stream: Stream, clock: Any, encoding: str, over: Callable[[], object]) -> None:
        """@param encoding: of text.
        @param over: called when it has ended.
        """
        self.key = key
        self.stream = stream
        self.connection: Connection | None = None
        self.encoding = encoding
        self._over = over
        self._clock = clock

    def received(self, payload: bytes, isBinary: bool) -> None:
        """Tell the page what came."""
        self._tell("in", payload)

    def _tell(self, way: str, payload: bytes) -> None:
        message = Message(0, self._clock.seconds(), way, payload, True)
        self.stream.tell({"client": {"id": self.key, "message": message.told(self.encoding)}})

    def ended(self, end: End) -> None:
        """Tell the page how it ended."""
        self._over()
        self.stream.tell({"client": {"id": self.key, "ended": reason(str(end)).told()}})

    def send(self, data: bytes, text: str | None) -> None:
        """Send, and tell the page what.

        @raise Wrong: it cannot be sent.
        """
        if self.connection is None:
            raise Wrong("not-open")
        try:
            payload = data if text is None else text.encode(self.encoding)
            self.connection.send(payload, True)
        except UnicodeEncodeError as error:
            raise Wrong("not-letter", encoding=self.encoding, letter=error.object[error.start]) from None
        except SendError as error:
            raise Wrong.because(error) from None
        self._tell("out", payload)


class Clients:
    """The connections that pages have through the server: to its own services, and where `outbound` allows it."""

    def __init__(self, lab: Lab, outbound: Access) -> None:
        self._lab = lab
        self.outbound = outbound
        self._clients: dict[tuple[str, str], Client] = {}

    def open(self, stream: Stream, key: str, text: str) -> Deferred[dict[str, Any]]:
        """Connect; give where it is from.

        @param key: what the page calls it.
        @raise Wrong: it may not, or cannot.
        """
        return Deferred.fromCoroutine(self._open(stream, key, text))

    async def _open(self, stream: Stream, key: str, text: str) -> dict[str, Any]:
        name = stream.key, key
        if name in self._clients or sum(each.stream is stream for each in self._clients.values()) >= _MOST:
            raise Wrong("not-more-clients", count=_MOST)
        try:
            address = parse(text)
        except AddressError as error:
            raise Wrong.because(error) from None
        if address.scheme not in _SCHEMES:
            raise Wrong("not-browser", scheme=address.scheme)
        own = self._own(address)
        settings = Settings(tls=TlsSettings(insecure=own is not None, name=address.host or None))
        encoding = own.encoding if own else "utf-8"
        client = Client(key, stream, self._lab.reactor, encoding, lambda: self._clients.pop(name, None))
        # It counts while it is being opened, too.
        self._clients[name] = client
        try:
            if own is None:
                address = await self._allowed(address)
            connection = await connect(self._lab.reactor, address, client, settings)
        except BaseException as error:
            self._clients.pop(name, None)
            if isinstance(error, ConnectError):
                raise Wrong.because(error) from None
            raise
        client.connection = connection
        if not stream.isOpen:
            self._clients.pop(name, None)
            connection.abort()
        return {"port": connection.port, "peer": connection.peer, "about": dict(connection.about)}

    def _own(self, address: Address) -> Listener | None:
        """Give the listener of this server that is meant."""
        ip = normal("127.0.0.1" if address.host == "localhost" else address.host)
        for service in self._lab.protocolServices():
            for each in service.listeners():
                if each.port is None or each.transport != address.scheme:
                    continue
                host: Any = each.port.getHost()
                if address.scheme == "unix":
                    if each.listener.listen.where == address.path:
                        return each.listener
                elif host.port == address.port and ip is not None:
                    bound = normal(host.host)
                    if bound == ip or (bound is not None and bound.is_unspecified and ip.is_loopback):
                        return each.listener
        return None

    async def _allowed(self, address: Address) -> Address:
        """Give an address whose host is an IP address that `outbound` allows: a name could change its mind.

        @raise Wrong: there is none.
        """
        if not address.isNetwork:
            raise Wrong("not-outbound-unix")
        kind = socket.SOCK_DGRAM if address.kind == "udp" else socket.SOCK_STREAM
        for ip in await resolve(self._lab.reactor, address.host, address.port, kind):
            if self.outbound.decide(ip).allows:
                return replace(address, host=ip)
        raise Wrong("not-outbound", where=address.where)

    def send(self, stream: Stream, key: str, data: bytes, text: str | None) -> dict[str, Any]:
        """Send on a connection of a page.

        @raise Wrong: it cannot be sent.
        """
        self._of(stream, key).send(data, text)
        return {}

    def close(self, stream: Stream, key: str) -> dict[str, Any]:
        """Close a connection of a page.

        @raise Wrong: there is none.
        """
        client = self._of(stream, key)
        del self._clients[stream.key, key]
        if client.connection is not None:
            client.connection.close()
        return {}

    def _of(self, stream: Stream, key: str) -> Client:
        client = self._clients.get((stream.key, key))
        if client is None:
            raise Wrong("not-connection")
        return client

    def gone(self, stream: Stream) -> None:
        """A page has gone: its connections end."""
        for name, client in [*self._clients.items()]:
            if client.stream is stream:
                del self._clients[name]
                if client.connection is not None:
                    client.connection.abort()
