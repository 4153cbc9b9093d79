"""The tree of services: a lab, its services (`protocol_service`), their listeners (`listeners`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTime

from .config import Config, Console
from .counts import Counts, RecordCounts
from .events import Events
from .listeners import StartError
from .log import say
from .policy.gate import House
from .policy.house import MemoryBudget, descriptors
from .ports import OwnPorts, Ports
from .protocol_service import ProtocolService
from .transports.serving import OpenConnections

if TYPE_CHECKING:
    from twisted.web.resource import Resource

    from .console import ConsoleService
    from .console.desk import Desk
    from .metrics.lag import ReactorLag
    from .policy.access import Access
    from .rooms.node import Node
    from .rooms.settings import EngineSettings

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
        """Whether newcomers are served: all listeners are open, rooms know their past, and it does not stop."""
        self._stopping = False
        self._serving: Deferred[None] = succeed(None)
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
            say(str(error), level="error")
            for service in self.protocolServices():
                service.closeListeners()
                service.stopFactory()
            raise

    def startService(self) -> None:
        """Serve newcomers."""
        super().startService()
        if self.node is None:
            self.ready = True
            return
        self.node.start()

        def begun(_: None) -> None:
            self.ready = not self._stopping

        # Whoever comes sooner is served, too, but shown what was said before only by then.
        self._serving = self.node.begun().addCallback(begun)

    def whenServing(self, call: Callable[[], None]) -> None:
        """Call something when the rooms know their past, which may be now; not when it stops before."""
        self._serving.addCallback(lambda _: None if self._stopping else call())

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
        self._stopping = True
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
