"""The map of the program: options, config, listeners, one tree of services."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import ILogObserver
from twisted.python import usage

from .config import Config, ConfigError, loadConfig, loadLab, readConfig
from .config.anywhere import anywhere
from .events import Events
from .lab import Lab
from .listeners import StartError
from .log import BoundedObserver, Recorder, logObserver, say
from .reactor import choose
from .reload import reload
from .systemd import Notifier
from .taken import inUse, taken


class Options(usage.Options):
    """`twistd socklab [--config FILE] [--check] [--any-port] [--trace FORM]`."""

    synopsis = "[--config FILE] [--check] [--any-port] [--trace FORM]"
    longdesc = "Serves echo, line chat, one-shot and your own protocols over TCP, UDP and WebSocket."
    optParameters = [
        ["config", "c", None, "the config file (TOML); without one the built-in lab is served"],
        ["trace", None, None, "off, text or hex: whether the log shows each message, whatever the config says"],
    ]
    optFlags = [
        ["check", None, "check the config and exit: 0 when it is good, else 1"],
        ["any-port", None, "let the system choose each port (and a place for Unix sockets); the log says which"],
    ]
    config: Config

    def postOptions(self) -> None:
        """Check the config, before anything else happens, but on the reactor that it is to be served on."""
        if not self["check"]:
            # An author's module may import the reactor; then there is nothing left to choose.
            choose(self._needsLoop())
        try:
            self.config = self.load()
        except ConfigError as error:
            # A UsageError would put the help text on standard output instead.
            _complain(error.lines)
            raise SystemExit(1) from None
        if self["check"]:
            _complain([f"note: {line}" for line in inUse(self.config)])
            raise SystemExit(0)

    def _needsLoop(self) -> bool:
        """Tell whether the config names an engine for rooms; whether it is good shows later."""
        if self["config"] is not None:
            with suppress(ConfigError):
                return "rooms" in readConfig(Path(self["config"]))
        return False

    def load(self, again: bool = False) -> Config:
        """Read the config, now or again.

        @raise ConfigError: it is not good.
        """
        config = loadLab() if self["config"] is None else loadConfig(Path(self["config"]), again)
        if self.parent is not None and self.parent["syslog"] and config.server.log_format == "json":
            raise ConfigError(['--syslog: the log of [server] log_format = "json" cannot go there: use --logfile'])
        trace = self["trace"]
        if trace is None:
            return config
        if trace not in ("off", "text", "hex"):
            raise ConfigError([f'--trace: expected off, text or hex, got "{trace}"'])
        return replace(config, server=config.server.model_copy(update={"trace": trace}))


def makeService(options: Options) -> MultiService:
    """Give the tree of services that a config describes."""
    from twisted.internet import reactor

    if options.config.rooms is not None and not hasattr(reactor, "_asyncioEventloop"):
        name = type(reactor).__name__
        _complain(
            [f"[rooms] needs a reactor on asyncio, not {name}: leave out --reactor, or name uvloop or asyncio"]
        )
        raise SystemExit(1)
    folder = None
    if options["any-port"]:
        # Short: a Unix socket's path holds 107 bytes.
        folder = TemporaryDirectory(prefix="socklab-")
        options.config = anywhere(options.config, Path(folder.name))
    if lines := taken(options.config):
        # Now: twistd forks next, and from then on its parent can tell little.
        _complain(lines)
        raise SystemExit(1)
    _explainStartErrors()
    return LabProcess(options, cast("IReactorCore", reactor), folder)


class LabProcess(Lab):
    """The lab of a process of its own: it writes the log, and heeds signals."""

    def __init__(
        self, options: Options, reactor: IReactorCore, folder: TemporaryDirectory[str] | None = None
    ) -> None:
        """@param folder: removed in the end."""
        server, clock = options.config.server, cast(IReactorTime, reactor)
        self._recorder = Recorder(clock, server.trace, server.log_format)
        self._observer: BoundedObserver | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        super().__init__(options.config, reactor, Events())
        self._notifier = Notifier(clock, os.environ)
        self._folder = folder
        self._load = options.load
        self._twistd = options.parent
        self._reactor: Any = reactor

    def setServiceParent(self, parent: Any) -> None:
        """Have twistd write the log in a form of ours, unless it was told of another way."""
        twistd = self._twistd
        if twistd is not None and not twistd["syslog"] and not twistd["logger"]:
            # This is where twistd looks next, and it comes before the log begins.
            self._observer = logObserver(twistd, self.config.server.log_format, self._recorder.admits)
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def configure(self, config: Config) -> None:
        """Take what `[server]` says of the log, too."""
        super().configure(config)
        server = config.server
        self._recorder.configure(server.trace, server.log_format, server.peer_names)
        self._unsubscribe()
        self._unsubscribe = self.events.subscribe(
            self._recorder, traffic=server.trace != "off", arrivals=self._recorder.arrivals
        )
        if self._observer is not None:
            self._observer.configure(server.log_format)

    def startService(self) -> None:
        """Say so when all are open, and signals are heeded."""
        super().startService()
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        self._onSignal(self.reload, signal.SIGHUP)
        # What the program consists of stays. To look through its 70,000 objects for cycles takes 50 ms, and cost a
        # server of short connections a third of its time.
        gc.freeze()
        say("socklab ready", "ready")
        self._notifier.ready(self._status())

    def _status(self) -> str:
        services = self.protocolServices()
        count = sum(each.port is not None for service in services for each in service.listeners())
        return f"serving {', '.join(each.config.name for each in services)} at {count} listeners"

    def reload(self) -> list[str]:
        """Read the config again, and take from it what can be changed while peers stay."""
        self._notifier.reloading()
        for service in self.protocolServices():
            service.reopenRecord()
        try:
            config = self._load(again=True)
        except ConfigError as error:
            lines = [*error.lines, "reload: the config is not good: nothing has changed"]
        else:
            lines = [f"reload: {line}" for line in reload(self, config)]
        for line in lines:
            say(line, "reload")
        self._notifier.ready(self._status())
        return lines

    def stopService(self) -> Deferred[None]:
        """Stop, and leave nothing behind."""
        self._notifier.stopping(f"closes, within {self.config.server.shutdown_timeout:g} s")

        def cleanUp(_: None) -> None:
            self._notifier.stopped()
            self._recorder.close()
            if self._folder is not None:
                self._folder.cleanup()

        return super().stopService().addCallback(cleanUp)

    def waiting(self, seconds: float) -> None:
        """Have a second signal cut who is left; Twisted's own handler would complain that it stops already."""
        self._onSignal(self.abort, signal.SIGINT, signal.SIGTERM)
        say(f"waiting up to {seconds:g} s for peers to leave; a second signal ends it at once", "stopping")

    def _onSignal(self, call: Callable[[], object], *numbers: int) -> None:
        def handler(number: int, frame: object) -> None:
            self._reactor.callFromThread(call)

        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                # None stands for a handler that is not Python's.
                if signal.getsignal(number) is not None:
                    signal.signal(number, handler)


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
