"""Many messages: on one connection or each on its own, once or again and again, at a rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, ensureDeferred, gatherResults

from .address import Address
from .connecting import connect
from .exchange import Answer, Exchange
from .seam import ConnectError, Connection, End, SendError, Settings
from .until import Until

_AT_ONCE: Final = 500
"""Connections that a rate may keep open at the same time."""
_CLOSING: Final = 5
"""Seconds for a server to take what is still to be sent when we close."""
_AGAIN: Final = 0.2
"""Seconds between two attempts to connect."""


class Message(NamedTuple):
    """What is sent at once."""

    payload: bytes
    isBinary: bool


@dataclass(frozen=True)
class Plan:
    """What is sent, and how."""

    messages: Sequence[Message]
    until: Until
    wait: float = 5
    """Seconds for each answer; 0 to wait for none."""
    persistent: bool = False
    repeat: int = 1
    interval: float | None = None
    """Seconds from one message to the next, whether or not it is answered; None to wait for each answer."""
    halfClose: bool = False
    """Say after the last message of a connection that nothing more comes."""
    retry: float = 0
    """Seconds in which a refused connection is tried again."""

    @property
    def count(self) -> int:
        """How many messages are sent."""
        return len(self.messages) * self.repeat

    def all(self) -> Iterator[tuple[int, Message]]:
        """Give each message with its number, from 1."""
        for index in range(self.count):
            yield index + 1, self.messages[index % len(self.messages)]


@dataclass
class Outcome:
    """What became of one message."""

    number: int
    message: Message
    source: str = ""
    """The client's address and port."""
    answer: Answer | None = None
    """None if it was not sent."""
    error: ConnectError | SendError | End | None = None
    """Why it was not sent, or how the connection ended before the answer."""


class Watcher:
    """Is told what happens; says nothing of it by itself."""

    def opened(self, connection: Connection) -> None:
        """A connection can be used."""

    def happened(self, outcome: Outcome) -> None:
        """A message was answered, or will not be."""

    def unasked(self, answer: Answer) -> None:
        """Something came that answers nothing."""

    def closed(self, connection: Connection, end: End) -> None:
        """A connection is over."""


class Sending:
    """Carries out a plan against one server."""

    def __init__(self, reactor: Any, address: Address, settings: Settings, plan: Plan, watcher: Watcher) -> None:
        self._reactor = reactor
        self._address = address
        self._settings = settings
        self._plan = plan
        self._watcher = watcher
        self._began = 0.0

    async def run(self) -> None:
        """Send all of it."""
        if self._address.kind == "websocket":
            # It takes a quarter of a second, which is none of the server's.
            from . import websocket  # noqa: F401
        self._began = self._reactor.seconds()
        if self._plan.persistent:
            await self._onOne()
        elif self._plan.interval is None:
            for number, message in self._plan.all():
                await self._onItsOwn(number, message)
        else:
            await self._atRate()

    async def _atRate(self) -> None:
        """Send each message when it is due, on a connection of its own."""
        places: DeferredSemaphore = DeferredSemaphore(_AT_ONCE)
        going: list[Deferred[Any]] = []
        try:
            for number, message in self._plan.all():
                due = await self._due(number)
                await places.acquire()
                own = ensureDeferred(self._onItsOwn(number, message, due))
                going.append(own.addBoth(_released, places))
            await gatherResults(going, consumeErrors=True)
        except CancelledError:
            # Those that are on their way are neither answered nor lost.
            for each in going:
                each.addErrback(lambda failure: None)
                each.cancel()
            raise

    async def _due(self, number: int) -> float:
        """Wait until a message is due, and give when that is."""
        due = self._began + (number - 1) * (self._plan.interval or 0)
        if (left := due - self._reactor.seconds()) > 0:
            await _sleep(self._reactor, left)
        return due

    async def _onItsOwn(self, number: int, message: Message, due: float | None = None) -> None:
        """Send a message on a connection of its own.

        @param due: when it should have been sent; that it took long to connect then counts, too.
        """
        outcome = Outcome(number, message)
        try:
            exchange = await self._open()
        except ConnectError as error:
            outcome.error = error
            self._watcher.happened(outcome)
            return
        outcome.source = exchange.connection.host
        try:
            asked = exchange.ask(*message, self._reactor.seconds() if due is None else due)
            if self._plan.halfClose:
                exchange.connection.finish()
            outcome.answer = await asked
            outcome.error = None if outcome.answer.isWhole else exchange.end
        except SendError as error:
            outcome.error = error
        self._watcher.happened(outcome)
        await self._close(exchange)

    async def _onOne(self) -> None:
        """Send all messages on one connection."""
        try:
            exchange = await self._open()
        except ConnectError as error:
            for number, message in self._plan.all():
                self._watcher.happened(Outcome(number, message, error=error))
            return
        # A datagram may be lost: the answer of the next would be taken for its own.
        ahead = self._plan.interval is not None and self._plan.until.isCounted and self._address.kind != "udp"
        going: list[Deferred[None]] = []
        for number, message in self._plan.all():
            due = await self._due(number) if self._plan.interval is not None else self._reactor.seconds()
            asked = ensureDeferred(self._ask(exchange, number, message, due))
            if ahead:
                going.append(asked)
            else:
                await asked
        await gatherResults(going, consumeErrors=True)
        await self._close(exchange)

    async def _ask(self, exchange: Exchange, number: int, message: Message, due: float) -> None:
        outcome = Outcome(number, message, exchange.connection.host)
        isLast = number == self._plan.count
        if exchange.end is not None:
            outcome.error = exchange.end
        elif self._plan.until.kind == "eof" and not isLast:
            # The end answers all of them together.
            exchange.connection.send(*message)
            return
        else:
            try:
                asked = exchange.ask(*message, due)
                if isLast and self._plan.halfClose:
                    exchange.connection.finish()
                outcome.answer = await asked
                outcome.error = None if outcome.answer.isWhole else exchange.end
            except SendError as error:
                outcome.error = error
        self._watcher.happened(outcome)

    async def _open(self) -> Exchange:
        inOrder = self._address.kind != "udp"
        until = self._reactor.seconds() + self._plan.retry
        while True:
            exchange = Exchange(self._reactor, self._plan.until.again(), self._plan.wait, inOrder)
            exchange.unasked = self._watcher.unasked
            try:
                exchange.connection = await connect(self._reactor, self._address, exchange, self._settings)
            except ConnectError as error:
                if error.kind not in ("refused", "missing") or self._reactor.seconds() + _AGAIN > until:
                    raise
                await _sleep(self._reactor, _AGAIN)
                continue
            self._watcher.opened(exchange.connection)
            return exchange

    async def _close(self, exchange: Exchange) -> None:
        if exchange.end is None:
            exchange.connection.close()
            late = self._reactor.callLater(_CLOSING, exchange.connection.abort)
            await exchange.over
            if late.active():
                late.cancel()
        if exchange.end is not None:
            self._watcher.closed(exchange.connection, exchange.end)


def _sleep(reactor: Any, seconds: float) -> Deferred[None]:
    slept: Deferred[None] = Deferred()
    reactor.callLater(seconds, slept.callback, None)
    return slept


def _released(result: Any, places: DeferredSemaphore) -> Any:
    places.release()
    return result
