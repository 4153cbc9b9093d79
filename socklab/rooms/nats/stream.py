"""The stream that holds what is said: made, and read in its order without a gap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamManager
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from ..engine import Log
from ..settings import EngineSettings
from .reasons import NoStream, Unfit
from .subjects import Subjects

_DEDUPLICATED: Final = 120.0
"""Seconds in which the stream takes a message that is sent again for the same one: what was not acknowledged is
sent again after 5 s."""
_HEARTBEAT: Final = 1.0
"""Seconds after which the server says that there is nothing to read."""
_SILENCE: Final = 4.0
"""Seconds without anything of a consumer, after which it is taken for gone: its server has died, say."""
_INACTIVE: Final = 30.0
"""Seconds after which the server forgets a consumer that nobody reads from."""
_OTHERS: Final = 4096
"""Bytes of a message beside its payload: its header and subject."""
_EXISTS: Final = 10058
"""What JetStream calls "stream name already in use with a different configuration"."""
_MENDED: Final = {
    10039: 'put "jetstream: enabled" into that account, in its config',
    10047: "a smaller keep_bytes of [rooms], or a larger max_file_store in its config",
    10065: "give [rooms] another name",
    10074: "replicas of [rooms] needs as many servers, in one cluster",
}
"""What JetStream says of what was set, by its codes, and what to do: it is not enabled for an account, has too
little storage, has another stream of these subjects, is no cluster."""
_HUB: Final = 1.0
"""Seconds in which nobody may answer where there is no JetStream: a leaf node is yet to find its hub, say."""
_AGAIN: Final = 0.1
"""Seconds until it is asked again."""


async def openStream(client: Client, settings: EngineSettings, subjects: Subjects) -> Log:
    """Have the stream there, as the settings say.

    @raise NoStream: it cannot be, for now.
    @raise Unfit: it cannot be.
    """
    manager = client.jsm(timeout=5)
    wanted: dict[str, Any] = {
        "subjects": [subjects.lines],
        "max_age": settings.keep,
        "max_bytes": settings.keepBytes,
        "num_replicas": settings.replicas,
        "duplicate_window": min(_DEDUPLICATED, settings.keep),
    }
    try:
        try:
            info = await _streamInfo(client, manager, settings.name)
        except NotFoundError:
            config = StreamConfig(
                name=settings.name,
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.OLD,
                storage=StorageType.FILE,
                **wanted,
            )
            try:
                info = await manager.add_stream(config)
            except APIError as error:
                if error.err_code != _EXISTS:
                    raise
                # Another node was faster; one of them has other settings.
                info = await manager.stream_info(settings.name)
        if info.config.subjects != wanted["subjects"]:
            raise Unfit(f"its stream {settings.name} is somebody else's: give [rooms] another name")
        if any(getattr(info.config, key) != value for key, value in wanted.items()):
            info = await manager.update_stream(info.config.evolve(**wanted))
    except APIError as error:
        if not error.description:
            raise NoStream("nobody answers for its JetStream") from None
        what = f"JetStream: {error.description}"
        if (mended := _MENDED.get(error.err_code or 0)) is not None:
            raise Unfit(f"{what}: {mended}") from None
        raise NoStream(what) from None
    state = info.state
    return Log(str(info.created), state.first_seq, state.last_seq, client.max_payload - _OTHERS)


async def _streamInfo(client: Client, manager: JetStreamManager, name: str) -> StreamInfo:
    """Ask for a stream.

    @raise Unfit: there is no JetStream to ask.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        try:
            return await manager.stream_info(name)
        except ServiceUnavailableError as error:
            # INFO has it so, and nobody at all has answered.
            if client._server_info.get("jetstream") or error.description:
                raise
            if loop.time() - begun >= _HUB:
                raise Unfit(
                    'it runs without JetStream: put "jetstream {}" into its config, or start it with --jetstream'
                ) from None
        await asyncio.sleep(_AGAIN)


class Reader:
    """Reads the stream: a consumer of the server's that lives as long as it is whole, then another one.

    nats-py drops what comes faster than it is taken, and so may a server; each message has a number of the stream
    and one of the consumer, and where that jumps reading begins anew behind what was read last.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        after: int,
        taken: Callable[[int, float, bytes], None],
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """@param taken: is given the number, the time and the data of each message.
        @param seconds: gives the time here.
        """
        self._seconds = seconds
        self._ahead = 0.0
        """Seconds by which the server's clock is, at most: those of two machines may be minutes apart."""
        self._begun = asyncio.Event()
        self._client = client
        self._stream = stream
        self._last = after
        self._taken = taken
        self._delivered = 0
        self._heard = 0.0
        self._broken = asyncio.Event()

    async def run(self) -> None:
        """Read until this is cancelled.

        @raise nats.errors.Error: the server does not let us.
        """
        loop = asyncio.get_running_loop()
        while True:
            self._broken.clear()
            self._begun.clear()
            self._delivered = 0
            inbox = self._client.new_inbox()
            subscription = await self._client.subscribe(inbox, cb=self._received)
            consumer = None
            try:
                info = await self._client.jsm(timeout=5).add_consumer(self._stream, self._config(inbox))
                consumer = info.name
                self._ahead = info.created.timestamp() - self._seconds()
                self._begun.set()
                self._heard = loop.time()
                while not self._broken.is_set() and loop.time() - self._heard < _SILENCE:
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._broken.wait(), _HEARTBEAT)
            finally:
                # When the connection is gone, so is what it would be said to.
                with suppress(Error):
                    await subscription.unsubscribe()
                    if consumer is not None and self._client.is_connected:
                        await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")

    def _config(self, inbox: str) -> ConsumerConfig:
        return ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            flow_control=True,
            idle_heartbeat=_HEARTBEAT,
            inactive_threshold=_INACTIVE,
            mem_storage=True,
            num_replicas=1,
        )

    async def _received(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        # What comes first may be here before the answer is.
        await self._begun.wait()
        if self._broken.is_set():
            return
        if message.headers is not None and message.headers.get("Status") == "100":
            await self._controlled(message)
            return
        # $JS.ACK.[domain.account.]stream.consumer.delivered.sequence.number.time.pending[.random]
        fields = message.reply.split(".")
        fields = fields[4:] if len(fields) > 9 else fields[2:]
        sequence, number, nanoseconds = int(fields[3]), int(fields[4]), int(fields[5])
        if number != self._delivered + 1:
            self._broken.set()
            return
        self._delivered = number
        self._last = sequence
        self._taken(sequence, nanoseconds / 1e9 - self._ahead, message.data)

    async def _controlled(self, message: Msg) -> None:
        """Heed what the server says of the consumer itself."""
        headers = message.headers or {}
        # It goes on when it is told that all before was read, which it is by now.
        if subject := message.reply or headers.get("Nats-Consumer-Stalled"):
            await self._client.publish(subject)
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._delivered:
            self._broken.set()
