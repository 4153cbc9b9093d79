"""Sensors report readings in binary packets, each with a sequence number; the server acknowledges each packet."""

from __future__ import annotations

import struct
from typing import Final

from twisted.logger import Logger

from socklab import Factory, Int16, MessageProtocol, PeerError

log: Final = Logger(namespace="sensor")

# All numbers are in network byte order (big-endian). The readings follow the head; there is at least one.
HEAD: Final = struct.Struct("!HH")
"""The device's number, and the packet's sequence number: one more than the last, 0 after 65,535."""
READING: Final = struct.Struct("!Bh")
"""The channel, and its value, signed."""
ANSWER: Final = struct.Struct("!BH")
"""ACK and the packet's sequence number, or NACK and the one that should have come."""
ACK: Final = 0x06
NACK: Final = 0x15


class SensorProtocol(MessageProtocol):
    """Answer each packet: ACK if it is the device's next one, or the last one again; else NACK."""

    factory: SensorFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A packet has come.

        @raise PeerError: it is no packet.
        """
        size = len(payload) - HEAD.size
        if size <= 0 or size % READING.size:
            raise PeerError(f"{len(payload)} bytes are no packet")
        device, sequence = HEAD.unpack_from(payload)
        readings = dict(READING.iter_unpack(payload[HEAD.size :]))
        self.transport.sendMessage(ANSWER.pack(*self.factory.take(device, sequence, readings)), True)


class SensorFactory(Factory):
    """Keeps the latest readings of each device; a device may come back over another transport."""

    protocol = SensorProtocol
    framing = Int16

    def __init__(self, max_devices: int = 1000) -> None:
        """@param max_devices: how many devices may report; one more is sent away."""
        self.max_devices = max_devices
        self.sequences: dict[int, int] = {}
        self.readings: dict[int, dict[int, int]] = {}

    def take(self, device: int, sequence: int, readings: dict[int, int]) -> tuple[int, int]:
        """Keep a packet's readings, by their channels, once; give the answer.

        @raise PeerError: there are too many devices.
        """
        last = self.sequences.get(device)
        if last is None and len(self.sequences) >= self.max_devices:
            raise PeerError(f"device {device} is one too many")
        expected = sequence if last is None else (last + 1) % 65536
        if sequence == expected:
            self.sequences[device] = sequence
            self.readings.setdefault(device, {}).update(readings)
            log.info("device {device}: {readings}", device=device, readings=readings)
        elif sequence != last:
            return NACK, expected
        return ACK, sequence
