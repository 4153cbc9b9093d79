"""The parent of workers: it opens the ports, writes the log, has the console, and serves nobody itself."""

from __future__ import annotations

import atexit
import os
from base64 import b64encode
from collections.abc import Iterator
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorCore

from ..config import Config
from ..config.workers import workersOf
from ..log import say
from ..policy.house import descriptors
from ..process import LabProcess
from ..transports.serving import OpenConnections
from .channel import Told
from .crew import Crew
from .held import HeldDatagrams, HeldPorts, HeldStream, heldBy
from .member import tell
from .page import FIRST, HOUSE, Page, newPage
from .retold import retell

if TYPE_CHECKING:
    from twisted.web.resource import Resource

    from ..console.desk import Desk
    from ..metrics.lag import ReactorLag
    from ..policy.access import Access
    from ..service import Options
    from .desk import WorkersDesk

_REACTORS: Final = {
    "UvloopReactor": "uvloop",
    "AsyncioSelectorReactor": "asyncio",
    "EPollReactor": "epoll",
    "PollReactor": "poll",
    "SelectReactor": "select",
}
"""What twistd calls the reactors, by their classes: workers have the same as the parent."""


class WorkersLab(LabProcess):
    """The lab of a process whose workers serve."""

    serves = False

    def __init__(
        self, options: Options, reactor: IReactorCore, folder: TemporaryDirectory[str] | None = None
    ) -> None:
        """@param folder: removed in the end."""
        self._options = options
        self._memory = newPage()
        self._page = Page(self._memory)
        self._key = token_hex(32)
        self._columns: dict[str, int] = {}
        self._handed: list[HeldStream | HeldDatagrams] = []
        kind = _REACTORS.get(type(reactor).__name__, "default")
        self.crew = Crew(reactor, self, kind, options.modules)
        count = workersOf(options.config.server)
        self._held = HeldPorts(reactor, count)
        self._begun = False
        self._desk: WorkersDesk | None = None
        super().__init__(options, reactor, folder, self._held)

    def makeDesk(self, lag: ReactorLag, outbound: Access) -> Desk:
        """Give what the console shows: the workers."""
        from .desk import WorkersDesk

        self._desk = WorkersDesk(self, lag, outbound)
        return self._desk

    def makeMetrics(self, lag: ReactorLag) -> Resource:
        """Give the page of metrics: those of the workers."""
        from .metrics import WorkersMetricsPage

        return WorkersMetricsPage(self, lag)

    def makeStatus(self) -> Resource:
        """Give the page that tells all at one look."""
        from .status import WorkersStatusPage

        return WorkersStatusPage(self)

    def configure(self, config: Config) -> None:
        """Take what `[server]` says."""
        super().configure(config)
        server = config.server
        self.house.maxConnections = server.max_connections or descriptors() * workersOf(server)
        self.crew.watchdog.patience = server.worker_watchdog
        self._nameColumns(config)

    def _nameColumns(self, config: Config) -> None:
        for service in config.services:
            self._columns.setdefault(service.name, FIRST + len(self._columns))

    # Start and end

    def startService(self) -> None:
        """Open what is yet to be opened; newcomers are served when the workers are there."""
        super().startService()
        self.ready = False

    def _ready(self) -> None:
        self._heedReload()
        self._page.top = self._held.workers
        self.crew.resize(self._held.workers)

    def accepts(self, worker: int) -> bool:
        """Tell whether a worker takes newcomers (`Host`)."""
        return self._page.accepts(worker)

    def served(self, worker: int) -> None:
        """A worker has told that it serves now (`Host`)."""
        self._look()
        if self._desk is not None:
            self._desk.served(worker)
        if not self._begun and not self._stopping and not self.missing:
            self._begun = self.ready = True
            super()._ready()

    def died(self, worker: int) -> None:
        """A worker has ended (`Host`)."""
        self._page.clear(worker)
        if self._desk is not None:
            self._desk.died(worker)
        self._look()

    def _look(self) -> None:
        numbers = self.crew.missing()
        several = "s" if len(numbers) > 1 else ""
        self.missing = f"worker{several} {', '.join(map(str, numbers))} of {self.crew.count}" if numbers else ""
        if self._begun and not self._stopping:
            # The others serve whoever comes.
            self.ready = len(numbers) < self.crew.count

    def failed(self, why: str) -> None:
        """The start has failed (`Host`)."""
        if not self._stopping:
            self._stopping = True
            say(why, level="error")
            # twistd has no way to end with a status; when it is done this is the last that is called.
            atexit.register(os._exit, 1)
            self._reactor.stop()

    def leave(self, connections: OpenConnections) -> Deferred[None]:
        """Have the workers let their peers leave."""
        if connections is not self.connections:
            # Of a service that is gone: the workers know it, too.
            return super().leave(connections)
        self._stopping = True
        timeout = self.config.server.shutdown_timeout
        if self._page.sum(HOUSE):
            self.waiting(timeout)
        return self.crew.stop(timeout)

    def abort(self) -> None:
        """Cut who is still there."""
        self.crew.tell({"do": "abort"})

    def _status(self) -> str:
        return f"{super()._status()}, {self.crew.count} workers"

    # What workers serve

    def order(self, worker: int) -> tuple[Told, list[int]]:
        """Give what a new worker is told (`Host`)."""
        sockets = [*self._sockets()]
        self._handed = [port for _, _, port in sockets]
        told = {
            **self._told(),
            "do": "serve",
            "key": self._key,
            "sockets": [(service, text) for service, text, _ in sockets],
        }
        return told, [self._memory, *(port.of(worker) for _, _, port in sockets)]

    def _told(self) -> Told:
        options = self._options
        return {
            "path": options.path,
            "trace": options["trace"],
            "files": {name: b64encode(data).decode() for name, data in options.files.items()},
            "columns": self._columns,
            "workers": self.crew.count,
        }

    def _sockets(self) -> Iterator[tuple[str, str, HeldStream | HeldDatagrams]]:
        for service in self.protocolServices():
            if not service.leaving:
                for listener, port in heldBy(iter(service.listeners())):
                    yield service.config.name, listener.listener.listen.text, port

    def reload(self) -> list[str]:
        """Read the config again, and have the workers take from it what can be changed while peers stay."""
        self.crew.tell({"do": "reopen"})
        return super().reload()

    def take(self, config: Config) -> list[str]:
        """Take what a config says, and have the workers take it."""
        # Of those too that cannot be opened here: the workers plan for themselves.
        self._nameColumns(config)
        lines = super().take(config)
        count = workersOf(self.config.server)
        if count > self._held.workers:
            count = self._grow(count, lines)
        self._held.workers = count
        self._page.top = count
        self.crew.count = count
        sockets = [each for each in self._sockets() if each[2] not in self._handed]
        told = {**self._told(), "do": "reload", "sockets": [(service, text) for service, text, _ in sockets]}
        for number, member in self.crew.members.items():
            if number <= count:
                member.channel.tell(told, [port.of(number) for _, _, port in sockets])
        self._handed = [port for _, _, port in self._sockets()]
        self.crew.resize(count)
        for port in self._handed:
            port.resize(count)
        self._look()
        return lines

    def _reloaded(self) -> None:
        if not self._begun:
            # It is told when they serve.
            return
        # They answer when they have taken it.
        asked = [answer for _, answer in self.crew.ask({"do": "taken"})]
        DeferredList(asked, consumeErrors=True).addCallback(lambda _: super(WorkersLab, self)._reloaded())

    def _grow(self, count: int, lines: list[str]) -> int:
        """Have a socket for each worker on each port of datagrams; give how many workers that allows."""
        try:
            for _, _, port in self._sockets():
                port.resize(count)
        except OSError as error:
            lines.append(f"! [server]: workers: needs a restart: {(error.strerror or str(error)).lower()}")
            return self._held.workers
        return count

    def heard(self, worker: int, told: Told) -> None:
        """A worker has told something (`Host`)."""
        if "page" in told:
            if self._desk is not None:
                self._desk.told(worker, told["page"], told["lines"])
        elif "log" in told:
            if told["lost"]:
                tell(worker, f"worker {worker}: {told['lost']} lines were lost")
            retell(told["log"], worker)
        elif told.get("is") == "wrong":
            for line in told["lines"]:
                tell(worker, f"worker {worker}: {line}")
