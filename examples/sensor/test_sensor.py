"""What devices see of the sensor server: in memory over each transport, and over the network."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sensor import ACK, NACK, SensorFactory

from socklab.events import Cut
from socklab.testing import MemoryServer, ServerProcess

HERE = Path(__file__).parent
TRANSPORTS = ["tcp", "tls", "unix", "udp", "websocket"]


def packet(device: int, sequence: int, *readings: tuple[int, int]) -> bytes:
    """Give a packet of readings, each a channel and a value."""
    return struct.pack("!HH", device, sequence) + b"".join(struct.pack("!Bh", *each) for each in readings)


def framed(payload: bytes) -> bytes:
    """Give a packet as it stands in a stream."""
    return struct.pack("!H", len(payload)) + payload


def answers(stream: bytes) -> list[bytes]:
    """Give the packets that stand in a stream."""
    found = []
    while stream:
        end = 2 + int.from_bytes(stream[:2])
        found.append(stream[2:end])
        stream = stream[end:]
    return found


class Device:
    """A device in memory."""

    def __init__(self, server: MemoryServer, transport: str) -> None:
        self._transport = transport
        self.peer: Any = getattr(server, transport)()

    def report(self, payload: bytes) -> list[tuple[int, int]]:
        """Send a packet, and give the answers that come: of each its kind and its sequence number."""
        if self._transport == "udp":
            self.peer.send(payload)
            packets = self.peer.receive()
        elif self._transport == "websocket":
            self.peer.sendMessage(payload, True)
            packets = [answer for answer, isBinary in self.peer.receive() if isBinary]
        else:
            self.peer.send(framed(payload))
            packets = answers(self.peer.receive())
        return [struct.unpack("!BH", each) for each in packets]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_report(transport: str) -> None:
    """Each packet is acknowledged, and its readings are kept; numbers may be negative."""
    factory = SensorFactory()
    device = Device(MemoryServer(factory), transport)
    assert device.report(packet(7, 0, (1, 2150), (2, 480))) == [(ACK, 0)]
    assert device.report(packet(7, 1, (1, -5))) == [(ACK, 1)]
    assert factory.readings == {7: {1: -5, 2: 480}}


def test_lost_ack() -> None:
    """A packet that comes again is acknowledged again, and taken once."""
    factory = SensorFactory()
    device = Device(MemoryServer(factory), "udp")
    assert device.report(packet(7, 0, (1, 1))) == [(ACK, 0)]
    assert device.report(packet(7, 0, (1, 2))) == [(ACK, 0)]
    assert factory.readings == {7: {1: 1}}


def test_wrong_sequence() -> None:
    """A packet out of order is refused with the number that should have come."""
    device = Device(MemoryServer(SensorFactory()), "tcp")
    assert device.report(packet(7, 10, (1, 1))) == [(ACK, 10)]
    assert device.report(packet(7, 12, (1, 1))) == [(NACK, 11)]
    assert device.report(packet(7, 11, (1, 1))) == [(ACK, 11)]


def test_after_the_last_number_comes_0() -> None:
    """Sequence numbers begin again after 65,535."""
    device = Device(MemoryServer(SensorFactory()), "tcp")
    assert device.report(packet(7, 65535, (1, 1))) == [(ACK, 65535)]
    assert device.report(packet(7, 0, (1, 1))) == [(ACK, 0)]
    assert device.report(packet(7, 0, (1, 1))) == [(ACK, 0)]


def test_device_that_comes_back() -> None:
    """A device is known by its number, whatever it comes by."""
    server = MemoryServer(SensorFactory())
    for sequence, transport in enumerate(TRANSPORTS):
        assert Device(server, transport).report(packet(7, sequence, (1, 1))) == [(ACK, sequence)]
    assert Device(server, "tcp").report(packet(7, 0, (1, 1))) == [(NACK, len(TRANSPORTS))]


def test_packet_in_pieces() -> None:
    """In a stream a packet stands behind its length, however the network cuts it; others may follow."""
    peer = MemoryServer(SensorFactory()).tcp()
    peer.dribble(framed(packet(7, 0, (1, 1))))
    peer.send(framed(packet(7, 1, (1, 1))) + framed(packet(7, 2, (1, 1))))
    assert peer.receive() == b"".join(framed(struct.pack("!BH", ACK, each)) for each in range(3))


@pytest.mark.parametrize("garbage", [b"", b"hello", packet(7, 0), packet(7, 0, (1, 1)) + b"x"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_garbage(transport: str, garbage: bytes) -> None:
    """Who sends what is no packet gets no answer, and is sent away; another device does not notice."""
    server = MemoryServer(SensorFactory())
    device = Device(server, transport)
    assert device.report(garbage) == []
    assert any(isinstance(each, Cut) for each in server.events)
    assert Device(server, transport).report(packet(8, 0, (1, 1))) == [(ACK, 0)]


def test_too_many_devices() -> None:
    """There is a greatest number of devices; those that are known go on."""
    server = MemoryServer(SensorFactory(max_devices=1))
    device = Device(server, "tcp")
    assert device.report(packet(7, 0, (1, 1))) == [(ACK, 0)]
    assert Device(server, "tcp").report(packet(8, 0, (1, 1))) == []
    assert device.report(packet(7, 1, (1, 1))) == [(ACK, 1)]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_simulated_device(socklab_server: Callable[[str], ServerProcess], transport: str) -> None:
    """Over the network: device.py, which knows only sockets, reports three packets."""
    host, port = socklab_server("sensor.toml").address("sensor", transport)
    device = [sys.executable, str(HERE / "device.py"), transport, host, str(port)]
    for sequences in ((0, 1, 2), (3, 4, 5)):
        printed = subprocess.run(device, capture_output=True, text=True, timeout=120, check=True).stdout
        assert [line.split()[-2:] for line in printed.splitlines()][-3:] == [["ACK", str(n)] for n in sequences]
