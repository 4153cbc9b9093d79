"""The other side of each transport."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from twisted.internet.error import ConnectionLost

from .frames import Frame, clientFrame, parseFrame
from .wires import MemoryDatagrams, MemoryTransport

Check = Callable[[], None]
"""Raises what the protocol raised."""


def splits(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give each way to cut bytes in two, the whole first or last among them: a network may cut anywhere."""
    for where in range(len(data) + 1):
        yield data[:where], data[where:]


class ConnectedPeer:
    """The other side of a connection: what can happen to its bytes."""

    def __init__(self, check: Check, wire: MemoryTransport) -> None:
        self._check = check
        self._wire = wire
        self._taken = 0

    def dribble(self, data: bytes) -> None:
        """Send bytes one by one, as the worst network would."""
        for byte in data:
            self._send(bytes((byte,)))

    def finish(self) -> None:
        """Send FIN: this side says no more, and still listens."""
        self._wire.deliverEof()
        self._check()

    def reset(self) -> None:
        """Vanish."""
        self._wire.lose(ConnectionLost())
        self._check()

    def stopReading(self) -> None:
        """Let what is sent pile up."""
        self._wire.peerReads = False

    def startReading(self) -> None:
        """Read again."""
        self._wire.peerReads = True
        self._wire.drain()
        self._check()

    @property
    def heldBack(self) -> bool:
        """Whether the server has stopped reading from this peer."""
        return not self._wire.reading

    @property
    def finished(self) -> bool:
        """Whether the server has said that it will send no more."""
        return self._wire.finished

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return not self._wire.connected

    def _send(self, data: bytes) -> None:
        self._wire.deliver(data)
        self._check()

    def _fresh(self, upTo: bytes = b"") -> bytes:
        """Give the bytes that have come since this was last called; those behind the last `upTo` another time."""
        self._check()
        data = bytes(self._wire.received[self._taken :])
        if upTo:
            data = data[: data.rfind(upTo) + 1]
        self._taken += len(data)
        return data


class StreamPeer(ConnectedPeer):
    """The other side of a stream."""

    def __init__(self, check: Check, wire: MemoryTransport, encoding: str) -> None:
        super().__init__(check, wire)
        self._encoding = encoding

    def send(self, data: bytes) -> None:
        """Send bytes, which the server reads at once."""
        self._send(data)

    def say(self, text: str) -> None:
        """Send a line."""
        self.send(text.encode(self._encoding) + b"\n")

    @property
    def received(self) -> bytes:
        """All that has come from the server."""
        return bytes(self._wire.received)

    def receive(self) -> bytes:
        """Give what has come since this was last called."""
        return self._fresh()

    def hear(self) -> list[str]:
        """Give the lines that have come since this was last called, without their ends."""
        return self._fresh(upTo=b"\n").decode(self._encoding).split("\n")[:-1]


class DatagramTestPeer:
    """The other side of datagrams."""

    def __init__(self, check: Check, port: MemoryDatagrams, address: tuple[str, int], encoding: str) -> None:
        self._check = check
        self._port = port
        self._address = address
        self._encoding = encoding

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self._port.protocol.datagramReceived(data, self._address)
        self._check()

    def say(self, text: str) -> None:
        """Send a line without an end."""
        self.send(text.encode(self._encoding))

    def receive(self) -> list[bytes]:
        """Give the datagrams that have come since this was last called."""
        self._check()
        return self._port.sent.pop(self._address, [])

    def hear(self) -> list[str]:
        """Give the lines that have come since this was last called."""
        return [each.decode(self._encoding).removesuffix("\n") for each in self.receive()]


class WebSocketPeer(ConnectedPeer):
    """The other side of WebSocket."""

    def __init__(self, check: Check, wire: MemoryTransport) -> None:
        super().__init__(check, wire)
        self._data = b""
        self._frames: list[Frame] = []
        self.response = b""
        """The head of the server's answer to the handshake, and after a refusal its body."""
        self._closeCode: int | None = None

    def sendBytes(self, data: bytes) -> None:
        """Send bytes as they are: part of a frame, or none at all."""
        self._send(data)

    def sendFrame(
        self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, masked: bool = True
    ) -> None:
        """Send a frame (RFC 6455, 5.2), as wrong as wanted."""
        self.sendBytes(clientFrame(opcode, payload, fin, rsv, masked))

    def sendMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send a message."""
        self.sendFrame(2 if isBinary else 1, payload)

    def say(self, text: str) -> None:
        """Send a text message."""
        self.sendMessage(text.encode(), False)

    def receive(self) -> list[tuple[bytes, bool]]:
        """Give the messages that have come since this was last called, each with whether it is binary."""
        frames, self._frames = self.frames(), []
        return [(each.payload, each.opcode == 2) for each in frames if each.opcode in (1, 2)]

    def hear(self) -> list[str]:
        """Give the text messages that have come since this was last called."""
        return [payload.decode() for payload, isBinary in self.receive() if not isBinary]

    def frames(self) -> list[Frame]:
        """Give all frames since `receive` was last called."""
        self._data += self._fresh()
        if not self.response:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return self._frames
            if not head.startswith(b"HTTP/1.1 101 "):
                self.response, self._data = self._data, b""
                return self._frames
            self.response, self._data = head + end, rest
        while (parsed := parseFrame(self._data)) is not None:
            frame, size = parsed
            self._data = self._data[size:]
            self._frames.append(frame)
            if frame.opcode == 8:
                self._closeCode = struct.unpack("!H", frame.payload[:2])[0] if frame.payload else 1005
        return self._frames

    @property
    def closeCode(self) -> int | None:
        """What the server has closed with."""
        self.frames()
        return self._closeCode

    def close(self, code: int = 1000) -> None:
        """Send a close frame."""
        self.sendFrame(8, struct.pack("!H", code))
