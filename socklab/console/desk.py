"""What the operator sees: conversations, events and figures, told to each page that looks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IDelayedCall

from ..events import Cut, Dropped, Event, Failed, Opened, Refused
from ..log.lines import lineOf, plain
from ..policy.access import Access
from .clients import Clients
from .door import Session
from .figures import figuresOf, shapeOf
from .hands import Hands
from .stream import Stream
from .talks import ROW, Message, Talk, Talks
from .texts import Said, Wrong, reason

if TYPE_CHECKING:
    from ..lab import Lab
    from ..metrics.lag import ReactorLag

_PERIOD: Final = 1.0
"""Seconds between two looks at the figures."""
_EVENTS: Final = 200
"""Events that a new page is shown."""
_LINGER: Final = 60.0
"""Seconds that messages are kept after the last page has gone: it may be opened anew."""


class Desk:
    """Observes all services; what each message is, only while a page looks."""

    def __init__(self, lab: Lab, lag: ReactorLag, outbound: Access) -> None:
        self._lab = lab
        self._lag = lag
        self._clock: Any = lab.reactor
        self._streams: dict[str, Stream] = {}
        self._count = 0
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._shape: dict[str, Any] = {}
        self._timer: IDelayedCall | None = None
        self._linger: IDelayedCall | None = None
        self.hands = Hands(lab, self.did, self.rulesChanged)
        self.clients = Clients(lab, outbound)
        self.talks = Talks(self._clock.seconds)
        self.talks.changed = self._changed
        self.talks.said = self._said
        self._unsubscribe = lab.events.subscribe(self._take)

    def _take(self, event: Event) -> None:
        self.talks.take(event)
        match event:
            case Opened():
                self.hands.opened()
            case Refused() | Cut() | Dropped() | Failed():
                told = {
                    "time": self._clock.seconds(),
                    "kind": type(event).__name__.lower(),
                    "service": event.service,
                    "rule": getattr(event, "rule", ""),
                    "text": lineOf(event).partition(": ")[2],
                    "key": str(event.peer.connection or ""),
                    "who": f"{event.peer.kind} {event.peer}",
                    **_why(event).told(),
                }
                self._events.append(told)
                self._tell({"event": told})

    # Pages

    def attach(self, stream: Stream) -> None:
        """Show a page all that there is, and have it told what happens from now on."""
        self._count += 1
        stream.key = str(self._count)
        self._streams[stream.key] = stream
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        elif len(self._streams) == 1:
            self._watch(True)
        if self._timer is None:
            self._timer = self._clock.callLater(_PERIOD, self._tick)
        stream.begin(
            {
                "stream": stream.key,
                "columns": ROW,
                "rows": [talk.row() for talk in self.talks],
                "events": [*self._events],
                "rules": self.hands.rules(),
                "lab": shapeOf(self._lab),
                "figures": figuresOf(self._lab, self._lag),
            }
        )

    def detach(self, stream: Stream) -> None:
        """A page has gone."""
        self.clients.gone(stream)
        if self._streams.pop(stream.key, None) is not None and not self._streams:
            self._stopTimer()
            self._linger = self._clock.callLater(_LINGER, self._forget)

    def _forget(self) -> None:
        self._linger = None
        self._watch(False)
        self.talks.forgetMessages()

    def _watch(self, traffic: bool) -> None:
        self._unsubscribe()
        self._unsubscribe = self._lab.events.subscribe(self._take, traffic=traffic)

    def stream(self, key: str) -> Stream:
        """Give the stream of a page.

        @raise Wrong: there is none.
        """
        if key not in self._streams:
            raise Wrong("not-stream")
        return self._streams[key]

    def follow(self, key: str, talk: str | None) -> dict[str, Any]:
        """Have a page told each message of one conversation, those that are kept first.

        @param talk: its key; None for none.
        @raise Wrong: there is no such page.
        """
        stream = self.stream(key)
        stream.followed = talk
        found = self.talks.get(talk) if talk is not None else None
        if found is not None:
            encoding = found.peer.encoding
            stream.tell({"talk": talk, "messages": [each.told(encoding) for each in found.messages]})
        return {}

    def stop(self) -> None:
        """Tell nobody any more."""
        self._stopTimer()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._unsubscribe()
        for stream in [*self._streams.values()]:
            stream.end()

    # What they are told

    def rulesChanged(self) -> None:
        """The operator has made or ended a rule."""
        self._tell({"rules": self.hands.rules()})

    def moved(self, scheme: str, where: str) -> None:
        """The console is elsewhere now; the pages that look are told, while they still can be.

        @param scheme: `http`, or `https`.
        @param where: `127.0.0.1:59300`, `*:59300`.
        """
        self._tell({"moved": {"scheme": scheme, "where": where}})

    def did(self, who: Session, what: Said) -> None:
        """The operator has done something."""
        told = {
            "time": self._clock.seconds(),
            "kind": "done",
            "service": "",
            "rule": "",
            "text": f"{who}: {what}",
            "key": "",
            "who": str(who),
            **what.told(),
        }
        self._events.append(told)
        self._tell({"event": told})

    def _changed(self, key: str) -> None:
        for stream in self._streams.values():
            stream.dirty[key] = None

    def _said(self, talk: Talk, message: Message) -> None:
        told = None
        for stream in self._streams.values():
            if stream.followed == talk.key:
                told = told or {"message": {"talk": talk.key, **message.told(talk.peer.encoding)}}
                stream.tell(told)

    def _tell(self, told: dict[str, Any]) -> None:
        for stream in self._streams.values():
            stream.tell(told)

    def _tick(self) -> None:
        self._timer = self._clock.callLater(_PERIOD, self._tick)
        shape = shapeOf(self._lab)
        if shape != self._shape:
            self._shape = shape
            self._tell({"lab": shape})
        self._tell({"figures": figuresOf(self._lab, self._lag)})

    def _stopTimer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _why(event: Event) -> Said:
    return Said("why-raised") if isinstance(event, Failed) else reason(plain(getattr(event, "reason", "")))
