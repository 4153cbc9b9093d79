"""A worker: does what the parent says, and ends when the parent is gone."""

from __future__ import annotations

import gc
import signal
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger, globalLogBeginner

from ..config import Config, ConfigError, loadConfig
from ..config.trace import withTrace
from ..listeners import StartError
from ..plan import plan
from ..policy.gate import House
from ..reload import reload
from ..source import Given, reading
from ..transports.serving import NUMBERS
from .channel import Channel, Told, connect
from .lab import WorkerLab, fitted, withRecords
from .page import Page, Shared
from .passed import PassedPorts, Turns, leadOf
from .retold import Telling

if TYPE_CHECKING:
    from .pages import WorkerConsole

_log: Final = Logger(namespace="socklab")

_CHANNEL: Final = 3
"""The descriptor on which the parent speaks."""


class Worker:
    """The process."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._reactor: Any = _reactor
        self._turns = Turns(self._reactor, self._lead)
        self._ports = PassedPorts(self._reactor, self._turns)
        self._channel = Channel(self._reactor, self._heard)
        self._channel.lost = self._orphaned
        self._telling = Telling(self._channel)
        self._lab: WorkerLab | None = None
        self._console: WorkerConsole | None = None
        self._shared: Shared | None = None
        self._stopping = False
        self._status = 0
        self._does: dict[str, Callable[[Told, list[int]], object]] = {
            "serve": self._serve,
            "reload": self._reload,
            "reopen": self._reopen,
            "answer": lambda told, descriptors: self._channel.tell({"is": "there"}),
            "drain": lambda told, descriptors: self._stop(),
            "abort": lambda told, descriptors: self._abort(),
        }

    def run(self) -> None:
        """Serve, until it is told to end."""
        globalLogBeginner.beginLoggingTo([self._telling])
        connect(self._reactor, _CHANNEL, self._channel)
        self._reactor.callWhenRunning(self._heedSignals)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._leave)
        self._reactor.run()
        raise SystemExit(self._status)

    def _heedSignals(self) -> None:
        # A terminal's Ctrl-C, and its end, reach all processes of a group: the parent says what becomes of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: self._reactor.callFromThread(self._stop))

    def _heard(self, told: Told, descriptors: list[int]) -> None:
        try:
            self._do(told, descriptors)
        except Exception:
            # Whatever that was, another worker may do better.
            _log.failure("a worker failed", log_system="socklab")
            self._status = 1
            self._stop()

    def _do(self, told: Told, descriptors: list[int]) -> None:
        if "ask" in told:
            console = self._console if told["do"] != "taken" else None
            result = console.answer(told) if console is not None else None
            self._channel.tell({"answer": told["ask"], "result": result})
        elif told["do"] in self._does:
            self._does[told["do"]](told, descriptors)
        elif self._console is not None:
            self._console.hear(told)

    def _load(self, told: Told) -> Config:
        files = {name: b64decode(data) for name, data in told["files"].items()}
        with reading(Given(files)):
            config = loadConfig(Path(told["path"]), again=True)
        return withTrace(config, told["trace"])

    def _serve(self, told: Told, descriptors: list[int]) -> None:
        page = Page(descriptors.pop(0))
        shared = self._shared = Shared(page, self._number, bytes.fromhex(told["key"]))
        NUMBERS.next = shared.newConnection
        self._share(told, descriptors)
        house = House()
        house.shared = shared
        try:
            config = fitted(self._load(told), self._number, self._ports)
            lab = self._lab = WorkerLab(config, self._reactor, self._ports, house)
            self._telling.admits = lab.admits
            lab.privilegedStartService()
        except (ConfigError, StartError) as error:
            self._lab = None
            self._channel.tell({"is": "wrong", "lines": getattr(error, "lines", [str(error)])})
            self._status = 1
            self._stop()
            return
        if lab.counting:
            # Imported late: it brings twisted.web along.
            from .pages import WorkerConsole

            self._console = WorkerConsole(lab, self._channel)
        lab.startService()
        # What the program consists of is no garbage, and to look through it again and again takes 50 ms each time.
        gc.freeze()
        gc.enable()
        shared.serve(True)
        lab.whenServing(lambda: self._channel.tell({"is": "serving"}))

    def _lead(self) -> int:
        shared = self._shared
        return leadOf(shared.here(), shared.elsewhere()) if shared is not None else 0

    def _share(self, told: Told, descriptors: list[int]) -> None:
        assert self._shared is not None
        self._shared.columns.update(told["columns"])
        self._shared.processes = told["workers"]
        for (service, text), descriptor in zip(told["sockets"], descriptors, strict=True):
            self._ports.add(service, text, descriptor)

    def _reload(self, told: Told, descriptors: list[int]) -> None:
        if self._lab is None:
            return
        self._share(told, descriptors)
        lab = self._lab
        try:
            config = withRecords(self._load(told), self._number)
            # The parent has told the plan; what cannot be carried out may be so here only.
            expected = {*plan(lab.config, config, lab.ports.probe).lines()}
            lines = [line for line in reload(lab, config) if line not in expected]
        except ConfigError as error:
            lines = error.lines
        if lines:
            self._channel.tell({"is": "wrong", "lines": lines})

    def _reopen(self, told: Told, descriptors: list[int]) -> None:
        for service in self._lab.protocolServices() if self._lab is not None else ():
            service.reopenRecord()

    # The end

    def _orphaned(self) -> None:
        # Nobody is there to read a log.
        self._stop()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._reactor.callWhenRunning(self._reactor.stop)

    def _abort(self) -> None:
        if self._lab is not None:
            self._lab.abort()

    def _leave(self) -> Deferred[Any]:
        self._stopping = True
        if self._shared is not None:
            self._shared.serve(False)
        self._turns.over = True
        lab = self._lab
        left = maybeDeferred(lab.stopService) if lab is not None else maybeDeferred(lambda: None)
        return left.addBoth(self._last)

    def _last(self, _: object) -> Deferred[None] | None:
        """Have all that was said reach the parent."""
        if self._lab is not None:
            self._lab.close()
        if self._console is not None:
            self._console.stop()
        if not self._channel.isOpen:
            return None
        told: Deferred[None] = Deferred()
        self._channel.lost = lambda: told.callback(None)
        transport: Any = self._channel.transport
        transport.unregisterProducer()
        transport.loseConnection()
        return told
