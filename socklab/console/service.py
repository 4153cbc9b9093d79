"""The console's port."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from ..config.console import Console
from ..limits import Limits
from ..listeners import StartError, startLine
from ..log import say
from ..message import FactoryLike
from ..metrics.lag import ReactorLag
from ..policy.access import Access
from ..policy.gate import Gate, House
from ..policy.origin import PagePolicy, isLoopbackName
from ..transports.listen import endpointOf, parseListen, whereOf
from ..transports.serving import Serving
from .api import Api
from .desk import Desk
from .door import Door, Role, Session
from .files import putFiles
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
        self._lag = ReactorLag(lab.reactor)
        self._door = Door(lab.reactor.seconds)
        self._door.configure(config)
        self._desk = Desk(lab, self._lag, Access(config.outbound))
        self._site: ConsoleSite | None = None
        self._socket: IListeningPort | None = None
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Open the port.

        @raise StartError: it cannot be opened.
        """
        super().privilegedStartService()
        lab, config = self._lab, self._config
        root = pagesOf(lab, self._lag, config.metrics)
        root.putChild(b"api", Api(self._desk, self._door, lab.reactor))
        putFiles(root, self._sockets)
        self._site = ConsoleSite(root, _policy(config), lab.reactor)
        if config.socket is not None:
            self._openSocket(config.socket)
        failures: list[Failure] = []
        serving = _serving(self._site, lab)
        endpoint = endpointOf(config.listen, lab.reactor, lambda: serving)
        opened = cast(Any, endpoint.listen(self._site))
        opened.addCallback(self._opened).addErrback(failures.append)
        if failures:
            assert failures[0].value is not None
            raise StartError(startLine(NAME, config.listen, failures[0].value)) from None

    def _openSocket(self, path: Path) -> None:
        """Open the Unix socket for `socklab console`: the system says who may open the file.

        @raise StartError: it cannot be opened.
        """
        root = Resource()
        terminal = Session(Role.OPERATOR, 0, "terminal")
        root.putChild(b"api", Api(self._desk, self._door, self._lab.reactor, terminal))
        assert self._site is not None
        root.putChild(b"status", self._site.resource.children[b"status"])
        site = ConsoleSite(root, PagePolicy(behindProxy=True), self._lab.reactor)
        try:
            # With a lock file, so that a socket that a crash has left is known as such.
            self._socket = self._lab.reactor.listenUNIX(str(path), site, mode=0o600, wantPID=True)
        except (CannotListenError, OSError) as error:
            listen = parseListen(f"unix:{quoteStringArgument(str(path))}", path.parent)
            raise StartError(startLine(NAME, listen, error)) from None
        say(f"{NAME}: socket {path}", "listening", service=NAME, transport="unix", where=str(path))

    def _opened(self, port: IListeningPort) -> None:
        self.port = port
        where, transport = whereOf(port.getHost()), self._config.transport
        say(f"{NAME}: {transport} {where}", "listening", service=NAME, transport=transport, where=where)
        self._sayTokens()

    def _sayTokens(self) -> None:
        """Say how to come in, unless the operator has chosen the tokens."""
        assert self.port is not None
        where = whereOf(self.port.getHost())
        for role, token in self._door.made.items():
            # What stands behind # is not sent, and so is in no proxy's log.
            verb = {Role.OPERATOR: "operate", Role.VIEWER: "look"}[role]
            say(f"{NAME}: {verb} {self._url(where)}#{token}", "token", role=role.name.lower(), token=token)

    def _url(self, where: str) -> str:
        scheme = self._config.transport
        return f"{scheme}://{where}/" if scheme in ("http", "https") else where

    def _sockets(self, request: Any) -> str:
        """Give which WebSockets the page may open: those of this server, by the name that it was asked for."""
        host = request.getRequestHostname().decode("ascii", "replace")
        host = f"[{host}]" if ":" in host else host
        ports = {
            (each.transport, cast(Any, each.port.getHost()).port)
            for service in self._lab.protocolServices()
            for each in service.listeners()
            if each.port is not None and each.transport in ("ws", "wss")
        }
        return "".join(f" {scheme}://{host}:{port}" for scheme, port in sorted(ports))

    def reconfigure(self, config: Console) -> None:
        """Take other names by which it may be asked for, and other tokens."""
        self._config = config
        made = self._door.made
        self._door.configure(config)
        self._desk.clients.outbound = Access(config.outbound)
        if self._door.made is not made and self.port is not None:
            self._sayTokens()
        if self._site is not None:
            self._site.pages = _policy(config)

    def startService(self) -> None:
        """Begin to look how late the reactor is."""
        super().startService()
        self._lag.start()

    def stopService(self) -> Deferred[None]:
        """Close the port."""
        super().stopService()
        self._lag.stop()
        self._desk.stop()
        ports = [each for each in (self.port, self._socket) if each is not None]
        self.port = self._socket = None
        closed = [maybeDeferred(cast(Any, each.stopListening)) for each in ports]
        return cast("Deferred[None]", DeferredList(closed, consumeErrors=True))


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
