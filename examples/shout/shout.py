"""Shout: a whole protocol in ten lines."""

from socklab import Factory, Lines, MessageProtocol


class ShoutProtocol(MessageProtocol):
    """Send every message back in capitals, as the kind it came in."""

    factory: "ShoutFactory"

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A line, a datagram or a WebSocket message has come."""
        self.transport.sendMessage(payload.upper() + b"!" * self.factory.marks, isBinary)


class ShoutFactory(Factory):
    """Shout. On a stream a message is a line."""

    protocol = ShoutProtocol
    framing = Lines

    def __init__(self, marks: int = 0) -> None:
        """@param marks: how many exclamation marks to add."""
        self.marks = marks
