"""NATS as it is: what a node asks of its engine, from a real nats-server."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from socklab.rooms.engine import EngineError, Log
from socklab.rooms.node import Node
from socklab.rooms.places import Place
from socklab.rooms.settings import EngineSettings
from socklab.rooms.waiting import Line
from tests.cluster.engine import EngineNode, StartEngine

pytest.importorskip("nats", reason="nats-py is not installed: the extra `cluster` brings it")

from nats.aio.client import Client
from nats.aio.subscription import Subscription

from socklab.rooms.nats.engine import NatsEngine
from socklab.rooms.nats.stream import Reader
from socklab.rooms.nats.subjects import Subjects, token

PATIENCE = 30
TOPIC = ("chat", "lobby")


class Listener:
    """Who is told what the engine says: reads from the beginning, and keeps all."""

    def __init__(self, settings: EngineSettings, name: str) -> None:
        self.engine = NatsEngine(settings, name, asyncio.get_running_loop)
        self.logs: list[Log] = []
        self.entries: list[tuple[int, bytes]] = []
        self.words: list[bytes] = []
        self.downs: list[str] = []
        self.changed = asyncio.Event()
        self.engine.start(self)

    def engineUp(self, log: Log) -> None:
        """Read on."""
        self.logs.append(log)
        self.changed.set()
        self.engine.read(self.entries[-1][0] if self.entries else 0)

    def engineDown(self, why: str, isMistake: bool = False) -> None:
        """Keep why."""
        self.downs.append(why)
        self.changed.set()

    def entryRead(self, sequence: int, stored: float, data: bytes) -> None:
        """Keep it."""
        self.entries.append((sequence, data))
        self.changed.set()

    def told(self, data: bytes) -> None:
        """Keep it."""
        self.words.append(data)
        self.changed.set()

    async def until(self, isSo: Callable[[Listener], Any]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not isSo(self):
                self.changed.clear()
                await self.changed.wait()

    async def stop(self) -> None:
        """Let go of the engine."""
        await self.engine.stop().asFuture(asyncio.get_running_loop())


def run(
    settings: EngineSettings, scenario: Callable[[Sequence[Listener]], Awaitable[None]], count: int = 2
) -> None:
    """Run a scenario with so many listeners, which are up."""

    async def main() -> None:
        listeners = [Listener(settings, f"node{number}") for number in range(count)]
        try:
            for each in listeners:
                await each.until(lambda listener: listener.logs)
            await scenario(listeners)
        finally:
            for each in listeners:
                await each.stop()

    asyncio.run(main())


def test_all(shared_engine: EngineNode) -> None:
    """What is stored is read by all, in order, each once; what is told reaches one node, or all of them."""

    async def scenario(listeners: Sequence[Listener]) -> None:
        first, second = listeners
        sequences = [first.engine.store(TOPIC, f"key{number}", b"%d" % number) for number in range(100)]
        again = first.engine.store(("chat", "방 * > ."), "key7", b"again")
        for each in listeners:
            await each.until(lambda listener: len(listener.entries) == 100)
            assert each.entries == [(number + 1, b"%d" % number) for number in range(100)]
        loop = asyncio.get_running_loop()
        assert [await each.asFuture(loop) for each in sequences] == [*range(1, 101)]
        assert await again.asFuture(loop) == 8
        first.engine.tell(b"all")
        first.engine.tell(b"one", "node1")
        await second.until(lambda listener: sorted(listener.words) == [b"all", b"one"])
        await first.until(lambda listener: listener.words == [b"all"])

    run(EngineSettings((shared_engine.url,), name="all"), scenario)


def test_return(start_engine: StartEngine) -> None:
    """When the engine is killed what is on its way fails; when it is back all goes on, nothing is read twice."""
    server = start_engine()

    async def scenario(listeners: Sequence[Listener]) -> None:
        first, second = listeners
        first.engine.store(TOPIC, "one", b"one")
        await second.until(lambda listener: listener.entries)
        server.pause()
        lost = first.engine.store(TOPIC, "lost", b"lost").asFuture(asyncio.get_running_loop())
        server.kill()
        with pytest.raises(EngineError):
            await lost
        server.start()
        for each in listeners:
            await each.until(lambda listener: len(listener.logs) == 2)
        assert first.logs[0].identity == first.logs[1].identity
        first.engine.store(TOPIC, "two", b"two")
        await second.until(lambda listener: [each for _, each in listener.entries] == [b"one", b"two"])
        assert first.downs
        assert server.url in first.downs[0]

    run(EngineSettings((server.url,)), scenario)


def test_listener_fails(shared_engine: EngineNode) -> None:
    """What cannot be taken is in the log as a failure, and what comes after it is taken."""
    failures: list[str] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(str(event["log_failure"].value))

    async def scenario(listeners: Sequence[Listener]) -> None:
        (listener,) = listeners
        take, hear = listener.entryRead, listener.told

        def entryRead(sequence: int, stored: float, data: bytes) -> None:
            assert data != b"bad", "bad entry"
            take(sequence, stored, data)

        def told(data: bytes) -> None:
            assert data != b"bad", "bad word"
            hear(data)

        listener.entryRead, listener.told = entryRead, told  # type: ignore[method-assign]
        for data in (b"bad", b"good"):
            listener.engine.store(TOPIC, data.decode(), data)
            listener.engine.tell(data)
        await listener.until(lambda listener: listener.words and listener.entries)

    globalLogPublisher.addObserver(observe)
    try:
        run(EngineSettings((shared_engine.url,), name="fails"), scenario, 1)
    finally:
        globalLogPublisher.removeObserver(observe)
    assert sorted(each.splitlines()[0] for each in failures) == ["bad entry", "bad word"]


class SlowClient(Client):
    """Takes as little at a time as a node that is busy."""

    async def subscribe(self, *subject: Any, **options: Any) -> Subscription:
        """Keep no more than 100 messages; nats-py drops the others."""
        return await super().subscribe(*subject, pending_msgs_limit=100, **options)


def test_slow(shared_engine: EngineNode) -> None:
    """What nats-py drops because it comes too fast is read nevertheless, in its order."""

    async def scenario(listeners: Sequence[Listener]) -> None:
        for number in range(300):
            listeners[0].engine.store(TOPIC, f"key{number}", b"x" * 100)
        await listeners[0].until(lambda listener: len(listener.entries) == 300)
        dropped = []

        async def failed(error: Exception) -> None:
            dropped.append(error)

        client = SlowClient()
        await client.connect(shared_engine.url, error_cb=failed)
        read: list[int] = []

        def taken(sequence: int, stored: float, data: bytes) -> None:
            read.append(sequence)
            listeners[0].changed.set()

        reader = asyncio.create_task(Reader(client, "slow", 0, taken).run())
        await listeners[0].until(lambda _: len(read) >= 300)
        reader.cancel()
        await client.close()
        assert read == [*range(1, 301)]
        assert dropped

    run(EngineSettings((shared_engine.url,), name="slow"), scenario, 1)


def test_other_clock(shared_engine: EngineNode) -> None:
    """When an entry came is told by the clock of who reads it, a day before the engine's."""

    async def scenario(listeners: Sequence[Listener]) -> None:
        for number in range(20):
            listeners[0].engine.store(TOPIC, f"key{number}", b"x")
        await listeners[0].until(lambda listener: len(listener.entries) == 20)
        client = Client()
        await client.connect(shared_engine.url)
        times: list[float] = []

        def taken(sequence: int, stored: float, data: bytes) -> None:
            times.append(stored)
            listeners[0].changed.set()

        day = 24 * 3600
        reader = asyncio.create_task(Reader(client, "clock", 0, taken, lambda: time.time() - day).run())
        await listeners[0].until(lambda _: len(times) == 20)
        reader.cancel()
        await client.close()
        assert times == sorted(times)
        assert abs(time.time() - day - times[-1]) < 3600

    run(EngineSettings((shared_engine.url,), name="clock"), scenario, 1)


