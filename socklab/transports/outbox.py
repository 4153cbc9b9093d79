"""Datagrams on their way out: those to one address leave in one system call, where the system can (UDP_SEGMENT).

To send a datagram costs more than all else that is done for it: 3.3 us alone, 0.8 us as one of ten (loopback).
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

from ..message import checkPayload
from .guard import Address
from .serving import Serving

MAX_PAYLOAD = 65_507
"""The longest payload of a datagram over IPv4, in bytes: 65,535 less the headers of IP (20) and UDP (8)."""

_UDP_SEGMENT: Final = 103
"""Linux 4.18, udp(7): what is sent is cut into datagrams of a given length. Python has no name for it."""
_SEGMENTS: Final = 64
"""The most datagrams that each Linux makes of one buffer (UDP_MAX_SEGMENTS)."""
_MOST: Final = 1024 * 1024
"""Bytes that may wait until all that has come was handled."""
_OVERHEAD: Final = 50
"""Bytes that a waiting datagram counts beside its own."""


class Outbox:
    """What sends a port's datagrams: each at once, or, while it gathers, those to one address together."""

    def __init__(self, serving: Serving, dropped: Callable[[Address, str], None]) -> None:
        """@param dropped: is told which datagram is not sent, and why."""
        self._serving = serving
        self._dropped = dropped
        self._send: Callable[[bytes, Address], object] | None = None
        self._sendmsg: Any = None
        self._gathering = False
        self._waiting: dict[Address, list[bytes]] = {}
        self._size = 0

    def open(self, port: socket.socket | None, write: Callable[[bytes, Address], object]) -> None:
        """Begin.

        @param port: the socket, if there is one.
        @param write: sends a datagram where there is none.
        """
        # Twisted's write looks at each address whether it is one: that alone takes longer than all of ours.
        self._send = write if port is None else port.sendto
        self._sendmsg = port.sendmsg if port is not None and _cuts(port) else None

    def close(self) -> None:
        """Send nothing any more."""
        self._send = self._sendmsg = None

    def gather(self) -> None:
        """Keep what is sent by `sendSoon` until `flush`, where that saves something."""
        self._gathering = self._sendmsg is not None

    def flush(self) -> None:
        """Send what was kept, and keep nothing more."""
        self._gathering = False
        self._sendWaiting()

    def sendSoon(self, data: bytes, address: Address) -> None:
        """Send a message, in order with all else to that address, and count it as sent or dropped."""
        if not self._gathering or type(data) is not bytes:
            if self.send(data, address) and self._serving.counting:
                self._serving.counts.went(len(data))
            return
        waiting = self._waiting.get(address)
        if waiting is None:
            self._waiting[address] = [data]
        else:
            waiting.append(data)
        self._size += len(data) + _OVERHEAD
        if self._size > _MOST:
            self._sendWaiting()

    def send(self, data: bytes, address: Address) -> bool:
        """Send a datagram now; False when it was dropped."""
        if self._waiting and address in self._waiting:
            # They come first.
            self._sendTogether(address, self._waiting.pop(address))
        if self._send is None:
            return False
        try:
            self._send(data, address)
        except TypeError:
            checkPayload(data)
            raise
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                # Of an earlier one, most likely.
                return True
            if error.errno == errno.EMSGSIZE:
                self._dropped(address, f"a message of {len(data)} bytes exceeds a datagram")
            else:
                self._dropped(address, f"the system did not send it: {error.strerror}")
            return False
        return True

    def _sendAlone(self, data: bytes, address: Address) -> None:
        if self.send(data, address) and self._serving.counting:
            self._serving.counts.went(len(data))

    def _sendWaiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._size = 0
        for address, messages in waiting.items():
            if len(messages) == 1:
                self._sendAlone(messages[0], address)
            else:
                self._sendTogether(address, messages)

    def _sendTogether(self, address: Address, messages: list[bytes]) -> None:
        """Send messages to one address, those of a length that follow each other together."""
        for size, alike in groupby(messages, len):
            left = [*alike]
            most = min(_SEGMENTS, MAX_PAYLOAD // size) if 0 < size <= MAX_PAYLOAD else 1
            while left:
                some, left = left[:most], left[most:]
                if len(some) == 1 or not self._cut(some, size, address):
                    for each in some:
                        self._sendAlone(each, address)
                elif self._serving.counting:
                    self._serving.counts.went(size * len(some), len(some))

    def _cut(self, messages: list[bytes], size: int, address: Address) -> bool:
        """Send messages of one length; False when the system does not: each by itself may have better luck."""
        length = size.to_bytes(2, sys.byteorder)
        try:
            self._sendmsg(messages, [(socket.IPPROTO_UDP, _UDP_SEGMENT, length)], 0, address)
        except OSError:
            # EMSGSIZE or EINVAL: longer than a packet of this network. EIO: its device cannot.
            return False
        return True


def _cuts(port: socket.socket) -> bool:
    """Tell whether the system cuts what is sent."""
    try:
        # One that does not know of it would send all as one datagram.
        port.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return sys.platform == "linux"
