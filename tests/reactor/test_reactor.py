"""The reactor on uvloop where it differs from Twisted's own, on real sockets."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

pytest.importorskip("uvloop")

from socklab.reactor import UvloopReactor
from socklab.rooms.company import Straight

MAXIMUM = 30
"""Seconds; only reached on failure."""


def serving(**methods: Callable[..., object]) -> Factory:
    """Give a Factory of protocols with these methods."""
    factory = Factory.forProtocol(type("Made", (Protocol,), methods))
    factory.noisy = False
    return factory


class Ear:
    """What a client has heard."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self.data = bytearray()

    def hears(self, end: bytes) -> bool:
        """Tell whether it has heard something that ends so; empty stands for FIN."""
        with contextlib.suppress(BlockingIOError):
            piece = self._client.recv(65536)
            self.data += piece
            return self.data.endswith(end) if end else not piece
        return False


class ReactorTests(ReactorBuilder, SynchronousTestCase):
    """A reactor for each test."""

    reactorFactory = UvloopReactor

    def listening(self, **methods: Callable[..., object]) -> tuple[Any, Any]:
        """Give a reactor, and a port with such a protocol."""
        reactor: Any = self.buildReactor()
        return reactor, reactor.listenTCP(0, serving(**methods), interface="127.0.0.1")

    def connected(self, port: Any) -> socket.socket:
        """Connect a client that does not wait."""
        client = socket.create_connection(("127.0.0.1", port.getHost().port))
        client.setblocking(False)
        self.addCleanup(client.close)
        return client

    def until(self, reactor: Any, isSo: Callable[[], object]) -> None:
        """Run until something is so."""

        def look() -> None:
            if isSo():
                reactor.stop()
            else:
                reactor.callLater(0.001, look)

        reactor.callLater(0, look)
        self.runReactor(reactor, MAXIMUM)

    def heard(self, reactor: Any, client: socket.socket, end: bytes) -> bytes:
        """Run until a client has heard something that ends so; give all of it."""
        ear = Ear(client)
        self.until(reactor, lambda: ear.hears(end))
        return bytes(ear.data)

    def test_last_words(self) -> None:
        """What is written after `loseConnection`, in the same turn, is still sent, as Twisted does."""

        def dataReceived(protocol: Any, data: bytes) -> None:
            protocol.transport.write(b"one ")
            protocol.transport.loseConnection()
            protocol.transport.write(b"two")

        reactor, port = self.listening(dataReceived=dataReceived)
        client = self.connected(port)
        client.send(b"?")
        self.assertEqual(self.heard(reactor, client, b"two"), b"one two")

    def test_the_way_past_the_turn(self) -> None:
        """What `through` sends after `settle` comes after what was written before it in the same turn, and before
        what is written later; while a connection is being served nothing is settled."""
        settled: list[bool] = []

        def dataReceived(protocol: Any, data: bytes) -> None:
            protocol.transport.write(b"one ")
            settled.append(reactor.settle())
            reactor.soon(lambda: later(protocol.transport))

        def later(transport: Any) -> None:
            transport.write(b"two ")
            settled.append(reactor.settle())
            transport.through().send(b"three ")
            transport.write(b"four")

        reactor, port = self.listening(dataReceived=dataReceived)
        client = self.connected(port)
        client.send(b"?")
        self.assertEqual(self.heard(reactor, client, b"four"), b"one two three four")
        self.assertEqual(settled, [False, True])

    def test_the_way_past_the_turn_at_its_end(self) -> None:
        """Who is asked for more at the end of a turn can have all settled: those behind it in the row, too."""
        transports: list[Any] = []
        settled: list[bool] = []

        class Producer:
            def resumeProducing(self) -> None:
                """Nothing waits to be sent any more."""
                if len(transports) == 2 and not settled:
                    settled.append(reactor.settle())
                    transports[1].through().send(b"two ")
                    transports[1].write(b"three")

            def stopProducing(self) -> None:
                """It is closed."""

        def connectionMade(protocol: Any) -> None:
            transports.append(protocol.transport)
            if len(transports) == 1:
                protocol.transport.registerProducer(Producer(), False)
            else:
                reactor.soon(begin)

        def begin() -> None:
            transports[0].write(b"zero")
            transports[1].write(b"one ")

        reactor, port = self.listening(connectionMade=connectionMade)
        _, client = self.connected(port), self.connected(port)
        self.assertEqual(self.heard(reactor, client, b"three"), b"one two three")
        self.assertEqual(settled, [True])

    def test_who_listens_in_hears_all(self) -> None:
        """Where somebody has put a function in the place of `write`, nothing goes past it."""
        written: list[bytes] = []
        ways: list[Any] = []

        def dataReceived(protocol: Any, data: bytes) -> None:
            write = protocol.transport.write

            def listen(data: bytes) -> None:
                written.append(data)
                write(data)

            protocol.transport.write = listen
            ways.append(protocol.transport.through())
            protocol.transport.write(b"heard")

        reactor, port = self.listening(dataReceived=dataReceived)
        client = self.connected(port)
        client.send(b"?")
        self.assertEqual(self.heard(reactor, client, b"heard"), b"heard")
        self.assertEqual((written, ways), ([b"heard"], [None]))

    def test_many_are_sent_the_same(self) -> None:
        """What is sent to many at once reaches each whole and in order, also who reads late, for as long as it is
        there."""
        transports: list[Any] = []
        counts: list[int] = []
        lost: list[Any] = []
        said = [b"%d " % number * 20_000 for number in range(10)]

        def connectionMade(protocol: Any) -> None:
            protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            transports.append(protocol.transport)
            if len(transports) == 4:
                reactor.soon(tell)

        def connectionLost(protocol: Any, reason: Failure) -> None:
            lost.append(protocol.transport)

        def tell() -> None:
            company: Any = SimpleNamespace(quick={each: each.through() for each in transports})
            for number, line in enumerate(said):
                if number == 5:
                    clients[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    clients[1].close()
                straight = Straight(company, ())
                straight.say(line)
                counts.append(straight.count)
            for each in transports:
                each.write(b"end")

        reactor, port = self.listening(connectionMade=connectionMade, connectionLost=connectionLost)
        clients = [self.connected(port) for _ in range(4)]
        ears = [Ear(client) for client in (clients[0], *clients[2:])]
        ended: set[Ear] = set()

        def allHave() -> bool:
            ended.update(each for each in ears if each.hears(b"end"))
            return len(ended) == 3 and bool(lost)

        self.until(reactor, allHave)
        self.assertEqual([bytes(each.data) for each in ears], [b"".join([*said, b"end"])] * 3)
        self.assertEqual(counts, [4] * 10)

    def test_deaf_at_first(self) -> None:
        """A protocol that pauses as it begins gets what came meanwhile when it resumes, whole and in order."""
        got: list[bytes] = []

        def connectionMade(protocol: Any) -> None:
            protocol.transport.pauseProducing()
            reactor.callLater(0.02, protocol.transport.resumeProducing)

        def dataReceived(protocol: Any, data: bytes) -> None:
            got.append(data)

        reactor, port = self.listening(connectionMade=connectionMade, dataReceived=dataReceived)
        sent = bytes(range(256)) * 400
        client = self.connected(port)
        self.assertEqual(client.send(sent), len(sent))
        self.until(reactor, lambda: len(b"".join(got)) >= len(sent))
        self.assertEqual(b"".join(got), sent)

    def test_reset_before_it_was_accepted(self) -> None:
        """A peer that has sent and reset already is heard, if its system left it time, and its end is told."""
        ends: list[Failure] = []

        def connectionLost(protocol: Any, reason: Failure) -> None:
            ends.append(reason)

        reactor, port = self.listening(connectionLost=connectionLost)
        client = self.connected(port)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.until(reactor, lambda: ends)
        self.assertEqual(len(ends), 1)

    def test_error_of_a_protocol(self) -> None:
        """What a protocol raises is logged and ends its connection, an OSError too; others go on."""
        ends: list[Failure] = []

        def dataReceived(protocol: Any, data: bytes) -> None:
            if data == b"bad":
                raise FileNotFoundError(errno.ENOENT, "of the author's own")
            protocol.transport.write(data)

        def connectionLost(protocol: Any, reason: Failure) -> None:
            ends.append(reason)

        reactor, port = self.listening(dataReceived=dataReceived, connectionLost=connectionLost)
        bad, good = self.connected(port), self.connected(port)
        bad.send(b"bad")
        good.send(b"good")
        ear = Ear(good)
        self.until(reactor, lambda: ends and ear.hears(b"good"))
        self.assertIsInstance(ends[0].value, FileNotFoundError)
        self.assertEqual(len(self.flushLoggedErrors(FileNotFoundError)), 1)

    def test_descriptors_run_out(self) -> None:
        """With no descriptor left each newcomer is closed; when there are some again, they are served again."""
        reactor, port = self.listening(dataReceived=lambda protocol, data: protocol.transport.write(data))
        ears: list[Ear] = []
        taken: list[int] = []
        late = socket.socket()
        self.addCleanup(late.close)
        self.addCleanup(lambda: [os.close(each) for each in taken])

        def exhaust() -> None:
            # In a turn of its own: uvloop needs some to begin.
            ears.append(Ear(self.connected(port)))
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(0))

        def isServedAgain() -> bool:
            if len(ears) == 1 and ears[0].hears(b""):
                late.connect(("127.0.0.1", port.getHost().port))
                late.setblocking(False)
                ears.append(Ear(late))
            elif len(ears) == 2 and ears[1].hears(b""):
                while taken:
                    os.close(taken.pop())
                client = self.connected(port)
                client.send(b"again")
                ears.append(Ear(client))
            return len(ears) == 3 and ears[2].hears(b"again")

        reactor.callLater(0, exhaust)
        self.until(reactor, isServedAgain)
        self.assertEqual(bytes(ears[0].data + ears[1].data), b"")

    def test_descriptor_is_sent_with_none_left(self) -> None:
        """To send a descriptor takes no further one."""
        taken: list[int] = []
        self.addCleanup(lambda: [os.close(each) for each in taken])

        def dataReceived(protocol: Any, data: bytes) -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            protocol.transport.sendFileDescriptor(0)
            protocol.transport.write(b"!")

        reactor: Any = self.buildReactor()
        path = self.mktemp()
        reactor.listenUNIX(path, serving(dataReceived=dataReceived))
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(path)
        client.send(b"?")
        client.setblocking(False)
        self.assertEqual(self.heard(reactor, client, b"!"), b"!")

    def test_who_cannot_be_watched(self) -> None:
        """A newcomer whom the system does not watch, since it watches enough, is closed, and its end is told; the
        next is served."""
        ends: list[Failure] = []

        def connectionLost(protocol: Any, reason: Failure) -> None:
            ends.append(reason)

        reactor, port = self.listening(
            connectionLost=connectionLost, dataReceived=lambda protocol, data: protocol.transport.write(data)
        )
        watch = reactor.watch.watch

        def full(*arguments: Any) -> None:
            # fs.epoll.max_user_watches: 90 bytes of memory each, which are not to be had in a test.
            reactor.watch.watch = watch
            raise OSError(errno.ENOSPC, "No space left on device")

        reactor.watch.watch = full
        first, second = Ear(self.connected(port)), self.connected(port)
        second.send(b"here")
        ear = Ear(second)
        heard: set[Ear] = set()

        def isDone() -> bool:
            heard.update(
                each for each, end in ((first, b""), (ear, b"here")) if each not in heard and each.hears(end)
            )
            return len(heard) == 2 and bool(ends)

        self.until(reactor, isDone)
        self.assertEqual(first.data, b"")
        self.assertIsInstance(ends[0].value, ConnectionLost)

    def test_one_call_of_many_fails(self) -> None:
        """What is to be done after a turn is done, whatever came before it raises; that is logged."""

        def dataReceived(protocol: Any, data: bytes) -> None:
            reactor.afterwards(lambda: 1 // 0)
            reactor.afterwards(lambda: protocol.transport.write(b"done"))

        reactor, port = self.listening(
            connectionMade=lambda protocol: protocol.transport.write(b"ask"), dataReceived=dataReceived
        )
        client = self.connected(port)
        ear = Ear(client)
        # Not with the first words: those are read as it is accepted, at the end of a turn.
        asked = [b"?"]

        def isDone() -> bool:
            if asked and ear.hears(b"ask"):
                client.send(asked.pop())
            return ear.hears(b"done")

        self.until(reactor, isDone)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_newcomers_come_last(self) -> None:
        """What those who are here have sent is handled before a newcomer who has come meanwhile is."""
        got: list[bytes] = []
        reactor, port = self.listening(dataReceived=lambda protocol, data: got.append(data))
        here = self.connected(port)
        here.send(b"here")

        def sendMore() -> None:
            self.connected(port).send(b"newcomer")
            here.send(b"more")

        def isHeard() -> bool:
            if got == [b"here"]:
                sendMore()
            return len(got) > 2

        self.until(reactor, isHeard)
        self.assertEqual(got, [b"here", b"more", b"newcomer"])

    def test_many_bytes_in_pieces(self) -> None:
        """Pieces of any size arrive in order, between what is written before and after them."""
        pieces = [b"a" * 10, b"", b"b" * 100_000, b"c" * 3_000_000, b"d"]

        def dataReceived(protocol: Any, data: bytes) -> None:
            protocol.transport.write(b"<")
            protocol.transport.writeSequence(pieces)
            protocol.transport.write(b">")

        reactor, port = self.listening(dataReceived=dataReceived)
        client = self.connected(port)
        client.send(b"?")
        self.assertEqual(self.heard(reactor, client, b">"), b"<" + b"".join(pieces) + b">")

    def test_end_with_the_last_bytes(self) -> None:
        """A client hears all that was written before FIN, at once or bit by bit, and may still send."""
        got: list[bytes] = []
        answer = b"x" * 8_000_000

        def dataReceived(protocol: Any, data: bytes) -> None:
            got.append(data)
            if data == b"?":
                protocol.transport.write(answer)
                protocol.transport.loseWriteConnection()

        reactor, port = self.listening(dataReceived=dataReceived)
        client = self.connected(port)
        client.send(b"?")
        ear = Ear(client)
        thanks = [b"thanks"]

        def isThanked() -> bool:
            if thanks and ear.hears(b""):
                client.send(thanks.pop())
            return len(got) > 1

        self.until(reactor, isThanked)
        self.assertEqual(got, [b"?", b"thanks"])
        self.assertEqual(len(ear.data), len(answer))

    def test_who_floods_is_read_once_a_turn(self) -> None:
        """However much somebody has sent, one read of it is all that others have to wait for."""
        got: list[int] = []
        made: list[Any] = []
        reactor, port = self.listening(
            connectionMade=lambda protocol: made.append(protocol),
            dataReceived=lambda protocol, data: got.append(len(data)),
        )
        flooding, other = self.connected(port), self.connected(port)
        sent: list[int] = []

        def isRead() -> bool:
            if not sent and len(made) == 2:
                with contextlib.suppress(BlockingIOError):
                    while sum(sent) < 4_000_000:
                        sent.append(flooding.send(bytes(65536)))
                other.send(b"?")
            return bool(sent) and sum(got) == sum(sent) + 1

        self.until(reactor, isRead)
        self.assertGreater(sum(sent), 1_000_000)
        self.assertLessEqual(got.index(1), 1)
        self.assertLessEqual(max(got), 262_144)

    def test_who_waits_is_taken(self) -> None:
        """After `doRead`, `stopListening` fires when all who had connected by then are known."""
        made: list[Any] = []
        reactor, port = self.listening(connectionMade=lambda protocol: made.append(protocol))
        for _ in range(5):
            self.connected(port)
        closed: list[int] = []

        def close() -> None:
            port.doRead()
            port.stopListening().addCallback(lambda _: closed.append(len(made)))

        reactor.callWhenRunning(close)
        self.until(reactor, lambda: closed)
        self.assertEqual(closed, [5])

    def test_daemonised(self) -> None:
        """What was opened and called for before the fork goes on after it, on another loop."""
        reactor, port = self.listening(dataReceived=lambda protocol, data: protocol.transport.write(data))
        called: list[bool] = []
        reactor.callLater(0, called.append, True)
        before = reactor.loop
        reactor.beforeDaemonize()
        self.assertTrue(before.is_closed())
        reactor.afterDaemonize()
        client = self.connected(port)
        client.send(b"hello")
        self.assertEqual(self.heard(reactor, client, b"hello"), b"hello")
        self.assertEqual(called, [True])

    def test_child_process(self) -> None:
        """The end of a child process is heard, although uvloop has the signal."""
        ended: list[Any] = []

        class Child(ProcessProtocol):
            def processEnded(self, reason: Failure) -> None:
                ended.append(reason.value)

        reactor: Any = self.buildReactor()
        reactor.callWhenRunning(
            reactor.spawnProcess, Child(), sys.executable, [sys.executable, "-S", "-c", "raise SystemExit(3)"]
        )
        self.until(reactor, lambda: ended)
        self.assertEqual(ended[0].exitCode, 3)

    def test_asyncio(self) -> None:
        """asyncio's coroutines run on the same loop, and Deferreds wait for them."""
        import asyncio

        async def slow() -> int:
            await asyncio.sleep(0)
            return 42

        reactor: Any = self.buildReactor()
        results: list[int] = []

        def begin() -> None:
            future = asyncio.ensure_future(slow())
            Deferred.fromFuture(future).addCallback(results.append)

        reactor.callWhenRunning(begin)
        self.until(reactor, lambda: results)
        self.assertEqual(results, [42])
