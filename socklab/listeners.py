"""Open ports: what each hands its connections to, and what a reload puts in its place."""

from __future__ import annotations

from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IProtocolNegotiationFactory,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from .config import Listener
from .config import Service as ServiceConfig
from .log import say
from .message import speaksMessages
from .policy.origin import PagePolicy, isLoopbackName
from .ports import Ports
from .transports.accepting import StreamFactory
from .transports.advice import advice, isAbsent
from .transports.datagrams import PlainDatagrams
from .transports.listen import Listen, setOptions, whereOf
from .transports.plain import PlainFactory
from .transports.serving import Serving
from .transports.udp import DatagramPeers


class StartError(Exception):
    """A listener could not be opened, or a Factory not be started; the text is one line for the operator."""


@implementer(IProtocolFactory, IProtocolNegotiationFactory)
class Doorway:
    """What an open port hands its connections to; a reload may put another adapter behind it."""

    noisy = False

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted."""
        return self.adapter.buildProtocol(addr)

    def acceptableProtocols(self) -> list[bytes]:
        """What is spoken over TLS (`IProtocolNegotiationFactory`), if the adapter has something in mind."""
        factory = IProtocolNegotiationFactory(self.adapter, None)
        return factory.acceptableProtocols() if factory is not None else []

    def doStart(self) -> None:
        """The port is open; the service's Factory starts elsewhere."""

    def doStop(self) -> None:
        """The port is closed."""


def _adapterOf(listen: Listen, serving: Serving, config: ServiceConfig) -> Any:
    """Give a transport's adapter around the service's Factory."""
    if listen.kind == "udp":
        if hasattr(serving.factory, "buildProtocol"):
            return DatagramPeers(serving)
        return PlainDatagrams(cast(Any, serving.factory), serving)
    if listen.kind == "websocket":
        # Imported late: a lab without WebSocket starts faster, and is smaller.
        from .transports.bridge import bridged
        from .transports.websocket import WebSocketFactory

        return WebSocketFactory(bridged(serving), config.websocket.deflate)
    kind = StreamFactory if speaksMessages(config.factory) else PlainFactory
    return kind(serving, tls=listen.transport == "tls")


def pagesOf(listen: Listen, config: ServiceConfig) -> PagePolicy:
    """Give which pages may open a WebSocket on a listener."""
    table = config.websocket
    return PagePolicy(
        table.origins,
        table.hosts,
        table.paths,
        listen.certificate.names if listen.certificate else [],
        # A proxy's clients are not on this machine.
        loopback=isLoopbackName(listen.interface.partition("%")[0]) and listen.prefix != "haproxy",
        behindProxy=listen.path is not None,
    )


class ListenerService(Service):
    """One open port."""

    def __init__(self, config: ServiceConfig, listener: Listener, serving: Serving, ports: Ports) -> None:
        self._config = config
        self._ports = ports
        self.listener = listener
        self._doorway = Doorway(_adapterOf(listener.listen, serving, config))
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Open the port, at once: twistd drops its privileges next.

        @raise StartError: it cannot be opened.
        """
        super().privilegedStartService()
        if self.port is not None:
            return
        listen, name = self.listener.listen, self._config.name
        failures: list[Failure] = []
        opened = maybeDeferred(self._open).addCallback(self._opened).addErrback(failures.append)
        if failures:
            error = failures[0].value
            assert error is not None
            if self.listener.optional and isAbsent(error):
                say(f"{name}: {listen.transport} {listen.where} left out: {advice(listen, error)}")
            else:
                raise StartError(startLine(name, listen, error)) from None
        elif not opened.called:
            # Twisted's own endpoints open at once; one of somebody else's may not.
            opened.addCallback(lambda _: self._openedLate(failures))

    def _open(self) -> Deferred[IListeningPort]:
        listen, doorway, name = self.listener.listen, self._doorway, self._config.name
        if listen.kind == "udp":
            return self._ports.datagrams(name, listen, doorway.adapter)
        # The doorway goes with the port, whoever takes that over.
        return self._ports.stream(name, listen, doorway, lambda: doorway.adapter.serving)

    def _openedLate(self, failures: list[Failure]) -> None:
        for each in failures:
            assert each.value is not None
            say(startLine(self._config.name, self.listener.listen, each.value))

    def _opened(self, port: IListeningPort) -> None:
        self.port = port
        setOptions(port, self._config.limits.keepalive)
        service, where = self._config.name, whereOf(port.getHost())
        if self._ports.isOpener:
            line = f"{service}: {self.transport} {where}"
            say(line, "listening", service=service, transport=self.transport, where=where)

    @property
    def transport(self) -> str:
        """As a person calls it: `tcp`, `ws` and so on."""
        return self.listener.listen.transport

    def reconfigure(self, config: ServiceConfig, listener: Listener) -> None:
        """Take other settings: its peers know the new limits at once, the rest is for whoever comes."""
        self._config, self.listener = config, listener
        serving: Serving | None = getattr(self._doorway.adapter, "serving", None)
        if serving is not None:
            serving.limits = config.limits
            serving.refusal = config.table.refusal
            serving.pages = pagesOf(listener.listen, config)
            serving.encoding, serving.framing, serving.lines = listener.encoding, listener.framing, listener.lines
        if listener.listen.kind == "websocket":
            self._doorway.adapter.configure(config.websocket.deflate)
        if self.port is not None:
            setOptions(self.port, config.limits.keepalive)

    def takeOver(self, other: ListenerService) -> None:
        """Serve on another's open port from now on; whom that one has accepted stays with it."""
        self.port, other.port = other.port, None
        if self.port is None:
            return
        adapter = self._doorway.adapter
        if self.listener.listen.kind == "udp":
            self._takeOverDatagrams(other._doorway.adapter, adapter)
        else:
            # The port knows the other's doorway; it is ours now.
            self._doorway, other._doorway = other._doorway, self._doorway
            self._doorway.adapter = adapter
        setOptions(self.port, self._config.limits.keepalive)

    def _takeOverDatagrams(self, old: Any, new: Any) -> None:
        port: Any = self.port
        port.protocol = new
        # It may have had the port before, when a reload is undone.
        new.transport = None
        new.makeConnection(port)
        if isinstance(old, DatagramPeers):
            old.handOver()

    def stopAccepting(self) -> Deferred[None]:
        """Take those who wait to be accepted, and the datagrams that are here; then nobody."""
        port: Any = self.port
        if hasattr(port, "doRead"):
            port.doRead()
        if port is None or self.listener.listen.kind != "udp":
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
