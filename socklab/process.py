"""The lab of a process of its own."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import ILogObserver

from .config import Config, ConfigError
from .events import Events
from .lab import Lab
from .log import BoundedObserver, Recorder, logObserver, say
from .ports import Ports
from .reload import reload
from .systemd import Notifier

if TYPE_CHECKING:
    from .service import Options


class LabProcess(Lab):
    """The lab of a process of its own: it writes the log, and heeds signals."""

    def __init__(
        self,
        options: Options,
        reactor: IReactorCore,
        folder: TemporaryDirectory[str] | None = None,
        ports: Ports | None = None,
    ) -> None:
        """@param folder: removed in the end."""
        server, clock = options.config.server, cast(IReactorTime, reactor)
        self._recorder = Recorder(clock, server.trace, server.log_format)
        self._observer: BoundedObserver | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        super().__init__(options.config, reactor, Events(), ports)
        self._notifier = Notifier(clock, os.environ)
        self._folder = folder
        self._refused = False
        """Whether the config has changed since, and is not good."""
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

    def _heedReload(self) -> None:
        self._onSignal(self.reload, signal.SIGHUP)

    def _ready(self) -> None:
        self._heedReload()
        # What the program consists of stays. To look through its 70,000 objects for cycles takes 50 ms, and cost a
        # server of short connections a third of its time.
        gc.freeze()
        # It was not, while we started: see `socklab.starting`.
        gc.enable()
        self.whenServing(self._tellReady)

    def _tellReady(self) -> None:
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
            self._refused = True
            lines = [*error.lines, "reload: the config is not good: nothing has changed"]
        else:
            self._refused = False
            lines = [f"reload: {line}" for line in self.take(config)]
        for line in lines:
            say(line, "reload", "error" if self._refused else "info")
        self._reloaded()
        return lines

    def _reloaded(self) -> None:
        """The config was read again, and taken if it is good."""
        refused = "; the config has changed and is not good: see the log" if self._refused else ""
        self._notifier.ready(f"{self._status()}{refused}")

    def take(self, config: Config) -> list[str]:
        """Take from a config what can be changed while peers stay; give lines that tell it."""
        return [*reload(self, config)]

    def stopService(self) -> Deferred[None]:
        """Stop, and leave nothing behind."""
        self._notifier.stopping(self.config.server.shutdown_timeout)

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
