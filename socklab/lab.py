"""The tree of services: a lab, its services, their listeners."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTime
from twisted.logger import Logger

from .about import addressText
from .blame import ownLine
from .config import Config, Console, Listener
from .config import Service as ServiceConfig
from .counts import Counts, RecordCounts
from .events import Events
from .listeners import ListenerService, StartError, pagesOf
from .log import say
from .message import Peer, startFactory
from .policy.gate import Gate, House
from .policy.house import MemoryBudget, descriptors
from .ports import OwnPorts, Ports
from .records.recording import Recording
from .rooms.spread import spread, unspread
from .transports.serving import OpenConnections, Serving
from .transports.vanished import VanishedPeers

if TYPE_CHECKING:
    from twisted.web.resource import Resource

    from .console import ConsoleService
    from .console.desk import Desk
    from .metrics.lag import ReactorLag
    from .policy.access import Access
    from .rooms.node import Node
    from .rooms.settings import EngineSettings

_log = Logger(namespace="socklab")

_PATIENCE = 5.0
"""Seconds of `shutdown_timeout` that may go by until all that peers have sent is read."""


class Lab(MultiService):
    """All services of a config; stops by letting each connection end well."""

    serves = True
    """Whether it is this process that serves; if not it has no Factory started, and no record."""

    def __init__(
        self,
        config: Config,
        reactor: IReactorCore,
        events: Events,
        ports: Ports | None = None,
        house: House | None = None,
    ) -> None:
        """@param ports: opens its ports, if that is not done in this process for this process.
        @param house: what it shares with others.
        """
        super().__init__()
        self.config = config
        self.reactor: Any = reactor
        self.events = events
        self.ports: Ports = ports or OwnPorts(reactor)
        self.connections = OpenConnections()
        self.house = house or House()
        self.udpPorts: set[int] = set()
        self.counts: dict[tuple[str, str], Counts] = {}
        """What was counted, by service and transport, also of those that are gone."""
        self.recorded: dict[str, RecordCounts] = {}
        """What was recorded, by service."""
        self.ready = False
        """Whether newcomers are served: all listeners are open, and it is not about to stop."""
        self.missing = ""
        """What of it does not serve, though it should; empty when all is well."""
        self.configure(config)
        settings = config.rooms if self.serves else None
        self.node: Node | None = nodeOf(settings, self.reactor) if settings is not None else None
        """With an engine: what this process is to the others."""
        self.counting = config.console is not None
        """Whether messages are counted and timed."""
        self.console = self.makeConsole(config.console) if config.console is not None else None
        for service in config.services:
            ProtocolService(service, self).setServiceParent(self)
        if self.console is not None:
            # Behind the others: what it tells of is there by then.
            self.console.setServiceParent(self)

    def makeConsole(self, config: Console) -> ConsoleService | None:
        """Give the console, if it is this process that has it."""
        # Imported late: it brings twisted.web along.
        from .console import ConsoleService

        return ConsoleService(config, self)

    def makeDesk(self, lag: ReactorLag, outbound: Access) -> Desk:
        """Give what the console shows."""
        from .console.desk import Desk

        return Desk(self, lag, outbound)

    def makeMetrics(self, lag: ReactorLag) -> Resource:
        """Give the page of metrics."""
        from .console.pages import MetricsPage

        return MetricsPage(self, lag)

    def makeStatus(self) -> Resource:
        """Give the page that tells all at one look."""
        from .console.pages import TextPage
        from .console.status import Status

        return TextPage(Status(self), "application/json")

    def countsOf(self, service: str, transport: str) -> Counts:
        """Give what is counted of a service on a transport, whichever its listeners are or were."""
        return self.counts.setdefault((service, transport), Counts())

    def configure(self, config: Config) -> None:
        """Take what `[server]` says of all services, at first or anew."""
        self.config = config
        server = config.server
        clock = cast(IReactorTime, self.reactor).seconds
        self.house.maxConnections = server.max_connections or descriptors()
        self.house.memory = MemoryBudget(server.memory_budget, clock) if server.memory_budget else lambda: None

    def protocolServices(self) -> list[ProtocolService]:
        """Give what is served."""
        return [each for each in self if isinstance(each, ProtocolService)]

    def privilegedStartService(self) -> None:
        """Open all listeners, or none."""
        try:
            super().privilegedStartService()
        except StartError as error:
            say(str(error))
            for service in self.protocolServices():
                service.closeListeners()
                service.stopFactory()
            raise

    def startService(self) -> None:
        """Serve newcomers."""
        super().startService()
        if self.node is not None:
            self.node.start()
        self.ready = True

    def port(self, service: str, transport: str) -> IListeningPort:
        """Give a service's first open port of a transport.

        @raise LookupError: there is none.
        """
        found = [each for each in self.protocolServices() if each.config.name == service]
        for listener in found[0].listeners() if found else ():
            if listener.transport == transport and listener.port is not None:
                return listener.port
        raise LookupError(f"{service} has no open {transport} listener")

    def abort(self) -> None:
        """Cut who is still there."""
        self.connections.abort()
        if self.node is not None:
            self.node.abort()

    def reload(self) -> list[str]:
        """Read the config again and take from it what can be changed; give lines that tell it.

        A lab that was not made from a file has none.
        """
        return ["reload: there is no config file"]

    def waiting(self, seconds: float) -> None:
        """Shutdown has to wait for peers, so many seconds at most."""

    def stopService(self) -> Deferred[None]:
        """Close the listeners, tell the peers, send what is owed; after `shutdown_timeout` cut who is left.

        The console stays until then.
        """
        self.ready = False
        if self.node is not None:
            self.node.leave()
        closed = DeferredList([each.stopAccepting() for each in self.protocolServices()], consumeErrors=True)

        def leave(_: object) -> Deferred[None]:
            # Not sooner: who waited to be accepted is here only now.
            if len(self.connections) or (self.node is not None and self.node.outbox.owed):
                self.waiting(self.config.server.shutdown_timeout)
            return self.leave(self.connections)

        begun = self.reactor.seconds()

        def letGo(result: object) -> object:
            if self.node is None or not self.running:
                return result
            return self.node.stop(max(1.0, begun + self.config.server.shutdown_timeout - self.reactor.seconds()))

        left = closed.addCallback(leave).addBoth(letGo)
        return cast("Deferred[None]", left.addBoth(lambda _: maybeDeferred(super(Lab, self).stopService)))

    def leave(self, connections: OpenConnections) -> Deferred[None]:
        """Have connections end well; after `shutdown_timeout` cut those that are left."""
        timeout = self.config.server.shutdown_timeout
        timer = self.reactor.callLater(timeout, connections.abort)

        def stopTimer(result: None) -> None:
            if timer.active():
                timer.cancel()

        return connections.goAway(self.reactor, min(_PATIENCE, timeout / 2)).addCallback(stopTimer)


def nodeOf(settings: EngineSettings, reactor: Any) -> Node:
    """Give a node that is yet to be started, on NATS."""
    # Imported late: nats-py is in the extra `cluster`.
    from .rooms.nats.engine import NatsEngine
    from .rooms.node import Node

    identity = secrets.token_hex(8)
    engine = NatsEngine(settings, identity, lambda: reactor._asyncioEventloop)
    return Node(engine, reactor, identity, settings.queue, lambda line: say(line, "rooms"))


class ProtocolService(MultiService):
    """One `[[service]]`: a Factory and its listeners."""

    def __init__(self, config: ServiceConfig, lab: Lab) -> None:
        super().__init__()
        self.config = config
        self._lab = lab
        self._clock = cast(IReactorTime, lab.reactor)
        self._factory = config.factory if hasattr(config.factory, "buildProtocol") else None
        self._isStarted = False
        self.leaving = False
        """Whether it is no longer of the config, and only its peers are left."""
        self.connections = OpenConnections(lab.connections)
        self.events = lab.events.branch()
        self._recording: Recording | None = None
        self._vanished = VanishedPeers(self.connections, self._clock, lambda: self.config.limits.keepalive)
        self.gate = Gate(config.access, config.limits, lab.house, self._clock.seconds, config.name)
        for listener in config.listeners:
            self.listenerService(config, listener).setServiceParent(self)

    def listenerService(self, config: ServiceConfig, listener: Listener) -> ListenerService:
        """Give a listener that is yet to be opened."""
        serving = Serving(
            service=config.name,
            factory=config.factory,
            events=self.events,
            clock=self._clock,
            gate=self.gate,
            limits=config.limits,
            counts=self._lab.countsOf(config.name, listener.listen.transport),
            counting=self._lab.counting,
            refusal=config.table.refusal,
            pages=pagesOf(listener.listen, config),
            encoding=listener.encoding,
            framing=listener.framing,
            closeTimeout=self._lab.config.server.shutdown_timeout,
            proxied=listener.listen.prefix == "haproxy",
            lines=listener.lines,
            connections=self.connections,
            udpPorts=self._lab.udpPorts,
        )
        return ListenerService(config, listener, serving, self._lab.ports)

    def privilegedStartService(self) -> None:
        """Start the Factory once, however many listeners it has, and open them.

        @raise StartError: it does not start.
        """
        if self._factory is not None and self._lab.serves:
            try:
                startFactory(self._factory, self._clock, self._spread if self._lab.node is not None else None)
            except (Exception, SystemExit) as error:
                why = ownLine(error, type(self._factory).__module__)
                raise StartError(f"{self.config.name}: startFactory failed: {why}") from None
            self._isStarted = True
        super().privilegedStartService()

    def _spread(self, factory: object) -> None:
        assert self._lab.node is not None
        spread(factory, self.config.name, self._lab.node, self._clock)

    def startService(self) -> None:
        """Begin to record, as the user that the process is by now, and to look for peers that vanish."""
        super().startService()
        self._record()
        self._vanished.start()

    def _record(self) -> None:
        record = self.config.record
        if self._recording is not None:
            self._recording.finish()
            self._recording = None
        if record is not None and self._lab.serves:
            name, reactor = self.config.name, self._lab.reactor
            counts = self._lab.recorded.setdefault(name, RecordCounts())
            recording = Recording(
                name, record, counts, self._localOf, lambda line: reactor.callFromThread(say, line)
            )
            recording.start(self.events)
            self._recording = recording

    def _localOf(self, peer: Peer) -> str:
        """Give where a datagram came to: the first of the service's ports with that kind of address."""
        ports = [each.port for each in self.listeners() if each.listener.listen.kind == "udp"]
        found = [addressText(each.getHost()) for each in ports if each is not None]
        return next((each for each in found if each.startswith("[") == (":" in peer.host)), "")

    def reopenRecord(self) -> None:
        """Go on in a file of the same name: what was written so far was moved away."""
        if self._recording is not None:
            self._recording.reopen()

    def reconfigure(
        self,
        config: ServiceConfig,
        kept: list[tuple[Listener, Listener]],
        opened: list[Listener],
        closed: list[Listener],
    ) -> None:
        """Take other rules, limits and listeners; whoever is here stays, and new limits hold for it too.

        @param config: with the Factory that there is.
        @param kept: listeners as they were, and as they are now.
        @raise StartError: a new listener cannot be opened; all else is done.
        """
        isRecordNew = config.record != self.config.record
        self.config = config
        if isRecordNew:
            self._record()
        self.gate.configure(config.access, config.limits)
        running = {id(each.listener): each for each in self.listeners()}
        for before, now in kept:
            running[id(before)].reconfigure(config, now)
        for listener in closed:
            running[id(listener)].disownServiceParent()
        for listener in opened:
            self._open(self.listenerService(config, listener))

    def _open(self, listener: ListenerService) -> None:
        try:
            listener.setServiceParent(self)
        except BaseException:
            listener.disownServiceParent()
            raise

    def openBeside(self, others: list[tuple[ListenerService, Listener]]) -> None:
        """Start to serve, on ports of others too; whom those have accepted stays with them.

        @param others: listeners of other services, each with that of this one which has its port now.
        @raise StartError: a listener cannot be opened; nothing has changed then.
        """
        ours = {id(each.listener): each for each in self.listeners()}
        for theirs, now in others:
            ours[id(now)].takeOver(theirs)
        try:
            self.setServiceParent(self._lab)
        except BaseException:
            for theirs, now in others:
                theirs.takeOver(ours[id(now)])
            self.disownServiceParent()
            raise

    def listeners(self) -> list[ListenerService]:
        """Give where it is served."""
        return [cast(ListenerService, each) for each in self]

    def stopAccepting(self) -> Deferred[Any]:
        """Take nobody new; who has come so far has."""
        return DeferredList([each.stopAccepting() for each in self.listeners()], consumeErrors=True)

    def closeListeners(self) -> Deferred[Any]:
        """Accept no more."""
        return DeferredList([each.close() for each in self.listeners()], consumeErrors=True)

    def drain(self) -> Deferred[Any]:
        """End it, while others are served: have its peers leave, then stop the Factory."""
        self.leaving = True
        closed = self.stopAccepting()
        closed.addCallback(lambda _: self._lab.leave(self.connections))
        return closed.addBoth(lambda _: self.disownServiceParent())

    def stopService(self) -> Deferred[Any]:
        """Stop the Factory when all is over."""
        self._vanished.stop()

        def stopFactory(result: object) -> object:
            self.stopFactory()
            self.events.leave()
            if self._recording is not None:
                self._recording.finish()
                self._recording.join()
            return result

        return maybeDeferred(super().stopService).addBoth(stopFactory)

    def stopFactory(self) -> None:
        """Stop the Factory, if it was started; that it fails to keeps nothing else from its end."""
        if self._isStarted:
            self._isStarted = False
            unspread(self._factory)
            try:
                cast(Any, self._factory).doStop()
            except Exception:
                _log.failure("{service}: stopFactory failed", service=self.config.name, log_system="socklab")
