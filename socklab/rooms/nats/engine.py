"""A node's connection to NATS, kept up."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from ..engine import EngineClient, EngineError, Log
from ..settings import EngineSettings, shownUrl
from .acknowledged import Acknowledged, Message
from .connection import CLOSE, close, opened
from .reasons import Lost, isMistake, reasonOf
from .stream import Reader
from .subjects import Subjects

_log: Final = Logger(namespace="socklab")

_PAUSE: Final = (0.1, 2.0)
"""Seconds until the next attempt: at first, and at most; each up to half as long again, so that nodes do not come
all at once."""
_STEADY: Final = 10.0
"""Seconds after which a connection has been a good one."""


class NatsEngine:
    """Connects, reads, stores and tells; when the connection is lost it begins anew.

    It does not let nats-py reconnect: that sends what it had in hand after what it never hears of again, and so
    out of order.
    """

    def __init__(
        self, settings: EngineSettings, node: str, loopOf: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        """@param node: this node's name.
        @param loopOf: gives the reactor's loop, once it is to run: a daemon has another one than its parent.
        """
        self._settings = settings
        self._node = node
        self._loopOf = loopOf
        self._subjects = Subjects(settings.name)
        self._urls = random.sample(settings.urls, len(settings.urls))
        self._asked = ""
        self._listener: EngineClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._acknowledged: Acknowledged | None = None
        self._outgoing: deque[Message] = deque()
        self._toSend = asyncio.Event()
        self._lost = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._pause = _PAUSE[0]
        self._isUp = False

    # What a node asks for

    def start(self, client: EngineClient) -> None:
        """Connect, and stay connected."""
        self._listener = client
        self._loop = self._loopOf()
        self._task = self._loop.create_task(self._run())

    def read(self, after: int) -> None:
        """Have all entries after a number read."""
        assert self._client is not None
        reader = Reader(self._client, self._settings.name, after, self._entryRead)
        self._reading = self._watched(reader.run())

    def store(self, topic: tuple[str, str], key: str, data: bytes) -> Deferred[int]:
        """Add an entry."""
        if self._acknowledged is None:
            return fail(EngineError("not connected"))
        message, deferred = self._acknowledged.message(self._subjects.room(topic), key, data)
        self._send(message)
        return deferred

    def tell(self, data: bytes, node: str = "") -> None:
        """Say something to one node, or to all."""
        # What is too long would be the end of the connection.
        if self._isUp and self._client is not None and len(data) <= self._client.max_payload:
            self._send(Message(self._subjects.node(node), data))

    def stop(self) -> Deferred[None]:
        """Let go of the engine."""
        self._listener = None
        if self._task is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._task.add_done_callback(lambda _: stopped.callback(None))
        self._task.cancel()
        return stopped

    def _send(self, message: Message) -> None:
        self._outgoing.append(message)
        self._toSend.set()

    # The connection

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except asyncio.CancelledError:
                return
            except Exception as error:
                if self._listener is None:
                    # nats-py may swallow that it is cancelled.
                    return
                self._listener.engineDown(self._explained(error), isMistake(error))
            await asyncio.sleep(self._pause * random.uniform(1, 1.5))
            self._pause = min(2 * self._pause, _PAUSE[1])

    async def _session(self) -> None:
        """Connect, and serve until the connection is lost."""
        self._lost.clear()
        self._outgoing.clear()
        client, log = await self._opened()
        self._client = client
        tasks: list[asyncio.Task[None]] = []
        try:
            acknowledged = Acknowledged(client.new_inbox(), self._loop.time)
            await client.subscribe(acknowledged.subject, cb=acknowledged.answered)
            for subject in (self._subjects.all, self._subjects.node(self._node)):
                await client.subscribe(subject, cb=self._told)
            self._acknowledged = acknowledged
            tasks = [self._watched(self._write(client)), self._watched(self._expire(acknowledged))]
            self._isUp = True
            begun = self._loop.time()
            if self._listener is None:
                raise Lost
            self._listener.engineUp(log)
            await self._lost.wait()
            if self._loop.time() - begun > _STEADY:
                self._pause = _PAUSE[0]
            raise Lost
        finally:
            self._isUp = False
            self._acknowledged = None
            for task in [*tasks, self._reading]:
                if task is not None:
                    task.cancel()
            self._reading = None
            if tasks:
                # What is said last on a connection that ends well leaves it.
                with suppress(Exception):
                    await asyncio.wait_for(self._writeAll(client), CLOSE)
                acknowledged.giveUp()
            await close(client)

    async def _opened(self) -> tuple[Client, Log]:
        """Find a server that serves us: each is asked once.

        @raise Exception: why the last one does not.
        """
        failure: Exception = Lost()
        for _ in range(len(self._urls)):
            self._asked = self._urls[0]
            try:
                return await opened(self._settings, self._asked, f"socklab {self._node}", self._closed)
            except Exception as error:
                if self._listener is None:
                    raise
                failure = error
                # The next one is asked next time, too.
                self._urls.append(self._urls.pop(0))
        raise failure

    def _explained(self, error: Exception) -> str:
        """Say in which way the last attempt has failed, without what is secret in URLs."""
        others = "" if len(self._urls) == 1 else " and others"
        return f"{shownUrl(self._asked)}{others}: {reasonOf(error, self._settings, self._asked)}"

    def _closed(self, client: Client) -> None:
        if self._client is client:
            self._lost.set()

    def _watched(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something whose failure is the end of the connection."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                if not isinstance(error, NatsError | OSError | asyncio.TimeoutError):
                    _log.error("rooms: {error!r}", error=error)
                self._lost.set()

        task = self._loop.create_task(coroutine)
        task.add_done_callback(done)
        return task

    async def _write(self, client: Client) -> None:
        while True:
            await self._toSend.wait()
            await self._writeAll(client)

    async def _writeAll(self, client: Client) -> None:
        while self._outgoing:
            await client.publish(*self._outgoing.popleft())
        self._toSend.clear()

    async def _expire(self, acknowledged: Acknowledged) -> None:
        while True:
            await asyncio.sleep(1)
            acknowledged.expire()

    async def _told(self, message: Msg) -> None:
        if self._listener is not None:
            with _logged():
                self._listener.told(message.data)

    def _entryRead(self, sequence: int, stored: float, data: bytes) -> None:
        if self._listener is not None:
            with _logged():
                self._listener.entryRead(sequence, stored, data)


@contextmanager
def _logged() -> Iterator[None]:
    """Tell a failure of ours: nats-py would give it to who is told of its own, which are not for the log."""
    try:
        yield
    except Exception:
        _log.failure("rooms: what the engine has told could not be taken")
