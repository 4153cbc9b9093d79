"""A base class for trial: tests that start whole configs in trial's own reactor."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.trial.unittest import TestCase

from ..config import loadConfig
from ..config.anywhere import anywhere
from ..events import Event, Events
from .transcript import Entry, fromEvents

_PATIENCE = 1.0


class RunningConfig:
    """A config that is being served, each port of it one that the system chose."""

    def __init__(self, path: Path, reactor: Any) -> None:
        """@raise socklab.config.ConfigError: the config is not good.
        @raise socklab.listeners.StartError: a listener cannot be opened.
        """
        from ..lab import Lab

        events = Events()
        events.subscribe(self._observe, traffic=True)
        self._events: list[Event] = []
        self._reactor = reactor
        self._folder = TemporaryDirectory(prefix="socklab-")
        config = replace(anywhere(loadConfig(path), Path(self._folder.name)), console=None)
        self._lab = Lab(config, reactor, events)
        self._lab.privilegedStartService()
        self._lab.startService()

    def port(self, service: str, transport: str = "tcp") -> IListeningPort:
        """Give a service's first open port of a transport.

        @param transport: as in the start line: `tcp`, `tls`, `unix`, `udp`, `ws`, `wss`.
        @raise LookupError: there is none.
        """
        return self._lab.port(service, transport)

    def address(self, service: str, transport: str = "tcp") -> tuple[str, int]:
        """Give where it can be reached.

        @raise LookupError: there is none.
        """
        host = self.port(service, transport).getHost()
        return getattr(host, "host", "").replace("0.0.0.0", "127.0.0.1"), getattr(host, "port", 0)

    def path(self, service: str, transport: str = "unix") -> Path:
        """Give where a service's first Unix socket is.

        @raise LookupError: there is none.
        """
        name: bytes = getattr(self.port(service, transport).getHost(), "name", b"")
        return Path(name.decode())

    def transcript(self, service: str) -> list[Entry]:
        """Give what has happened between a service and its peers."""
        return [*fromEvents(self._events, service)]

    def stop(self) -> Deferred[None]:
        """Stop serving; peers that are still there a second later are cut."""
        timer = self._reactor.callLater(_PATIENCE, self._lab.abort)

        def stopped(result: None) -> None:
            if timer.active():
                timer.cancel()
            self._folder.cleanup()

        return self._lab.stopService().addCallback(stopped)

    def _observe(self, event: Event) -> None:
        self._events.append(event)


class ConfigTestCase(TestCase):
    """Tests of whole configs."""

    _folder = Path()

    def __init_subclass__(cls) -> None:
        """Remember where the test's file is: its name may be relative, and trial goes elsewhere to run it."""
        super().__init_subclass__()
        cls._folder = Path(sys._getframe(1).f_code.co_filename).resolve().parent

    def serve(self, config: str | Path) -> RunningConfig:
        """Serve a config until the test is over.

        @param config: its path, relative to the folder of the test's file.
        """
        from twisted.internet import reactor

        running = RunningConfig(self._folder / config, reactor)
        self.addCleanup(running.stop)
        return running
