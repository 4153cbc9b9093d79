"""Echo: whatever a peer says comes back."""

from __future__ import annotations

from socklab import Factory, Lines, MessageProtocol, Raw, isPrintable


class EchoProtocol(MessageProtocol):
    """Send each message back as the kind it came in."""

    factory: EchoFactory

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        prefix = self.factory.prefix
        # Streams and UDP call everything binary; on WebSocket it means that the message is no text.
        if prefix and not (isBinary and self.transport.peer.kind == "websocket"):
            payload = prefix.encode(self.transport.encoding, "replace") + payload
        self.transport.sendMessage(payload, isBinary)


class EchoFactory(Factory):
    """Echo, over TCP byte for byte, over UDP and WebSocket message for message.

    Half-close is honoured: after the client's FIN every byte still owed is sent, then the server closes.
    """

    protocol = EchoProtocol
    keepsPeers = False
    sharesProtocol = True

    def __init__(self, prefix: str = "") -> None:
        """@param prefix: text put before each text message or line; with it a stream is read in lines.
        @raise ValueError: an option makes no sense; the message begins with its name.
        """
        if not isPrintable(prefix):
            raise ValueError("prefix: expected one line of text without controls")
        self.prefix = prefix
        self.framing = Lines if prefix else Raw
