"""A protocol that tells which process it is in."""

from __future__ import annotations

import gc
import os

from socklab import Factory, MessageProtocol


class WhoProtocol(MessageProtocol):
    """Answers with the number of its process; to `big N` with so many bytes; `loop` is its end.

    To `garbage` it answers 1 if Python looks for it.
    """

    def messageReceived(self, payload: bytes, isBinary: bool) -> None:
        """Answer."""
        if payload.startswith(b"big "):
            self.transport.sendMessage(b"x" * int(payload[4:]), isBinary)
        elif payload == b"garbage":
            self.transport.sendMessage(b"%d" % gc.isenabled(), isBinary)
        elif payload == b"loop":
            while True:
                pass
        else:
            self.transport.sendMessage(str(os.getpid()).encode(), isBinary)


class WhoFactory(Factory):
    """Serves it."""

    protocol = WhoProtocol