def test_changed_settings(shared_engine: EngineNode) -> None:
    """A node with other bounds changes those of the stream that is there."""
    for bytes_ in (10**6, 2 * 10**6):

        async def scenario(listeners: Sequence[Listener]) -> None:
            return None

        run(EngineSettings((shared_engine.url,), name="changed", keepBytes=bytes_), scenario, 1)
    (account,) = shared_engine.ask("jsz?streams=1&config=1")["account_details"]
    assert [each["config"]["max_bytes"] for each in account["stream_detail"] if each["name"] == "changed"] == [
        2 * 10**6
    ]


def test_foreign_stream(shared_engine: EngineNode) -> None:
    """A stream of the same name that is somebody else's is left alone, with all that it holds."""

    async def make() -> None:
        client = Client()
        await client.connect(shared_engine.url)
        await client.jetstream().add_stream(name="orders", subjects=["orders.new"])
        await client.jetstream().publish("orders.new", b"precious")
        await client.close()

    async def look() -> tuple[list[str] | None, float | None, int]:
        client = Client()
        await client.connect(shared_engine.url)
        info = await client.jetstream().stream_info("orders")
        await client.close()
        return info.config.subjects, info.config.max_age, info.state.messages

    asyncio.run(make())
    why = whyDown(EngineSettings((shared_engine.url,), name="orders"))
    assert asyncio.run(look()) == (["orders.new"], 0, 1)
    assert why == f"{shared_engine.url}: its stream orders is somebody else's: give [rooms] another name"


