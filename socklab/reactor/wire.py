"""Connected sockets, and what watches them: an epoll of the reactor's own, which uvloop's loop watches."""

from __future__ import annotations

import os
import platform
import socket
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT, epoll
from socket import SocketType
from socket import socket as Socket
from typing import BinaryIO, Final
from typing import Protocol as TypingProtocol

from twisted.python import log

_AT_ONCE: Final = 256
"""Sockets that are looked at before uvloop's loop has a turn."""
_READ: Final = 256 * 1024 if platform.libc_ver()[0] == "glibc" else 64 * 1024
"""Bytes that are read at once: no more than memory is at hand for, as `_keepMemory` has it."""
_FULL: Final = 64 * 1024
"""Bytes that wait to be sent for which a producer is paused."""
_EMPTY: Final = 16 * 1024
"""Bytes that may still wait when it is resumed."""


class Watched(TypingProtocol):
    """What has a socket."""

    def ready(self, events: int) -> None:
        """The socket has something, or takes something (`EPOLLIN`, `EPOLLOUT` and others)."""


class Watch:
    """Knows which sockets have something, and has them look; docs/reactor.md says why not uvloop's transports."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = epoll()
        self._watched: dict[int, Watched] = {}
        self._looking = False
        self._later: list[Callable[[], None]] = []
        loop.add_reader(self._epoll.fileno(), self._look)
        self._spare = _nothing()
        _keepMemory()

    def close(self) -> None:
        """Watch nothing any more; the loop is about to be closed."""
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        if self._spare is not None:
            self._spare.close()

    def watch(self, descriptor: int, watched: Watched, events: int, before: int) -> None:
        """Have it look when something happens.

        @param events: for what it is to look; 0 is nothing.
        @param before: for what it looked until now.
        """
        if not before:
            self._epoll.register(descriptor, events)
            self._watched[descriptor] = watched
        elif events:
            self._epoll.modify(descriptor, events)
        else:
            # Also of one that is about to be closed: who has a copy of the descriptor would keep it in the epoll.
            self._epoll.unregister(descriptor)
            del self._watched[descriptor]

    def afterwards(self, call: Callable[[], None]) -> None:
        """Do something when all that have something now were served."""
        if self._looking:
            self._later.append(call)
        else:
            self.loop.call_soon(call)

    def _look(self) -> None:
        watched = self._watched
        self._looking = True
        try:
            for descriptor, events in self._epoll.poll(0, _AT_ONCE):
                # One that was served before in this turn may have closed it.
                each = watched.get(descriptor)
                if each is not None:
                    each.ready(events)
        finally:
            self._looking = False
        if self._later:
            later, self._later = self._later, []
            for call in later:
                try:
                    call()
                except Exception:
                    # The others wait as long.
                    log.err()

    def turnAway(self, port: Socket) -> bool:
        """Close who has waited longest to be accepted, for whom there is no descriptor; False if nobody waits."""
        # It is what one descriptor is kept for; somebody else may have had it the last time.
        if self._spare is not None:
            self._spare.close()
        try:
            port.accept()[0].close()
        except OSError:
            return False
        finally:
            self._spare = _nothing()
        return True


def _keepMemory() -> None:
    """Have memory that is freed stay at hand for what is read next.

    glibc asks the system for each piece of 128 KiB and more, and gives it back, until one is freed that was
    greater. From then on it does so with greater ones only, and keeps twice as much of what is free (mallopt(3),
    M_MMAP_THRESHOLD). What comes from the system costs a page fault for each 4 KiB, which was half the time of a
    WebSocket message of 1 MiB. These bytes are never touched, so they cost none.
    """
    bytes(4 * 1024 * 1024)


def _nothing() -> BinaryIO | None:
    """Take a descriptor, to have one; None if there is none."""
    try:
        return open(os.devnull, "rb", buffering=0)
    except OSError:
        return None


def _toNobody(data: bytes) -> None:
    """It is closed."""


class Wire:
    """A connected socket: what is written is sent at once, and what the system does not take is kept."""

    # Thousands of idle connections have one each.
    __slots__ = (
        "_closing",
        "_descriptor",
        "_full",
        "_low",
        "_rest",
        "_socket",
        "_waiting",
        "_wanted",
        "_watch",
        "_watched",
        "send",
    )

    send: Callable[[bytes], int | None]
    """For who asks `through`: it sends at once, and gives how many bytes the system took; None if `put` did it."""

    def _wire(self, watch: Watch, accepted: SocketType) -> None:
        """Begin with a socket."""
        accepted.setblocking(False)
        self._socket = accepted
        self._descriptor = accepted.fileno()
        self._watch = watch
        self._closing = False
        """Whether it closes, or is closed."""
        self._full = False
        """Whether more waits to be sent than should."""
        self._low = _EMPTY
        self._rest: deque[bytes | memoryview] | None = None
        self._waiting = 0
        """Bytes that the system has not taken yet."""
        self._wanted = self._watched = 0
        """Events that it should be told of, and is."""

    # What a connection does

    def data_received(self, data: bytes) -> None:
        """The peer has sent something."""
        raise NotImplementedError

    def eof_received(self) -> None:
        """The peer has sent FIN: nothing more is read."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        """Much waits to be sent."""
        raise NotImplementedError

    def resume_writing(self) -> None:
        """Little or nothing waits any more."""
        raise NotImplementedError

    def connection_lost(self, error: OSError | None) -> None:
        """It is closed."""
        raise NotImplementedError

    # Reading

    def ready(self, events: int) -> None:
        """Read and send what there is (`Watched`)."""
        if events == EPOLLIN == self._wanted:
            # As `_read`, without the call.
            try:
                data = self._socket.recv(_READ)
            except OSError as error:
                self._unreadable(error)
                return
            if data:
                self.data_received(data)
            else:
                self._end()
            return
        wanted = self._wanted
        if wanted != self._watched:
            # It is not wanted any more. To say so only now saves it mostly: who is paused goes on soon.
            self._watch.watch(self._descriptor, self, wanted, self._watched)
            self._watched = wanted
        if wanted & EPOLLOUT and events & ~EPOLLIN:
            self._sendRest()
        if self._wanted & EPOLLIN and events & ~EPOLLOUT:
            self._read()

    def _read(self) -> None:
        """Read what is there, if there is something."""
        try:
            data = self._socket.recv(_READ)
        except OSError as error:
            self._unreadable(error)
            return
        if data:
            self.data_received(data)
        else:
            self._end()

    def _unreadable(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):
            self._drop(error)

    def _end(self) -> None:
        self._deafen()
        self.eof_received()

    def _deafen(self) -> None:
        """Leave what comes in the socket."""
        self._wanted &= ~EPOLLIN

    def _hear(self) -> None:
        """Read what comes."""
        if not self._closing:
            self._want(EPOLLIN)

    def _want(self, event: int) -> None:
        self._wanted |= event
        if not self._watched & event:
            self._watch.watch(self._descriptor, self, self._wanted, self._watched)
            self._watched = self._wanted

    # Sending

    def through(self) -> Wire | None:
        """Give what has `send`, to be called from C for many at once, and `put` for what that has not sent."""
        self.send = _toNobody if self._closing else self.put if self._waiting else self._socket.send
        return self

    def put(self, data: bytes | memoryview, more: int = 0) -> None:
        """Send, or keep what the system does not take.

        @param more: `MSG_MORE` if FIN follows at once, and shall leave with it.
        """
        if self._closing:
            return
        sent = 0
        if not self._waiting:
            try:
                sent = self._socket.send(data, more)
            except BlockingIOError:
                pass
            except OSError as error:
                self._drop(error)
                return
            if sent == len(data):
                return
        if self._rest is None:
            self._rest = deque()
            # Nothing may overtake it.
            self.send = self.put
            self._want(EPOLLOUT)
        self._rest.append(memoryview(data)[sent:] if sent else data)
        self._waiting += len(data) - sent
        if self._waiting > _FULL and not self._full:
            self._full = True
            self.pause_writing()

    def _sendRest(self) -> None:
        rest = self._rest
        try:
            while rest:
                data = rest[0]
                sent = self._socket.send(data)
                self._waiting -= sent
                if sent == len(data):
                    rest.popleft()
                else:
                    rest[0] = memoryview(data)[sent:]
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(error)
            return
        if not rest:
            self._rest = None
            self.send = self._socket.send
            self._wanted &= ~EPOLLOUT
            if self._closing:
                self._release()
                self.connection_lost(None)
                return
        if self._full and self._waiting <= self._low:
            self._full = False
            self.resume_writing()

    def _waits(self) -> bool:
        """Tell whether something waits to be sent; `resume_writing` follows when it is."""
        if not self._waiting:
            return False
        self._low = 0
        if not self._full:
            self._full = True
            self.pause_writing()
        return True

    # The end

    def _sendFin(self) -> None:
        """Send FIN; nothing waits to be sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            # Reset by the peer.
            self._drop(error)

    def _close(self) -> None:
        """Close when all is sent; nothing more is read."""
        if not self._closing:
            self._closing = True
            if self._waiting:
                self._deafen()
            else:
                self._release()
                self.connection_lost(None)

    def _drop(self, error: OSError | None = None) -> None:
        """Close at once; what waits is dropped. `connection_lost` follows in the next turn."""
        if self._descriptor >= 0:
            self._release()
            self._watch.loop.call_soon(self.connection_lost, error)

    def _release(self) -> None:
        self._closing = True
        self._wanted = 0
        if self._watched:
            self._watch.watch(self._descriptor, self, 0, self._watched)
            self._watched = 0
        self._descriptor = -1
        self._rest = None
        self.send = _toNobody
        self._waiting = 0
        self._socket.close()
