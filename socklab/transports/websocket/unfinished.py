"""A frame that comes in more than one read."""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from io import BytesIO
from typing import Final

from .frames import BINARY
from .masking import unmask

_Decoder: Final = getincrementaldecoder("utf-8")


class Unfinished:
    """What has come of a whole message in one masked frame: it is unmasked, and in order so far.

    Nothing is set aside for what was only announced. A `bytearray` takes ten times as long to grow to 1 MiB.
    """

    __slots__ = ("_decoder", "_head", "_payload", "isBinary", "missing")

    def __init__(self, head: bytes, length: int) -> None:
        """@param head: the frame's header, at whose end stands the mask.
        @param length: of its payload, in bytes; within the limit.
        """
        self._head = head
        self._payload = BytesIO()
        self._decoder: IncrementalDecoder | None = None
        self.isBinary = head[0] == BINARY
        self.missing = length
        """Bytes that have yet to come."""

    def take(self, piece: bytes) -> bool:
        """Take the next of its bytes, as they came; False, and they are not taken, when the text is no UTF-8."""
        turned = self._payload.tell() % 4
        mask = self._head[-4:]
        plain = unmask(piece, mask[turned:] + mask[:turned])
        missing = self.missing - len(piece)
        if not self.isBinary and (self._decoder is not None or not plain.isascii()):
            if self._decoder is None:
                self._decoder = _Decoder()
            try:
                self._decoder.decode(plain, not missing)
            except UnicodeDecodeError:
                return False
        self._payload.write(plain)
        self.missing = missing
        return True

    def payload(self) -> bytes:
        """Give the message."""
        return self._payload.getvalue()

    def asItCame(self) -> bytes:
        """Give all that was taken as it stood on the wire."""
        return self._head + unmask(self._payload.getvalue(), self._head[-4:])
