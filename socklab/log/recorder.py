"""The observer of events that writes the log: what an operator must know of, and all that happens when tracing."""

from __future__ import annotations

import re
from functools import partial
from typing import Final, Literal

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogEvent, Logger

from .. import events
from .bound import PERIOD, Bound, Kind
from .entry import Entry, EventEntry
from .fields import Fields, nameOf
from .form import failureOf
from .lines import TraceForm, plain
from .names import Names

_logger: Final = Logger(namespace="socklab")

RATE, BURST = 1.0, 10.0
"""Lines of a kind a second, and at once: refusals, cuts, failures."""
ARRIVALS, ARRIVALS_BURST = 100.0, 1000.0
"""The same of `opened` and `closed`, which JSON has without a trace too."""

# A number, or an address: 2001:db8::/64 is one.
_NUMBER: Final = re.compile(r"\d[\da-f.:/]*|\"[^\"]*\"")

# Twisted's own of each port, by the names of the factories that we give it; our lines say more.
_SAID_TWICE: Final = re.compile(r"(Doorway( \(\w+\))?|DatagramPeers|ConsoleSite) starting on ")


class Recorder:
    """Logs events; those that a flood of peers could cause without bound are bounded."""

    def __init__(self, clock: IReactorTime, trace: TraceForm, form: Literal["text", "json"]) -> None:
        """@param trace: whether and how to log each message.
        @param form: of the log: as JSON each conversation's beginning and end is logged too.
        """
        self._clock = clock
        self._bound = Bound(clock, _tellLeftOut)
        self._names: Names | None = None
        self._finished: dict[int, events.Event] = {}
        """Peers that will send no more, by connection, of whom nothing has happened since."""
        self.configure(trace, form)

    def configure(self, trace: TraceForm, form: Literal["text", "json"], names: bool = False) -> None:
        """Log in another way from now on.

        @param names: whether who has come is told by name, too; the clock is the reactor then.
        """
        self._trace = trace
        self._names = (self._names or Names(self._clock)) if names else None
        self.arrivals = trace != "off" or form == "json"
        """Whether it logs who comes and goes."""

    def __call__(self, event: events.Event) -> None:
        """Log an event, if it is due."""
        if self._finished:
            self._tellFinished(event)
        match event:
            case events.MessageReceived() | events.MessageSent() | events.Paused() | events.Resumed():
                wanted = self._trace != "off"
            case events.BytesReceived() | events.BytesSent():
                wanted = False
            case events.InputEnded():
                self._finished[event.peer.connection] = event
                wanted = False
            case events.Opened() | events.Closed():
                wanted = self.arrivals and (
                    self._trace != "off" or self._bound.allows(_kindOf(event), ARRIVALS, ARRIVALS_BURST)
                )
            case _:
                wanted = self._bound.allows(_kindOf(event), RATE, BURST)
        if not wanted:
            return
        entry = EventEntry(event, self._trace)
        if isinstance(event, events.Failed):
            _logger.failure("{entry}", failure=event.failure, entry=entry, log_system="socklab")
        else:
            _logger.info("{entry}", entry=entry, log_system="socklab")
        if isinstance(event, events.Opened) and self._names is not None and event.peer.host:
            self._names.find(event.peer.host, partial(_tellName, event))

    def _tellFinished(self, event: events.Event) -> None:
        """Tell of a FIN before what comes after it; not when that is the end, to which a FIN belongs."""
        finished = self._finished.pop(event.peer.connection, None)
        if finished is not None and self._trace != "off" and not isinstance(event, events.Closed):
            _logger.info("{entry}", entry=EventEntry(finished, self._trace), log_system="socklab")

    def admits(self, event: LogEvent) -> bool:
        """Tell whether to write a log event that is no event of ours, but that a peer may have caused.

        A plain Twisted protocol that raises has its traceback logged by Twisted, as often as a peer likes. So it
        is with what our own code has to say here and there, and with what Twisted's sockets have, of each
        connection for which there is no descriptor for one. What a protocol logs is its own affair. That a port is
        open is said once.
        """
        if event.get("log_namespace") == "log_legacy" and _SAID_TWICE.match(str(event.get("log_text"))):
            return False
        failure, namespace = failureOf(event), str(event.get("log_namespace"))
        ours = namespace == "socklab" or namespace.startswith("twisted.internet.")
        if isinstance(event.get("entry"), Entry) or (failure is None and not ours):
            return True
        # Twisted names each connection: "BrokenProtocol,17,192.0.2.7".
        system = str(event.get("log_system") or namespace or "log").partition(",")[0]
        what = str(event.get("log_format", "")) if failure is None else getattr(failure.type, "__name__", "")
        return self._bound.allows(Kind(system, "log" if failure is None else "failed", what), RATE, BURST)

    def close(self) -> None:
        """Say what was left out."""
        self._bound.tellAll()


def _kindOf(event: events.Event) -> Kind:
    reason = ""
    match event:
        case events.Refused(rule=rule):
            reason = rule
        case events.Cut(reason=said) | events.Dropped(reason=said):
            reason = _NUMBER.sub("#", plain(said))
        case events.Failed(failure=failure):
            reason = getattr(failure.type, "__name__", "")
    return Kind(event.service, nameOf(event), reason)


def _tellName(event: events.Opened, name: str) -> None:
    peer, name = event.peer, plain(name)
    line = f"{event.service}: {peer.kind} {peer} is {name}"
    fields: Fields = {"service": event.service, "transport": peer.kind, "peer": str(peer)}
    if peer.connection:
        fields["connection"] = peer.connection
    _logger.info("{entry}", entry=Entry(line, "name", **fields, name=name), log_system="socklab")


def _tellLeftOut(kind: Kind, count: int) -> None:
    what = f"{kind.event}: {kind.reason}" if kind.reason else kind.event
    entry = Entry(
        f"{kind.service}: {what}: ... and {count} more like this within {PERIOD:g} s",
        kind.event,
        service=kind.service,
        reason=kind.reason,
        left_out=count,
        seconds=int(PERIOD),
    )
    _logger.info("{entry}", entry=entry, log_system="socklab")
