"""Messages on their way into the stream, until the server says that they are in it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple

from nats.aio.msg import Msg
from twisted.internet.defer import Deferred

from ..engine import EngineError

TIMEOUT: Final = 5.0
"""Seconds for the server to say so; while a cluster elects a leader it says nothing."""


class Message(NamedTuple):
    """What is handed to the client."""

    subject: str
    data: bytes
    reply: str = ""
    headers: dict[str, str] | None = None


class Acknowledged:
    """Messages in order, each with a Deferred for its number in the stream."""

    def __init__(self, inbox: str, seconds: Callable[[], float]) -> None:
        """@param inbox: where the server answers; each message has a number behind it.
        @param seconds: gives the time.
        """
        self._inbox = inbox
        self._seconds = seconds
        self._numbers = count(1)
        self._waiting: dict[str, Deferred[int]] = {}
        self._deadlines: deque[tuple[float, str]] = deque()

    @property
    def subject(self) -> str:
        """What to subscribe to."""
        return f"{self._inbox}.*"

    def message(self, subject: str, key: str, data: bytes) -> tuple[Message, Deferred[int]]:
        """Give a message to be sent, and what will come of it."""
        reply = f"{self._inbox}.{next(self._numbers)}"
        deferred: Deferred[int] = Deferred()
        self._waiting[reply] = deferred
        self._deadlines.append((self._seconds() + TIMEOUT, reply))
        return Message(subject, data, reply, {"Nats-Msg-Id": key}), deferred

    async def answered(self, message: Msg) -> None:
        """Take the server's word."""
        deferred = self._waiting.pop(message.subject, None)
        if deferred is None:
            return
        try:
            answer: Any = json.loads(message.data) if message.data else {}
            if "error" in answer:
                raise EngineError(f"JetStream: {answer['error'].get('description')}")
            if "seq" not in answer:
                raise EngineError("JetStream has nobody who takes it")
            sequence = int(answer["seq"])
        except EngineError as error:
            deferred.errback(error)
        except (ValueError, TypeError, AttributeError) as error:
            deferred.errback(EngineError(f"JetStream answered nonsense: {error}"))
        else:
            deferred.callback(sequence)

    def expire(self) -> None:
        """Give up those to which nothing was said for too long."""
        now = self._seconds()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, reply = self._deadlines.popleft()
            if (deferred := self._waiting.pop(reply, None)) is not None:
                deferred.errback(EngineError("no answer"))

    def giveUp(self) -> None:
        """The connection is gone."""
        waiting, self._waiting = self._waiting, {}
        for deferred in waiting.values():
            deferred.errback(EngineError("the connection was lost"))
