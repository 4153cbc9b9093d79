"""What rooms need of an engine that nodes share: a log of lines, and word from node to node."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred


class EngineError(Exception):
    """The engine did not do what it was asked for, as far as is known; it may have."""


class Log(NamedTuple):
    """The engine's log of lines, as it is when a node comes to it."""

    identity: str
    """Another one: the log was made anew."""
    first: int
    """The sequence number of its oldest entry; what is before is gone."""
    last: int
    """Of its newest one; 0 if there never was one."""
    limit: int
    """Bytes of the largest entry that it takes."""


class EngineClient(Protocol):
    """Who is told what the engine has to say: a node."""

    def engineUp(self, log: Log) -> None:
        """The engine can be reached; `read` has to be called anew."""

    def engineDown(self, why: str, isMistake: bool = False) -> None:
        """It cannot be reached, or no longer; told with each attempt.

        @param isMistake: whether it takes somebody to mend that.
        """

    def entryRead(self, sequence: int, stored: float, data: bytes) -> None:
        """This is the log's next entry.

        @param stored: when it came into the log, in seconds since 1970 by the clock of this machine.
        """

    def told(self, data: bytes) -> None:
        """Another node says this; or this one, to all."""


class Engine(Protocol):
    """A connection to the engine, kept up by itself; one for each node."""

    def start(self, client: EngineClient) -> None:
        """Connect, and stay connected."""

    def read(self, after: int) -> None:
        """Have all entries that come after a sequence number read, in order and each once, until the engine is
        down."""

    def store(self, topic: tuple[str, str], key: str, data: bytes) -> Deferred[int]:
        """Add an entry to the log; the Deferred fires with its sequence number, or fails with `EngineError`.

        What is stored one after the other comes into the log in that order, but for what fails.

        @param topic: the service and the room.
        @param key: an entry of the same key that came within the last minutes is not added again.
        """

    def tell(self, data: bytes, node: str = "") -> None:
        """Say something to one node, or to all; that may be lost, or come late."""

    def stop(self) -> Deferred[None]:
        """Let go of the engine; nothing more is told."""
