"""The map of the program: options, config, listeners, one tree of services."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTime
from twisted.python import usage
from twisted.python.failure import Failure

from .config import Config, ConfigError, Listener, loadConfig, loadLab
from .config import Service as ServiceConfig
from .events import Events
from .log import logEvent, say, tracer
from .message import speaksMessages
from .transports.listen import Listen, advice, endpointOf, isAbsent, probe, setOptions, whereOf
from .transports.serving import OpenConnections, Serving
from .transports.stream import StreamFactory
from .transports.udp import DatagramPeers

_MAX_DATAGRAM = 65536
_RECEIVE_BUFFER = 1024 * 1024


class Options(usage.Options):
    """`twistd socklab [--config FILE] [--check]`."""

    synopsis = "[--config FILE] [--check]"
    longdesc = "Serves echo, line chat, one-shot and your own protocols over TCP, UDP and WebSocket."
    optParameters = [["config", "c", None, "the config file (TOML); without one the built-in lab is served"]]
    optFlags = [["check", None, "check the config and exit: 0 when it is good, else 1"]]
    config: Config

    def postOptions(self) -> None:
        """Check the config, before anything else happens."""
        try:
            self.config = loadLab() if self["config"] is None else loadConfig(Path(self["config"]))
        except ConfigError as error:
            # A UsageError would put the help text on standard output instead.
            _complain(error.lines)
            raise SystemExit(1) from None
        if self["check"]:
            raise SystemExit(0)


def makeService(options: Options) -> MultiService:
    """Give the tree of services that a config describes."""
    from twisted.internet import reactor

    if taken := _taken(options.config):
        _complain(taken)
        raise SystemExit(1)
    _explainStartErrors()
    return Lab(options.config, cast("IReactorCore", reactor))


class StartError(Exception):
    """A listener could not be opened; the text is one line for the operator."""


class Lab(MultiService):
    """All services of a config; stops by letting each connection end well."""

    def __init__(self, config: Config, reactor: IReactorCore) -> None:
        super().__init__()
        self._timeout = config.server.shutdown_timeout
        self._reactor: Any = reactor
        self._connections = OpenConnections()
        events = Events()
        events.subscribe(logEvent)
        if config.server.trace != "off":
            events.subscribe(tracer(config.server.trace), traffic=True)
        udpPorts: set[int] = set()
        for service in config.services:
            self.addService(ProtocolService(service, events, reactor, self._timeout, self._connections, udpPorts))

    def privilegedStartService(self) -> None:
        """Open all listeners, or none."""
        try:
            super().privilegedStartService()
        except StartError as error:
            say(str(error))
            for service in self:
                cast(ProtocolService, service).closeListeners()
            raise

    def startService(self) -> None:
        """Say so when all are open, and signals are heeded."""
        super().startService()
        self._reactor.callWhenRunning(say, "socklab ready")

    def stopService(self) -> Deferred[None]:
        """Close the listeners, tell the peers, send what is owed; after `shutdown_timeout` cut who is left."""
        listeners = DeferredList(
            [cast(ProtocolService, service).closeListeners() for service in self], consumeErrors=True
        )
        timer = self._reactor.callLater(self._timeout, self._connections.abort)
        left = listeners.addCallback(lambda _: self._connections.goAway())
        if len(self._connections):
            self._abortOnSignal()
            say(f"waiting up to {self._timeout:g} s for peers to leave; a second signal ends it at once")

        def done(_: object) -> Any:
            if timer.active():
                timer.cancel()
            return maybeDeferred(super(Lab, self).stopService)

        return cast("Deferred[None]", left.addBoth(done))

    def _abortOnSignal(self) -> None:
        """Have a second signal cut who is left; Twisted's own handler would complain that it stops already."""

        def abort(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._connections.abort)

        if threading.current_thread() is threading.main_thread():
            for each in (signal.SIGINT, signal.SIGTERM):
                if callable(signal.getsignal(each)):
                    signal.signal(each, abort)


class ProtocolService(MultiService):
    """One `[[service]]`: a Factory and its listeners."""

    def __init__(
        self,
        config: ServiceConfig,
        events: Events,
        reactor: IReactorCore,
        closeTimeout: float,
        connections: OpenConnections,
        udpPorts: set[int],
    ) -> None:
        super().__init__()
        self.setName(config.name)
        self._factory = config.factory if hasattr(config.factory, "buildProtocol") else None
        for listener in config.listeners:
            serving = Serving(
                service=config.name,
                factory=config.factory,
                events=events,
                clock=cast(IReactorTime, reactor),
                limits=config.limits,
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
            self._factory.doStart()
        super().privilegedStartService()

    def closeListeners(self) -> Deferred[Any]:
        """Accept no more."""
        return DeferredList([cast(ListenerService, each).close() for each in self], consumeErrors=True)

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
    factory: Any = config.factory
    if listen.kind == "websocket":
        # Imported late: a lab without WebSocket starts faster, and is smaller.
        from .transports.bridge import bridged
        from .transports.websocket import WebSocketFactory

        factory = WebSocketFactory(bridged(serving), config.websocket.deflate)
    elif speaksMessages(factory):
        factory = StreamFactory(serving)
    return lambda: endpointOf(listen, reactor, config.limits).listen(factory)


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


def _taken(config: Config) -> list[str]:
    """Find listeners that cannot be opened, before twistd forks: from then on its parent can tell little.

    Each is bound once more in `privilegedStartService`, which decides.
    """
    lines = []
    for service in config.services:
        for listener in service.listeners:
            error = probe(listener.listen)
            if error is not None and not (listener.optional and isAbsent(error)):
                lines.append(startLine(service.name, listener.listen, error))
    return lines


def _complain(lines: list[str]) -> None:
    # twistd gives sys.stderr to the log once that is open.
    terminal = sys.__stderr__ or sys.stderr
    for line in lines:
        terminal.write(f"{line}\n")


def _explainStartErrors() -> None:
    """Have a StartError end the process with its line and status 1, not with a traceback."""
    previous = sys.excepthook

    def explain(kind: type[BaseException], value: BaseException, trace: Any) -> None:
        if isinstance(value, StartError):
            _complain([f"socklab: {value}"])
        else:
            previous(kind, value, trace)

    sys.excepthook = explain


# Where the name of an exception shows, as in what a daemon's parent prints, it shall not confuse.
StartError.__module__ = "socklab"
