"""One `[[service]]` while it runs: its Factory, its listeners, and who is connected to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .about import addressText
from .blame import ownLine
from .config import Listener
from .config import Service as ServiceConfig
from .counts import RecordCounts
from .listeners import ListenerService, StartError, pagesOf
from .log import say
from .message import Peer, startFactory
from .policy.gate import Gate
from .records.recording import Recording
from .rooms.spread import spread, unspread
from .transports.serving import OpenConnections, Serving
from .transports.vanished import VanishedPeers

if TYPE_CHECKING:
    from .lab import Lab

_log = Logger(namespace="socklab")


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
