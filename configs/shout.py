"""A protocol of one's own, as small as they get."""

from socklab import Factory, MessageProtocol


class ShoutProtocol(MessageProtocol):
    """Send every message back in capitals, as the kind it came in."""

    factory: "ShoutFactory"

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        self.transport.sendMessage(payload.upper() + b"!" * self.factory.marks, isBinary)


class ShoutFactory(Factory):
    """Shout."""

    protocol = ShoutProtocol

    def __init__(self, marks: int = 0) -> None:
        """@param marks: how many exclamation marks to add."""
        self.marks = marks
