"""What comes in pieces, as lines for a terminal: a character split over two reads stays whole. No I/O."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ..text import printable
from .shown import Form, asBoth, asHex

_LONG = 4096
"""Characters of a line that are shown before its end has come."""


class Incoming:
    """Gives lines that no terminal obeys: controls in them are U+FFFD."""

    def __init__(self, encoding: str, form: Form, isStream: bool) -> None:
        """@param isStream: whether a line may come in pieces; else each payload is whole."""
        self._encoding = encoding
        self._form = form
        self._isStream = isStream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._begun = ""

    def feed(self, payload: bytes, isBinary: bool) -> Iterator[str]:
        """Give the lines that are whole now."""
        encoding = self._encoding if isBinary else "utf-8"
        if self._form in ("hex", "both"):
            yield from asHex(payload) if self._form == "hex" else asBoth(payload, encoding)
            return
        if not self._isStream:
            text = payload.decode(encoding, "replace").removesuffix("\n")
            yield from (printable(line.removesuffix("\r")) for line in text.split("\n"))
            return
        *lines, self._begun = (self._begun + self._decoder.decode(payload)).split("\n")
        yield from (printable(line.removesuffix("\r")) for line in lines)
        while len(self._begun) > _LONG:
            yield printable(self._begun[:_LONG])
            self._begun = self._begun[_LONG:]

    @property
    def hasBegun(self) -> bool:
        """Whether there is a line without its end."""
        return bool(self._begun)

    def rest(self) -> Iterator[str]:
        """Give the line without its end, as far as it has come, if there is one; it will not come any more."""
        begun, self._begun = self._begun, ""
        if begun:
            yield printable(begun.removesuffix("\r"))

    def finish(self) -> Iterator[str]:
        """The end has come: give all that is left, a half character too."""
        self._begun += self._decoder.decode(b"", True)
        yield from self.rest()
