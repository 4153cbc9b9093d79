"""The quick way for what nearly all frames are: whole, masked, unfragmented messages, uncompressed and in bounds.

Autobahn's parser makes a masker, a header, lists and a log call for each frame, and copies the rest of its buffer
twice: 12 us for 64 bytes. The loop in `deliver` costs a tenth of that, and does nothing else than Autobahn
would do:

  - It is entered between two frames only, outside of a message, with no byte in Autobahn's own buffer.
  - It takes a frame only if its header has come, and only if Autobahn would find no fault with it: FIN is set and
    no RSV bit, the opcode is text or binary, it is masked, its length is in the shortest form and within the limit
    of a message (so it is one fragment, too), and text is UTF-8.
  - At anything else it stops, before the first byte of that frame, and has changed nothing: Autobahn parses it,
    and says what is wrong with it in its own words.
  - A frame that is longer than what was read goes the same way, as an `Unfinished`, if it is in order so far.
  - It hands over through `Conversation.received`, as the other way does; after each message it asks whether the
    next may be handed over.

For a read that is one message and no more even that is too much: `receive` has it handed over before the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.python.failure import Failure

from .frames import BINARY, CLOSE, TEXT
from .masking import unmask
from .reading import take
from .unfinished import Unfinished

if TYPE_CHECKING:
    from .connection import WebSocketConnection

_MASKED: Final = 0x80
_CLOSES: Final = {bytes((CLOSE, _MASKED)): 6, bytes((CLOSE, _MASKED | 2)): 8}
"""How a close frame begins that holds nothing, and one that holds a code; and their sizes."""


def receive(connection: WebSocketConnection, data: bytes) -> None:
    """Take what was read: a whole message, most often, of who waits for each answer.

    That is handed over here, for half of what `deliver` costs; all else goes to `take`.
    """
    conversation, serving = connection.conversation, connection._serving
    protocol = conversation.ready
    size = len(data)
    # If they are one frame its header is two bytes, with a longer payload four, and the mask.
    if size < 132:
        start, fits = 6, size > 5 and data[1] == _MASKED + size - 6
    else:
        start, fits = 8, data[1] == _MASKED + 126 and data[2] << 8 | data[3] == size - 8 > 125
    if (
        fits
        and protocol is not None
        and connection.between
        and size - start <= connection.factory.maxMessagePayloadSize
        and not serving.events.traffic
    ):
        payload = unmask(data[start:], data[start - 4 : start])
        isBinary = data[0] == BINARY
        if (isBinary or (data[0] == TEXT and (payload.isascii() or _isText(payload)))) and (
            not serving.counting or serving.counts.takes(size - start)
        ):
            connection.alive = True
            # It is `Conversation.received`, without the cost of calling that. It counts for no burst, since a
            # connection without TLS is read once in a turn.
            try:
                result = protocol.messageReceived(payload, isBinary)
                if result is not None:
                    conversation.awaits(result)
            except Exception:
                conversation.raised(Failure())
            return
    take(connection, data)


def deliver(connection: WebSocketConnection, data: bytes, position: int) -> int:
    """Hand over what can be handed over quickly of a connection's input; give the position where it stopped.

    @param position: where a frame begins.
    """
    conversation = connection.conversation
    limit = connection.factory.maxMessagePayloadSize
    end = len(data)
    single = True
    # A header of two bytes and the mask.
    while position + 6 <= end:
        first = data[position]
        if first != TEXT and first != BINARY:
            break
        # A frame without a mask gives 128 or more here.
        length = data[position + 1] ^ _MASKED
        if length < 126:
            start = position + 6
        elif length == 126:
            start = position + 8
            length = data[position + 2] << 8 | data[position + 3]
            if length < 126:
                break
        elif length == 127:
            start = position + 14
            length = int.from_bytes(data[position + 2 : position + 10])
            if length < 65536:
                break
        else:
            break
        if length > limit or start > end:
            break
        stop = start + length
        if stop > end:
            begun = Unfinished(data[position:start], length)
            if begun.take(data[start:]):
                connection.unfinished = begun
                position = end
            break
        payload = unmask(data[start:stop], data[start - 4 : start])
        if first == TEXT and not (payload.isascii() or _isText(payload)):
            break
        if single and stop < end:
            # What the first message is answered can wait for the answers to those behind it.
            single = False
            connection.seam.cork()
        conversation.received(payload, first == BINARY)
        position = stop
        if conversation.held or not conversation.listening:
            break
    return position


def _isText(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def takeClose(connection: WebSocketConnection, data: bytes, position: int) -> int:
    """Take a close frame that gives no reason, as nearly all do; give its size, 0 for anything else.

    @param position: where a frame begins.
    """
    size = _CLOSES.get(data[position : position + 2], 0)
    if not size or len(data) - position < size:
        return 0
    start = position + 6
    code = unmask(data[start : start + 2], data[start - 4 : start]) if size > 6 else b""
    connection.onCloseFrame(int.from_bytes(code) if code else None, None)
    return size
