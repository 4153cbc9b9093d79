"""A protocol of an author's, with state, options and a life."""

from __future__ import annotations

from socklab import Factory, Lines, MessageProtocol


class CountingProtocol(MessageProtocol):
    """Answer each message with its number, and what the Factory says of itself."""

    factory: CountingFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        factory = self.factory
        factory.count += 1
        life = f"{factory.count} {factory.word} {payload.decode()} started {factory.started}"
        self.transport.sendMessage(life.encode(), False)


class CountingFactory(Factory):
    """Counts, whatever its messages came by."""

    protocol = CountingProtocol
    framing = Lines

    def __init__(self, word: str = "message", step: int = 1) -> None:
        """@param word: what is counted."""
        self.word = word
        self.step = step
        self.count = 0
        self.started = 0

    def startFactory(self) -> None:
        """The service starts; the clock is there."""
        assert self.clock.seconds() >= 0
        self.started += 1

    def reconfigure(self, word: str) -> None:
        """Take another word; what was counted stays."""
        if not word:
            raise ValueError("word: expected one")
        self.word = word