def whyDown(settings: EngineSettings) -> str:
    """Give why the engine cannot be reached."""

    async def main() -> str:
        listener = Listener(settings, "node")
        await listener.until(lambda listener: listener.downs)
        await listener.stop()
        return listener.downs[0]

    return asyncio.run(main())


def test_safe(start_engine: StartEngine, tmp_path: Path) -> None:
    """Over TLS, with a token; without the right token or authority it says so, and nothing secret."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    pem = tmp_path / "server.pem"
    server = start_engine(
        settings=f'authorization {{ token: "right" }}\ntls {{ cert_file: "{pem}", key_file: "{pem}" }}\n'
    )
    trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    where = server.url.replace("nats:", "tls:")
    settings = EngineSettings((where,), tls=trusting, token="right")

    async def scenario(listeners: Sequence[Listener]) -> None:
        assert listeners[0].logs[0].last == 0

    run(settings, scenario, 1)
    why = whyDown(replace(settings, token="wrong"))
    assert why == f"{where}: it does not let us in: the credentials are wrong"
    in_url = replace(settings, token=None, urls=(where.replace("//", "//wrong@"),))
    assert whyDown(in_url) == why
    why = whyDown(replace(settings, tls=ssl.create_default_context()))
    assert why.startswith(f"{where}: its certificate is not accepted: ")


def test_no_tls() -> None:
    """Who does not ask for TLS is told nothing where the URL says that there is some: no token, nothing."""

    async def main() -> tuple[str, bytes]:
        heard = bytearray()
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"server_id": "x", "auth_required": true, "max_payload": 1048576}\r\n')
            heard.extend(await reader.read())
            writer.close()
            gone.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        listener = Listener(EngineSettings((url,), tls=ssl.create_default_context(), token="secret"), "node")
        await listener.until(lambda listener: listener.downs)
        await gone.wait()
        await listener.stop()
        server.close()
        return listener.downs[0].replace(url, "URL"), bytes(heard)

    assert asyncio.run(main()) == ("URL: it speaks without TLS, and the URL says tls:", b"")


class DeafClient:
    """A connection on which nothing ever comes."""

    def new_inbox(self) -> str:
        """Give a subject."""
        return "inbox"

    async def subscribe(self, subject: str, cb: object) -> None:
        """Take it."""

    async def close(self) -> None:
        """End."""


@pytest.mark.parametrize("isLost", [True, False])
def test_stop_is_swallowed(isLost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is let go of during its attempt ends with that, also where nats-py has swallowed that it was cancelled:
    whether it then connects or not; no other server is asked."""

    async def main() -> Listener:
        asked = asyncio.Event()

        async def opened(*_: object) -> tuple[DeafClient, Log]:
            isFirst = not asked.is_set()
            asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not isFirst:
                    raise
            if isLost:
                raise ConnectionResetError
            return DeafClient(), Log("", 0, 0, 0)

        monkeypatch.setattr("socklab.rooms.nats.engine.opened", opened)
        listener = Listener(EngineSettings(("nats://127.0.0.1:1", "nats://127.0.0.1:2")), "node")
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
            await listener.stop()
        return listener

    listener = asyncio.run(main())
    assert (listener.logs, listener.downs) == ([], [])


