"""The console's port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure

from ..config.console import Console
from ..limits import Limits
from ..listeners import StartError, startLine
from ..log import say
from ..message import FactoryLike
from ..metrics.lag import ReactorLag
from ..policy.access import Access
from ..policy.gate import Gate, House
from ..policy.origin import PagePolicy, isLoopbackName
from ..transports.listen import endpointOf, whereOf
from ..transports.serving import Serving
from .pages import pagesOf
from .site import ConsoleSite

if TYPE_CHECKING:
    from ..lab import Lab

NAME: Final = "console"
"""What the log calls it."""


class ConsoleService(Service):
    """Opens the port with the others, and keeps it until all peers have left."""

    def __init__(self, config: Console, lab: Lab) -> None:
        self._config = config
        self._lab = lab
        self._lag: ReactorLag | None = None
        self._site: ConsoleSite | None = None
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Open the port.

        @raise StartError: it cannot be opened.
        """
        super().privilegedStartService()
        lab, config = self._lab, self._config
        if config.metrics:
            self._lag = ReactorLag(lab.reactor)
        self._site = ConsoleSite(pagesOf(lab, self._lag), _policy(config), lab.reactor)
        failures: list[Failure] = []
        serving = _serving(self._site, lab)
        endpoint = endpointOf(config.listen, lab.reactor, lambda: serving)
        opened = cast(Any, endpoint.listen(self._site))
        opened.addCallback(self._opened).addErrback(failures.append)
        if failures:
            assert failures[0].value is not None
            raise StartError(startLine(NAME, config.listen, failures[0].value)) from None

    def _opened(self, port: IListeningPort) -> None:
        self.port = port
        where, transport = whereOf(port.getHost()), self._config.transport
        say(f"{NAME}: {transport} {where}", "listening", service=NAME, transport=transport, where=where)

    @property
    def hasMetrics(self) -> bool:
        """Whether messages have to be counted."""
        return self._config.metrics

    def reconfigure(self, config: Console) -> None:
        """Take other names by which it may be asked for."""
        self._config = config
        if self._site is not None:
            self._site.pages = _policy(config)

    def startService(self) -> None:
        """Begin to look how late the reactor is."""
        super().startService()
        if self._lag is not None:
            self._lag.start()

    def stopService(self) -> Deferred[None]:
        """Close the port."""
        super().stopService()
        if self._lag is not None:
            self._lag.stop()
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(cast(Any, port.stopListening))


def _serving(site: ConsoleSite, lab: Lab) -> Serving:
    """Give what TLS wants to know of whom it shakes hands for: how long that may take, and who is told."""
    limits, clock = Limits(), lab.reactor
    gate = Gate(Access(["allow all"]), limits, House(), clock.seconds)
    return Serving(NAME, cast(FactoryLike, site), lab.events, clock, gate, limits)


def _policy(config: Console) -> PagePolicy:
    listen = config.listen
    return PagePolicy(
        hosts=config.hosts,
        names=listen.certificate.names if listen.certificate else [],
        loopback=isLoopbackName(listen.interface.partition("%")[0]),
        behindProxy=listen.path is not None,
    )
