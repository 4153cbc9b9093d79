from socklab import Factory, Lines, MessageProtocol


class ShoutProtocol(MessageProtocol):
    def messageReceived(self, payload, isBinary):
        self.transport.sendMessage(payload.upper() + b"!" * self.factory.marks, isBinary)


class ShoutFactory(Factory):
    protocol = ShoutProtocol
    framing = Lines

    def __init__(self, marks: int = 0):
        self.marks = marks
