"""What parent and worker tell each other over a pair of Unix sockets: JSON, with sockets beside it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IFileDescriptorReceiver, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

Told = dict[str, Any]

_PATIENCE: Final = 2.0
"""Seconds that an answer may take."""


class NoAnswer(Exception):
    """The other side does not answer: it is busy, or gone."""


@implementer(IFileDescriptorReceiver, IPushProducer)
class Channel(Int32StringReceiver):
    """One end."""

    # A config with its certificates, at most.
    MAX_LENGTH = 1 << 28

    def __init__(self, clock: IReactorTime, heard: Callable[[Told, list[int]], None]) -> None:
        """@param heard: called with what was told, and the descriptors that came with it."""
        self._clock = clock
        self._heard = heard
        self._descriptors: list[int] = []
        self._asked: dict[int, Deferred[Any]] = {}
        self._count = 0
        self.isOpen = False
        self.isFull = False
        """Whether the other side does not read for now."""
        self.waiting = 0
        """Bytes that were told since."""
        self.lost: Callable[[], None] = lambda: None
        """Called when it is closed."""
        self.flowing: Callable[[], None] = lambda: None
        """Called when `isFull` has changed."""

    def connectionMade(self) -> None:
        """Both ends are there."""
        self.isOpen = True
        cast(Any, self.transport).registerProducer(self, True)

    def tell(self, told: Told, descriptors: Iterable[int] = ()) -> None:
        """Tell the other side something.

        @param descriptors: it gets others of the same; these have to stay open meanwhile.
        """
        if not self.isOpen:
            return
        passed = [*descriptors]
        for each in passed:
            cast(Any, self.transport).sendFileDescriptor(each)
        data = json.dumps({**told, "descriptors": len(passed)}).encode()
        if self.isFull:
            self.waiting += len(data)
        self.sendString(data)

    def ask(self, told: Told) -> Deferred[Any]:
        """Ask the other side; the Deferred has its answer, or fails with `NoAnswer`."""
        self._count += 1
        number = self._count
        answered: Deferred[Any] = Deferred()
        if not self.isOpen:
            answered.errback(NoAnswer())
            return answered
        self._asked[number] = answered
        answered.addTimeout(_PATIENCE, cast(Any, self._clock), lambda failure, _: Failure(NoAnswer()))
        answered.addBoth(self._forget, number)
        self.tell({**told, "ask": number})
        return answered

    def _forget(self, result: Any, number: int) -> Any:
        self._asked.pop(number, None)
        return result

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """A descriptor has come; what it is for comes next (`IFileDescriptorReceiver`)."""
        os.set_inheritable(descriptor, False)
        self._descriptors.append(descriptor)

    def stringReceived(self, string: bytes) -> None:
        """Something was told."""
        told: Told = json.loads(string)
        count = told.pop("descriptors")
        passed, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        if "answer" in told:
            asked = self._asked.pop(told["answer"], None)
            if asked is not None:
                asked.callback(told["result"])
            return
        self._heard(told, passed)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The other side is gone."""
        self.isOpen = False
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.errback(NoAnswer())
        self.lost()

    def pauseProducing(self) -> None:
        """The other side does not read (`IPushProducer`)."""
        self.isFull = True
        self.flowing()

    def resumeProducing(self) -> None:
        """It has read (`IPushProducer`)."""
        self.isFull = False
        self.waiting = 0
        self.flowing()

    def stopProducing(self) -> None:
        """It has gone (`IPushProducer`)."""


def connect(reactor: Any, descriptor: int, channel: Channel) -> None:
    """Have a channel speak through a connected Unix socket, which it then has for its own."""
    os.set_blocking(descriptor, False)
    factory = Factory.forProtocol(lambda: channel)
    factory.noisy = False
    reactor.adoptStreamConnection(descriptor, socket.AF_UNIX, factory)
    os.close(descriptor)