def test_nobody(shared_engine: EngineNode) -> None:
    """Where nobody listens the line says so, and where; of several servers one that is there will do."""
    assert whyDown(EngineSettings(("nats://me:secret@127.0.0.1:1",))) == "nats://127.0.0.1:1: connection refused"

    async def scenario(listeners: Sequence[Listener]) -> None:
        assert not listeners[0].downs

    run(EngineSettings(("nats://127.0.0.1:1", shared_engine.url), name="nobody"), scenario, 1)


class LoopClock(Clock):
    """A loop's time, and its timers."""

    def __init__(self) -> None:
        super().__init__()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            self.advance(0.02)


def test_long_names(start_engine: StartEngine) -> None:
    """However long a room's name is, and those of its members, no node loses the engine for it."""
    url = start_engine().url

    async def main() -> None:
        loop = asyncio.get_running_loop()
        said: list[str] = []
        heard: list[str] = []
        changed: list[int] = []
        news = asyncio.Event()
        clock = LoopClock()
        nodes = [
            Node(NatsEngine(EngineSettings((url,)), each, lambda: loop), clock, each, say=said.append)
            for each in ("one", "two")
        ]

        class Rooms:
            """What a service has of them."""

            def hear(self, room: str, lines: Sequence[Line]) -> None:
                heard.extend(line.text for line in lines)
                news.set()

            def changed(self, node: str, changes: Sequence[Any], why: str) -> None:
                changed.append(len(changes))
                news.set()

            def remembers(self) -> int:
                return 0

            def recall(self, room: str, lines: Sequence[str]) -> None:
                pass

        nodes[1].add("chat", Rooms())
        for node in nodes:
            node.start()
        for number in range(500):
            nodes[0].presence.put(("chat", number), Place("방" * 1000, None, ("방" * 100,)))
        assert nodes[0].publish("chat", "방" * 5000, "hello", False)
        async with asyncio.timeout(10):
            while not (heard and sum(changed) == 500):
                news.clear()
                await news.wait()
        assert heard == ["hello"]
        assert [each.partition(";")[0] for each in said] == 2 * ["rooms: the engine is there"]
        for node in nodes:
            await node.stop(1).asFuture(loop)
            assert not node.outbox.owed

    asyncio.run(main())


def test_subjects() -> None:
    """Any name of a room is one token of a subject, and its own."""
    names = ["lobby", "방", "a.b", "a b", "*", ">", "%", "", "a%2Eb", "A", "a", "\ud800", "방" * 1000, "방" * 1001]
    assert not any(set(token(each)) & set(". *>") for each in names)
    assert len({token(each) for each in names}) == len(names)
    assert max(len(token(each)) for each in names) < 400
    assert Subjects("lab").room(("chat", "a.b")) == "lab.line.chat.a%2Eb"
