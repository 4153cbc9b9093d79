"""Channels: the first line names one, the others go to all who listen to it, at any server."""

from socklab import Factory, Lines, MemoryRooms, MessageProtocol, TooManyRooms, printable


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
            return
        channel = line[:40] or "main"
        try:
            lines = self.factory.rooms.join(channel, self)
        except TooManyRooms as error:
            lines = [f"! {error}: name one of them"]
        else:
            self.channel = channel
        for last in lines:
            self.transport.sendMessage(last.encode(self.transport.encoding, "replace"), False)

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
