"""The console's port."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from ..config.console import NO_METRICS, Console
from ..limits import Limits
from ..listeners import StartError, startLine
from ..log import say
from ..message import FactoryLike
from ..metrics.lag import ReactorLag
from ..policy.access import Access
from ..policy.gate import Gate, House
from ..policy.origin import PagePolicy, isLoopbackName
from ..transports.listen import Listen, endpointOf, parseListen, whereOf
from ..transports.serving import Serving
from .api import Api
from .door import Door, Role, Session
from .files import putFiles
from .pages import pagesOf
from .site import ConsoleSite

if TYPE_CHECKING:
    from ..lab import Lab

_log: Final = Logger(namespace="socklab")

NAME: Final = "console"
"""What the log calls it."""


class ConsoleService(Service):
    """Opens the port with the others, and keeps it until all peers have left."""

    def __init__(self, config: Console, lab: Lab) -> None:
        self.config = config
        self._lab = lab
        self._lag = ReactorLag(lab.reactor)
        self._door = Door(lab.reactor.seconds)
        self._door.configure(config)
        self._desk = lab.makeDesk(self._lag, Access(config.outbound))
        self._site: ConsoleSite | None = None
        self._socket: IListeningPort | None = None
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Open the port.

        @raise StartError: it cannot be opened.
        """
        super().privilegedStartService()
        lab, config = self._lab, self.config
        root = pagesOf(lab, self._lag, config.metrics is True)
        if config.metrics is None:
            say(f"{NAME}: no metrics: {NO_METRICS}")
        root.putChild(b"api", Api(self._desk, self._door, lab.reactor))
        putFiles(root, self._sockets)
        self._site = ConsoleSite(root, _policy(config), lab.reactor)
        if config.socket is not None:
            self._openSocket(config.socket)
        self._open(config.listen)

    def _open(self, listen: Listen) -> None:
        site, reactor, failures = self._site, self._lab.reactor, list[Failure]()
        assert site is not None
        serving = _serving(site, self._lab)

        def listening() -> Deferred[IListeningPort]:
            return endpointOf(listen, reactor, lambda: serving).listen(site)

        maybeDeferred(listening).addCallback(self._opened, listen).addErrback(failures.append)
        if failures:
            assert failures[0].value is not None
            raise StartError(startLine(NAME, listen, failures[0].value)) from None

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

    def _opened(self, port: IListeningPort, listen: Listen) -> None:
        self.port = port
        self.config = replace(self.config, listen=listen)
        where, transport = whereOf(port.getHost()), self.config.transport
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
        scheme = self.config.transport
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
        """Take other names by which it may be asked for, other tokens, another certificate, and another place.

        Who is in by a token that is still good stays in, and goes on looking.

        @raise StartError: it cannot listen there, and stays where it is; all else is done.
        """
        before, made = self.config.listen, self._door.made
        self.config = replace(config, listen=before)
        self._door.configure(config)
        self._desk.clients.outbound = Access(config.outbound)
        isMoved = config.listen.text != before.text
        if self._door.made is not made and not isMoved and self.port is not None:
            self._sayTokens()
        try:
            if isMoved:
                self._move(config.listen)
            elif before.certificate is not None and config.listen.certificate is not None:
                before.certificate.renew(config.listen.certificate)
        finally:
            if self._site is not None:
                self._site.pages = _policy(self.config)

    def _move(self, listen: Listen) -> None:
        """Listen elsewhere. Requests that have begun, and the pages that look, live on where they came in."""
        old, before = self.port, self.config.listen
        if old is None:
            return
        port = getattr(old.getHost(), "port", 0)
        if not listen.conflicts(before.at(port, before.path or Path())):
            self._open(listen)
            self._moved(old)
            return
        # Both cannot be open at once: as TLS begins on the same port, say.
        closed = maybeDeferred(cast(Any, old.stopListening))
        closed.addCallback(lambda _: self._openOr(listen, before)).addErrback(_failed)

    def _openOr(self, listen: Listen, before: Listen) -> None:
        if not self.running:
            return
        try:
            self._open(listen)
        except StartError as error:
            say(str(error))
            self._open(before)
        assert self._site is not None
        self._site.pages = _policy(self.config)
        self._tellMoved()

    def _moved(self, old: IListeningPort) -> None:
        maybeDeferred(cast(Any, old.stopListening)).addErrback(_failed)
        self._tellMoved()

    def _tellMoved(self) -> None:
        assert self.port is not None
        self._desk.moved(self.config.transport, whereOf(self.port.getHost()))

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


def _failed(failure: Failure) -> None:
    _log.failure("the console failed", failure)


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
