"""The map of the program: options, config, listeners, one tree of services."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.interfaces import IReactorCore
from twisted.python import usage

from .config import Config, ConfigError, loadConfig, loadLab, readConfig
from .config.anywhere import anywhere
from .config.trace import withTrace
from .config.workers import workersOf
from .listeners import StartError
from .log.journal import Level, isJournal, marked
from .process import LabProcess
from .reactor import choose
from .source import Remembered, reading
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
    files: Mapping[str, bytes] = {}
    """What it was read from, where workers have to read it too."""
    modules = tuple(sys.path)
    """Where modules are looked for, before a config brings its folder along."""
    path = ""
    """Where it is, then; a daemon may go elsewhere."""

    def postOptions(self) -> None:
        """Check the config, before anything else happens, but on the reactor that it is to be served on."""
        if not self["check"]:
            # An author's module may import the reactor; then there is nothing left to choose.
            choose(self._needsLoop())
        # systemd sets it for commands of ExecReload=, which may not read the credentials that the server has read
        # (LoadCredential=; seen with 252 and 262).
        again = self["check"] and "MAINPID" in os.environ
        try:
            self.config = self.load(again)
        except ConfigError as error:
            # A UsageError would put the help text on standard output instead.
            _complain(error.lines)
            raise SystemExit(1) from None
        if self["check"]:
            _complain([f"note: {line}" for line in inUse(self.config)], "info")
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
        read = Remembered(self.files)
        with reading(read):
            config = loadLab() if self["config"] is None else loadConfig(Path(self["config"]), again)
        if workersOf(config.server) > 1:
            self.files = read.files
            self.path = self.path or os.path.abspath(self["config"])
        if self.parent is not None and self.parent["syslog"] and config.server.log_format == "json":
            raise ConfigError(['--syslog: the log of [server] log_format = "json" cannot go there: use --logfile'])
        return withTrace(config, self["trace"])


def makeService(options: Options) -> MultiService:
    """Give the tree of services that a config describes."""
    from twisted.internet import reactor

    rooms = options.config.rooms
    if rooms is not None and not hasattr(reactor, "_asyncioEventloop"):
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
    if rooms is not None:
        # Imported late: nats-py is in the extra `cluster`.
        from .rooms.nats.look import look

        try:
            lines = look(rooms)
        except KeyboardInterrupt:
            raise SystemExit(128 + signal.SIGINT) from None
        if lines:
            _complain([f"{options['config']}: rooms.engine: {line}" for line in lines])
            raise SystemExit(1)
    _explainStartErrors()
    if workersOf(options.config.server) > 1:
        # Imported late: most have one process.
        from .workers.parent import WorkersLab

        return WorkersLab(options, cast("IReactorCore", reactor), folder)
    return LabProcess(options, cast("IReactorCore", reactor), folder)


def _complain(lines: list[str], level: Level = "error") -> None:
    # twistd gives sys.stderr to the log once that is open.
    terminal = sys.__stderr__ or sys.stderr
    toJournal = isJournal(terminal, os.environ)
    for line in lines:
        terminal.write(marked(f"{line}\n", level) if toJournal else f"{line}\n")


def _explainStartErrors() -> None:
    """Have a StartError end the process with its line and status 1, not with a traceback."""
    previous = sys.excepthook

    def explain(kind: type[BaseException], value: BaseException, trace: Any) -> None:
        if isinstance(value, StartError):
            _complain([f"socklab: {value}"])
        else:
            previous(kind, value, trace)

    sys.excepthook = explain
