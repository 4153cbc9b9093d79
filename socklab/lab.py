"""The tree of services: a lab, its services, their listeners."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTime
from twisted.python.failure import Failure

from .config import Config, Listener
from .config import Service as ServiceConfig
from .events import Events
from .log import say
from .message import speaksMessages, startFactory
from .policy.gate import Gate, House
from .policy.house import MemoryBudget, descriptors
from .policy.origin import PagePolicy, isLoopbackName
from .transports.listen import Listen, advice, endpointOf, isAbsent, setOptions, whereOf
from .transports.serving import OpenConnections, Serving
from .transports.stream import PlainFactory, StreamFactory
from .transports.udp import DatagramPeers

_PATIENCE = 5.0
"""Seconds of `shutdown_timeout` that may go by until all that peers have sent is read."""
_MAX_DATAGRAM = 65536
_RECEIVE_BUFFER = 1024 * 1024


class StartError(Exception):
    """A listener could not be opened; the text is one line for the operator."""


class Lab(MultiService):
    """All services of a config; stops by letting each connection end well."""

    def __init__(self, config: Config, reactor: IReactorCore, events: Events) -> None:
        super().__init__()
        self.config = config
        self._timeout = config.server.shutdown_timeout
        self._reactor: Any = reactor
        self._connections = OpenConnections()
        clock = cast(IReactorTime, reactor).seconds
        budget = config.server.memory_budget
        self._house = House(
            config.server.max_connections or descriptors(),
            MemoryBudget(budget, clock) if budget else lambda: None,
        )
        udpPorts: set[int] = set()
        for service in config.services:
            gate = Gate(service.access, service.limits, self._house, clock)
            self.addService(
                ProtocolService(service, events, reactor, self._timeout, self._connections, gate, udpPorts)
            )

    def protocolServices(self) -> list[ProtocolService]:
        """Give what is served."""
        return [cast(ProtocolService, each) for each in self]

    def privilegedStartService(self) -> None:
        """Open all listeners, or none."""
        try:
            super().privilegedStartService()
        except StartError as error:
            say(str(error))
            for service in self.protocolServices():
                service.closeListeners()
            raise

    def port(self, service: str, transport: str) -> IListeningPort:
        """Give a service's first open port of a transport.

        @raise LookupError: there is none.
        """
        found = [each for each in self.protocolServices() if each.name == service]
        for listener in found[0].listeners() if found else ():
            if listener.transport == transport and listener.port is not None:
                return listener.port
        raise LookupError(f"{service} has no open {transport} listener")

    def abort(self) -> None:
        """Cut who is still there."""
        self._connections.abort()

    def waiting(self, seconds: float) -> None:
        """Shutdown has to wait for peers, so many seconds at most."""

    def stopService(self) -> Deferred[None]:
        """Close the listeners, tell the peers, send what is owed; after `shutdown_timeout` cut who is left."""
        closed = DeferredList([each.stopAccepting() for each in self.protocolServices()], consumeErrors=True)
        timer = self._reactor.callLater(self._timeout, self._connections.abort)
        patience = min(_PATIENCE, self._timeout / 2)
        left = closed.addCallback(lambda _: self._connections.goAway(self._reactor, patience))
        if len(self._connections):
            self.waiting(self._timeout)

        def done(_: object) -> Any:
            if timer.active():
                timer.cancel()
            return maybeDeferred(super(Lab, self).stopService)

        return cast("Deferred[None]", left.addBoth(done))


class ProtocolService(MultiService):
    """One `[[service]]`: a Factory and its listeners."""

    def __init__(
        self,
        config: ServiceConfig,
        events: Events,
        reactor: IReactorCore,
        closeTimeout: float,
        connections: OpenConnections,
        gate: Gate,
        udpPorts: set[int],
    ) -> None:
        super().__init__()
        self.setName(config.name)
        self._clock = cast(IReactorTime, reactor)
        self.config = config
        self._factory = config.factory if hasattr(config.factory, "buildProtocol") else None
        for listener in config.listeners:
            serving = Serving(
                service=config.name,
                factory=config.factory,
                events=events,
                clock=self._clock,
                gate=gate,
                limits=config.limits,
                refusal=config.table.refusal,
                pages=_pagesOf(listener.listen, config),
                encoding=listener.encoding,
                framing=listener.framing,
                closeTimeout=closeTimeout,
                proxied=listener.listen.prefix == "haproxy",
                lines=listener.lines,
                connections=connections,
                udpPorts=udpPorts,
            )
            opener = _openerOf(listener.listen, serving, config, reactor)
            self.addService(ListenerService(config.name, listener, opener, config.limits.keepalive))

    def privilegedStartService(self) -> None:
        """Start the Factory once, however many listeners it has, and open them."""
        if self._factory is not None:
            startFactory(self._factory, self._clock)
        super().privilegedStartService()

    def listeners(self) -> list[ListenerService]:
        """Give where it is served."""
        return [cast(ListenerService, each) for each in self]

    def stopAccepting(self) -> Deferred[Any]:
        """Take nobody new; who has come so far has."""
        return DeferredList([each.stopAccepting() for each in self.listeners()], consumeErrors=True)

    def closeListeners(self) -> Deferred[Any]:
        """Accept no more."""
        return DeferredList([each.close() for each in self.listeners()], consumeErrors=True)

    def stopService(self) -> Deferred[Any]:
        """Stop the Factory when all is over."""

        def stopFactory(result: object) -> object:
            if self._factory is not None:
                self._factory.doStop()
            return result

        return maybeDeferred(super().stopService).addBoth(stopFactory)


Opener = Callable[[], "Deferred[IListeningPort]"]


def _openerOf(listen: Listen, serving: Serving, config: ServiceConfig, reactor: IReactorCore) -> Opener:
    """Give what opens a listener: its transport's adapter around the service's Factory."""
    if listen.kind == "udp":
        if hasattr(serving.factory, "buildProtocol"):
            protocol: Any = DatagramPeers(serving)
        else:
            protocol = cast(Any, serving.factory)()
        return lambda: _listenUDP(reactor, listen, protocol)
    factory: Any
    if listen.kind == "websocket":
        # Imported late: a lab without WebSocket starts faster, and is smaller.
        from .transports.bridge import bridged
        from .transports.websocket import WebSocketFactory

        factory = WebSocketFactory(bridged(serving), config.websocket.deflate)
    else:
        kind = StreamFactory if speaksMessages(config.factory) else PlainFactory
        factory = kind(serving, tls=listen.transport == "tls")
    return lambda: endpointOf(listen, reactor, config.limits).listen(factory)


def _pagesOf(listen: Listen, config: ServiceConfig) -> PagePolicy:
    table = config.websocket
    return PagePolicy(
        table.origins,
        table.hosts,
        table.paths,
        listen.certificate.names if listen.certificate else [],
        loopback=isLoopbackName(listen.interface.partition("%")[0]),
        behindProxy=listen.path is not None,
    )


def _listenUDP(reactor: Any, listen: Listen, protocol: Any) -> Deferred[IListeningPort]:
    # Twisted's own 8192 would cut longer datagrams without a word.
    port = reactor.listenUDP(listen.port, protocol, listen.interface, maxPacketSize=_MAX_DATAGRAM)
    port.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return succeed(port)


class ListenerService(Service):
    """One open port."""

    def __init__(self, service: str, listener: Listener, opener: Opener, keepalive: float) -> None:
        self._service = service
        self._listener = listener
        self._opener = opener
        self._keepalive = keepalive
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Open the port, at once: twistd drops its privileges next.

        @raise StartError: it cannot be opened.
        """
        super().privilegedStartService()
        listen = self._listener.listen
        failures: list[Failure] = []
        opened = maybeDeferred(self._opener).addCallback(self._opened).addErrback(failures.append)
        if failures:
            error = failures[0].value
            assert error is not None
            if self._listener.optional and isAbsent(error):
                say(f"{self._service}: {listen.transport} {listen.where} left out: {advice(listen, error)}")
            else:
                raise StartError(startLine(self._service, listen, error)) from None
        elif not opened.called:
            # Twisted's own endpoints open at once; one of somebody else's may not.
            opened.addCallback(lambda _: self._openedLate(failures))

    def _openedLate(self, failures: list[Failure]) -> None:
        for each in failures:
            assert each.value is not None
            say(startLine(self._service, self._listener.listen, each.value))

    def _opened(self, port: IListeningPort) -> None:
        self.port = port
        setOptions(port, self._keepalive)
        say(f"{self._service}: {self._listener.listen.transport} {whereOf(port.getHost())}")

    @property
    def transport(self) -> str:
        """As a person calls it: `tcp`, `ws` and so on."""
        return self._listener.listen.transport

    def stopAccepting(self) -> Deferred[None]:
        """Take those who wait to be accepted, and the datagrams that are here; then nobody."""
        port: Any = self.port
        if hasattr(port, "doRead"):
            port.doRead()
        if port is None or self._listener.listen.kind != "udp":
            return self.close()
        # It is still needed: its peers have to be told.
        port.stopReading()
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Close the port."""
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(cast(Any, port.stopListening))

    def stopService(self) -> Deferred[None]:
        """Close the port, if that is yet to be done."""
        super().stopService()
        return self.close()


def startLine(service: str, listen: Listen, error: BaseException) -> str:
    """Say in one line which listener cannot be opened, why, and what to do."""
    return f"{service}: {listen.transport} {listen.where}: {advice(listen, error)}"


# Where the name of an exception shows, as in what a daemon's parent prints, it shall not confuse.
StartError.__module__ = "socklab"
