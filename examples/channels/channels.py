"""Channels: the first line names one, the others go to all who listen to it, at any server."""

from socklab import Factory, Lines, MemoryRooms, MessageProtocol, printable


class ChannelProtocol(MessageProtocol):
    """Pass on what is said in a channel; who says it gets it too."""

    factory: "ChannelFactory"
    nick = "anonymous"
    channel = ""

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Take the channel's name, then what is to be passed on."""
        line = printable(payload.decode(self.transport.encoding, "replace"))
        if self.channel:
            self.factory.rooms.publish(self.channel, f"{self.channel}: {line}", keep=True)
        else:
            self.channel = line[:40] or "main"
            for last in self.factory.rooms.join(self.channel, self):
                self.transport.sendMessage(last.encode(), False)

    def connectionLost(self, reason: object = None) -> None:
        """Listen no more."""
        if self.channel:
            self.factory.rooms.leave(self.channel, self)


class ChannelFactory(Factory):
    """Its channels are rooms; where the config names an engine, those of all servers."""

    protocol = ChannelProtocol
    framing = Lines

    def __init__(self, remember: int = 3) -> None:
        """@param remember: how many of a channel's last lines a newcomer is sent."""
        self.rooms = MemoryRooms("main", history=remember)
