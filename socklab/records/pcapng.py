"""A record as a capture file that Wireshark opens (draft-ietf-opsawg-pcapng). No I/O.

Three kinds of blocks are all that is needed of the format, and 14 bytes of Ethernet of the network: less than
what a library for them asks for (scapy: 6 MB; python-pcapng builds no packets).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from .packets import Endpoint, Route, TcpStream
from .patterns import wireEvent
from .reading import Conversation, Conversations, Entry

_ETHERNET: Final = 1
_COMMENT, _APPLICATION = 1, 4


def _option(code: int, text: str) -> bytes:
    data = text.encode()
    return struct.pack("<HH", code, len(data)) + data + b"\0" * (-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def head() -> bytes:
    """Give what a file begins with: its section, and one interface."""
    application = _option(_APPLICATION, f"socklab {version('socklab')}") + bytes(4)
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + application
    return _block(0x0A0D0D0A, section) + _block(1, struct.pack("<HHI", _ETHERNET, 0, 0))


def packetBlock(time: float, packet: bytes, comment: str = "") -> bytes:
    """Give a packet.

    @param time: seconds since 1970; a file has microseconds.
    """
    micros = round(time * 1_000_000)
    body = struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(packet), len(packet))
    body += packet + b"\0" * (-len(packet) % 4)
    if comment:
        body += _option(_COMMENT, comment) + bytes(4)
    return _block(6, body)


class Exporter:
    """Makes packets of entries, as they come."""

    def __init__(self, conversations: Iterable[Conversation]) -> None:
        """@param conversations: the same that the entries will belong to, so that all is known of each."""
        self._known = {each.number: each for each in conversations}
        self._events = {number: wireEvent(each.entries) for number, each in self._known.items()}
        self._sorted = Conversations()
        self._routes: dict[int, Route] = {}
        self._streams: dict[int, TcpStream] = {}

    def add(self, entry: Entry, isWanted: bool = True) -> Iterator[bytes]:
        """Give the packets of an entry as blocks; most entries that are no bytes have none.

        @param isWanted: whether its conversation is exported; every entry must come by here.
        """
        conversation = self._sorted.add(entry)
        if conversation is None or entry.event == "refused" or not isWanted:
            return
        number = conversation.number
        comment = ""
        if number not in self._routes:
            self._routes[number] = _routeOf(self._known[number])
            comment = f"{conversation.service} {conversation.name}{_REMARKS.get(conversation.transport, '')}"
        isData = entry.event == self._events[number]
        if conversation.transport == "udp":
            if isData:
                packet = self._routes[number].datagram(entry.direction, entry.payload)
                yield packetBlock(entry.time, packet, comment)
            return
        if number not in self._streams:
            self._streams[number] = TcpStream(self._routes[number])
            for packet in self._streams[number].begin():
                yield packetBlock(entry.time, packet, comment)
                comment = ""
        stream = self._streams[number]
        if isData:
            packets = stream.say(entry.direction, entry.payload)
        elif entry.event == "finished":
            packets = stream.finish("in")
        elif entry.event == "closed":
            first = "in" if entry.more.get("by") == "peer" else "out"
            reset = str(entry.more.get("reason", "")).startswith(_RESETS)
            packets = stream.end("in" if first == "in" else "out", reset)
        else:
            return
        for packet in packets:
            yield packetBlock(entry.time, packet, f"{entry.more.get('reason', '')}")


_REMARKS: Final = {"tls": ": what was within TLS", "unix": ": a Unix socket, which has no addresses"}
_RESETS: Final = ("reset", "aborted", "the protocol failed", "the connection failed")
"""Ends that are no FIN."""


def _routeOf(conversation: Conversation) -> Route:
    client = _endpoint(conversation.peer)
    if client is None:
        # Each peer of a Unix socket needs a port of its own.
        client = Endpoint(IPv4Address("127.0.0.1"), 1024 + conversation.number % 64000)
    server = _endpoint(conversation.local)
    if server is None or server.host.is_unspecified or server.host.version != client.host.version:
        loopback = IPv4Address("127.0.0.1") if client.host.version == 4 else IPv6Address("::1")
        server = Endpoint(loopback, server.port if server is not None else 1)
    return Route(client, server)


def _endpoint(text: str) -> Endpoint | None:
    host, _, port = text.rpartition(":")
    try:
        return Endpoint(ip_address(host.strip("[]").partition("%")[0]), int(port))
    except ValueError:
        return None
