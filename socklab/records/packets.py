"""Packets as a network card would have seen them: Ethernet, IP, TCP and UDP around recorded bytes. No I/O.

RFC 791 and 8200 (IP), 9293 (TCP), 768 (UDP), 1071 (the checksum).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from typing import Final, NamedTuple

from .reading import Direction

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_TCP, _UDP = 6, 17
_MSS: Final = 1440
"""Bytes of a segment: with the longest headers, those of IPv6, they make a packet of 1500."""
_WINDOW: Final = 65535
_MSS_OPTION: Final = struct.pack("!BBH", 2, 4, _MSS)
# Locally administered, as no card has them.
_MACS: Final[dict[Direction, bytes]] = {
    "in": bytes.fromhex("020000000002020000000001"),
    "out": bytes.fromhex("020000000001020000000002"),
}


class Endpoint(NamedTuple):
    """One end of a conversation."""

    host: IPv4Address | IPv6Address
    port: int


class Route:
    """The two ends; both are of one kind of IP."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self._ends: dict[Direction, tuple[Endpoint, Endpoint]] = {"in": (client, server), "out": (server, client)}
        self._number = count(1)

    def datagram(self, direction: Direction, payload: bytes) -> bytes:
        """Give a UDP datagram as a packet."""
        source, target = self._ends[direction]
        head = struct.pack("!HHHH", source.port, target.port, 8 + len(payload), 0)
        return self._packet(direction, _UDP, head, 6, payload)

    def segment(
        self, direction: Direction, flags: int, sequence: int, acknowledged: int, payload: bytes = b""
    ) -> bytes:
        """Give a TCP segment as a packet."""
        source, target = self._ends[direction]
        options = _MSS_OPTION if flags & SYN else b""
        offset = (20 + len(options)) // 4 << 12
        head = struct.pack(
            "!HHIIHHHH", source.port, target.port, sequence, acknowledged, offset | flags, _WINDOW, 0, 0
        )
        return self._packet(direction, _TCP, head + options, 16, payload)

    def _packet(self, direction: Direction, protocol: int, head: bytes, at: int, payload: bytes) -> bytes:
        """@param at: where in the head the checksum stands."""
        source, target = (end.host.packed for end in self._ends[direction])
        length = len(head) + len(payload)
        sum_ = checksum(source + target + struct.pack("!IHBB", length, 0, 0, protocol) + head + payload)
        # RFC 768: a sum of 0 would say that there is none.
        head = head[:at] + struct.pack("!H", sum_ or 0xFFFF) + head[at + 2 :]
        if len(source) == 16:
            ip = struct.pack("!IHBB", 6 << 28, length, protocol, 64)
            return _MACS[direction] + b"\x86\xdd" + ip + source + target + head + payload
        number = next(self._number) & 0xFFFF
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, number, 0x4000, 64, protocol, 0) + source + target
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return _MACS[direction] + b"\x08\x00" + ip + head + payload


def checksum(data: bytes) -> int:
    """Give the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # 2^16 is 1 modulo 65535: the number as a whole has the remainder that the sum of its words has.
    remainder = int.from_bytes(data) % 0xFFFF
    return 0xFFFF - (remainder or (0xFFFF if any(data) else 0))


class TcpStream:
    """One TCP connection: its handshake, what was said with acknowledgements, its end."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._next: dict[Direction, int] = {"in": 1000, "out": 2000}
        self._finished: set[Direction] = set()
        self._ended = False

    def begin(self) -> Iterator[bytes]:
        """Give the handshake."""
        yield self._segment("in", SYN)
        yield self._segment("out", SYN | ACK)
        yield self._segment("in", ACK)

    def say(self, direction: Direction, data: bytes) -> Iterator[bytes]:
        """Give bytes in segments, and the acknowledgement."""
        if self._ended or direction in self._finished or not data:
            return
        for start in range(0, len(data), _MSS):
            piece = data[start : start + _MSS]
            isLast = start + _MSS >= len(data)
            yield self._segment(direction, ACK | (PSH if isLast else 0), piece)
        yield self._segment(_other(direction), ACK)

    def finish(self, direction: Direction) -> Iterator[bytes]:
        """Give what says that one side sends nothing more."""
        if not self._ended and direction not in self._finished:
            self._finished.add(direction)
            yield self._segment(direction, FIN | ACK)
            yield self._segment(_other(direction), ACK)

    def end(self, first: Direction, reset: bool) -> Iterator[bytes]:
        """Give the end.

        @param first: who begins it.
        """
        if self._ended:
            return
        if reset:
            yield self._segment(first, RST | ACK)
        else:
            yield from self.finish(first)
            yield from self.finish(_other(first))
        self._ended = True

    def _segment(self, direction: Direction, flags: int, payload: bytes = b"") -> bytes:
        sequence = self._next[direction]
        acknowledged = self._next[_other(direction)] if flags & ACK else 0
        self._next[direction] = (sequence + len(payload) + bool(flags & (SYN | FIN))) % (1 << 32)
        return self._route.segment(direction, flags, sequence, acknowledged, payload)


def _other(direction: Direction) -> Direction:
    return "out" if direction == "in" else "in"
