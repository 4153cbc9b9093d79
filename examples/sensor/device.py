"""A simulated sensor, in plain Python: `python3 device.py tcp|udp HOST PORT [PACKETS]`.

It knows nothing of socklab: sends packets, and waits for the answer to each.
"""

import socket
import struct
import sys

DEVICE = 7
TEMPERATURE, HUMIDITY = 1, 2
ACK, NACK = 0x06, 0x15


def exchangeTcp(connection: socket.socket, packet: bytes) -> bytes:
    """Send a packet, and give the answer: in a stream each stands behind its length, two bytes."""
    connection.sendall(struct.pack("!H", len(packet)) + packet)
    (length,) = struct.unpack("!H", receive(connection, 2))
    return receive(connection, length)


def receive(connection: socket.socket, size: int) -> bytes:
    """Give so many bytes, however the network has cut them."""
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise OSError("the server has closed the connection")
        data += piece
    return data


def exchangeUdp(connection: socket.socket, packet: bytes) -> bytes:
    """Send a packet, and give the answer: each is a datagram. What is lost is sent again."""
    for _ in range(5):
        connection.send(packet)
        try:
            return connection.recv(512)
        except OSError:  # nothing came in time
            pass
    raise OSError("no answer")


def main(kind: str, host: str, port: str, packets: str = "3") -> None:
    """Report some packets of readings."""
    udp = kind == "udp"
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    connection.settimeout(1 if udp else 10)
    connection.connect(socket.getaddrinfo(host, int(port), socket.AF_INET)[0][-1])
    sequence = 0
    for number in range(int(packets)):
        readings = struct.pack("!BhBh", TEMPERATURE, 2150 + 3 * number, HUMIDITY, 480 - number)
        answer = NACK
        while answer == NACK:
            packet = struct.pack("!HH", DEVICE, sequence) + readings
            reply = (exchangeUdp if udp else exchangeTcp)(connection, packet)
            answer, sequence = struct.unpack("!BH", reply)
            print("sent", packet.hex(), "got", "ACK" if answer == ACK else "NACK", sequence)
        sequence = (sequence + 1) % 65536
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
