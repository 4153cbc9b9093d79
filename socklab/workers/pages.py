"""The console's pages, as a worker has them: it tells the parent what it would tell a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer

from ..console.desk import Desk
from ..console.door import Role, Session
from ..console.hands import Hands
from ..console.status import Status
from ..console.stream import Stream
from ..console.texts import Wrong
from ..lab import Lab
from ..message import Peer
from ..metrics.lag import ReactorLag
from ..policy.access import Access, Rule, normal, ruleFor
from .channel import Channel, Told


class WorkerHands(Hands):
    """Does what the parent says, which has logged it."""

    def log(self, who: Session, code: str, **values: object) -> None:
        """The parent has."""

    def takeRules(self, bans: list[str], mutes: list[str]) -> None:
        """Have these rules, and no others; close the connections of whoever is banned from now on."""
        known = self._lab.house.bans
        self._lab.house.bans = tuple(map(ruleFor, bans))
        for rule in {*self._lab.house.bans} - {*known}:
            self._cut(rule)
        self._mutes = tuple(map(ruleFor, mutes))
        self._mute()

    def _cut(self, rule: Rule) -> None:
        connections: list[Any] = [*self._lab.connections]
        for each in connections:
            peer: Peer = each.peer
            if rule.matches(normal(peer.host)):
                each.abortConnection()


class _Page:
    """What a stream takes for the request of a page."""

    def __init__(self, channel: Channel, key: str) -> None:
        self._channel = channel
        self._key = key
        self._gone: Deferred[None] = Deferred()
        self.producer: IPushProducer | None = None
        self.stream: Stream | None = None

    def write(self, data: bytes) -> None:
        """Tell it some lines."""
        self._channel.tell({"page": self._key, "lines": data.decode()})

    def notifyFinish(self) -> Deferred[None]:
        """Give what fires when it has gone."""
        return self._gone

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Know whom to stop while the parent does not read."""
        self.producer = producer

    def unregisterProducer(self) -> None:
        """It ends."""
        self.producer = None

    def finish(self) -> None:
        """It has gone."""
        if not self._gone.called:
            self._gone.callback(None)


class WorkerConsole:
    """What a worker does for the console of the parent."""

    def __init__(self, lab: Lab, channel: Channel) -> None:
        self._lab = lab
        self._channel = channel
        channel.flowing = self._flow
        self._lag = ReactorLag(lab.reactor)
        self._lag.start()
        self._desk = Desk(lab, self._lag, Access(["deny all"]))
        self._hands = WorkerHands(lab, self._desk.did, self._desk.rulesChanged)
        self._desk.hands = self._hands
        self._pages: dict[str, _Page] = {}
        self._registry: Any = None
        self._status = Status(lab)
        self._session = Session(Role.OPERATOR, 0, "parent")
        self._does: dict[str, Callable[[Told], Any]] = {
            "metrics": self._metrics,
            "status": lambda told: json.loads(self._status()[1]),
            "write": lambda told: self._hands.write(self._session, *self._written(told)),
            "close": lambda told: self._hands.close(self._session, told["to"], told["reset"]),
            "speak": lambda told: self._hands.speak(self._session, told["service"], told["room"], told["text"]),
        }

    def _written(self, told: Told) -> tuple[list[str], bytes, str | None, bool]:
        return told["to"], told["data"].encode("latin-1"), told["text"], told["binary"]

    def hear(self, told: Told) -> None:
        """Do what the parent says."""
        match told["do"]:
            case "page":
                self._open(told["page"])
            case "left":
                self._close(told["page"])
            case "follow":
                self._follow(told["page"], told["talk"])
            case "rules":
                self._hands.takeRules(told["bans"], told["mutes"])

    def answer(self, told: Told) -> Any:
        """Give the answer to what the parent asks; `wrong` is why there is none."""
        try:
            return self._does[told["do"]](told)
        except Wrong as error:
            return {"wrong": str(error)}

    def _metrics(self, told: Told) -> str:
        from prometheus_client.exposition import generate_latest

        from ..metrics.collector import registryOf

        if self._registry is None:
            self._registry = registryOf(self._lab, self._lag)
        return generate_latest(self._registry).decode()

    def _open(self, key: str) -> None:
        """A page looks."""
        page = self._pages[key] = _Page(self._channel, key)
        page.stream = Stream(page, self._session, self._desk.talks, self._lab.reactor, self._desk.detach)
        self._desk.attach(page.stream)

    def _close(self, key: str) -> None:
        """A page has gone."""
        page = self._pages.pop(key, None)
        if page is not None:
            page.finish()

    def _follow(self, key: str, talk: str | None) -> None:
        """Tell a page each message of a conversation; None: of none."""
        page = self._pages.get(key)
        if page is not None and page.stream is not None:
            self._desk.follow(page.stream.key, talk)

    def _flow(self) -> None:
        for page in self._pages.values():
            if page.producer is not None:
                if self._channel.isFull:
                    page.producer.pauseProducing()
                else:
                    page.producer.resumeProducing()

    def stop(self) -> None:
        """Tell no more."""
        self._lag.stop()
        self._desk.stop()
