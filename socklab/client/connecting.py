"""Opening one connection, over any transport."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from .address import Address
from .failures import connectError
from .seam import ConnectError, Connection, Receiver, Settings
from .tls import ClientTls


async def connect(
    reactor: Any,
    address: Address,
    receiver: Receiver,
    settings: Settings,
    tls: ClientTls | None = None,
) -> Connection:
    """Give a connection that can be used: TLS's and WebSocket's handshakes are done.

    @param tls: for a caller that wants to look at the certificate; made from the settings without it.
    @raise ConnectError: there is none.
    """
    if address.kind == "udp":
        from .datagram import openDatagrams

        return await openDatagrams(reactor, address, receiver, settings)
    if address.isSecure and tls is None:
        tls = ClientTls(settings.tls, address)
    client: Any
    if address.kind == "websocket":
        from .websocket import websocketFactory

        factory, client = websocketFactory(reactor, address, receiver, settings)
        factory.buildProtocol = lambda _: client
    else:
        from .stream import StreamClient

        client = StreamClient(address, receiver, settings.bufferSize)
        factory = Factory.forProtocol(lambda: client)
        # Within a server the log has who connects, in one line.
        factory.noisy = False
    if tls is not None:
        # Not `wrapClientTLS`, which gathers small writes on the clock of the global reactor: that is not this one.
        factory = TLSMemoryBIOFactory(tls, True, factory, clock=reactor)
    ready = client.ready
    begun = reactor.seconds()
    try:
        await _bounded(reactor, _endpoint(reactor, address, settings).connect(factory), settings.timeout)
    except Exception:
        raise connectError(Failure(), address, settings.sourcePort) from None
    try:
        await _bounded(reactor, ready, max(0, settings.timeout - (reactor.seconds() - begun)))
    except ConnectError as error:
        if tls is not None and tls.problem is not None and not settings.tls.insecure:
            raise ConnectError("tls", f"{address}: TLS: {tls.problem[1]}") from None
        raise error from None
    except TimeoutError:
        client.ready = None
        client.transport.abortConnection()
        raise ConnectError(
            "handshake",
            f"{address}: connected, but no answer to the handshake within {settings.timeout:g} s: the port speaks "
            "something else, or the server does not serve",
        ) from None
    return client  # type: ignore[no-any-return]


def _endpoint(reactor: Any, address: Address, settings: Settings) -> Any:
    if address.scheme == "unix":
        return UNIXClientEndpoint(reactor, address.path, settings.timeout)
    source = ("", settings.sourcePort) if settings.sourcePort else None
    return HostnameEndpoint(reactor, address.host, address.port, settings.timeout, source)


def _bounded(reactor: Any, waited: Deferred[Any], seconds: float) -> Deferred[Any]:
    def tooLate(result: object, timeout: float) -> None:
        raise TimeoutError

    return waited.addTimeout(seconds, reactor, tooLate)
