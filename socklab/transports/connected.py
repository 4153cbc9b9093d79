"""What all connections leave to their conversation and their output, whatever carries them."""

from __future__ import annotations

from typing import Any, Final, cast

from ..events import Events
from .conversation import Conversation
from .hold import Hold
from .output import Output
from .serving import Serving


def _over() -> Conversation:
    """Give a conversation that has ended: nothing that is asked of it does anything."""
    nobody = cast(Any, None)
    over = Conversation(Serving("", nobody, Events(), nobody, nobody), nobody)
    over.closing("server", "closed")
    over.deafen()
    return over


_OVER: Final = _over()


class Connected:
    """What a protocol, its output and a shutdown may ask of a connection, the same on streams and WebSocket."""

    # Thousands of idle connections have one each.
    __slots__ = ("_serving", "conversation", "output")

    _serving: Serving
    conversation: Conversation
    output: Output

    @property
    def listener(self) -> Serving:
        """What it shares with all connections of its listener (`socklab.rooms`)."""
        return self._serving

    def over(self) -> None:
        """The conversation has ended: let go of it.

        Each refers to the other: only Python's garbage collector would free them, which cost a server of short
        connections a tenth of its time.
        """
        self.conversation = _OVER

    # What a protocol asks (`IMessageTransport`)

    def abortConnection(self) -> None:
        """Close at once (`IMessageTransport`)."""
        self.conversation.closing("server", "aborted")
        self.abort()

    def setTimeout(self, seconds: float | None) -> None:
        """Bound the peer's silence (`IMessageTransport`)."""
        self.conversation.setTimeout(seconds)

    def pauseProducing(self) -> None:
        """Hear nothing for now (`IMessageTransport`)."""
        self.conversation.hold(Hold.PROTOCOL)

    def resumeProducing(self) -> None:
        """Hear again (`IMessageTransport`)."""
        self.conversation.release(Hold.PROTOCOL)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer paused with the peer (`IMessageTransport`)."""
        self.output.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Stop telling the producer (`IMessageTransport`)."""
        self.output.unregisterProducer()

    def unfollow(self) -> None:
        """Nothing more is said to all (`socklab.rooms`)."""
        self.output.unfollow()

    # What its output tells

    def outputPaused(self) -> None:
        """The peer does not read: neither is it read from."""
        self.conversation.hold(Hold.OUTPUT)

    def outputResumed(self) -> None:
        """The peer has read."""
        self.conversation.release(Hold.OUTPUT)

    def outputOverflowed(self, why: str) -> None:
        """The peer has read too little for too long."""
        self.conversation.cut(why)
        self.abort()

    # What a shutdown, and who looks for the vanished, asks

    def abort(self) -> None:
        """Close at once."""
        self.output.abort()
        self.conversation.deafen()

    def stuck(self) -> bool:
        """Tell whether the peer does not read what it is owed."""
        return self.output.paused

    def owed(self) -> int:
        """Give how many bytes wait here for the peer to read."""
        return self.output.size

    def vanished(self, seconds: float) -> None:
        """The peer is gone, and has not said so."""
        self.outputOverflowed(f"it has acknowledged nothing for {seconds:.0f} s")
