"""Compressing messages (RFC 7692), each so that it stands for itself."""

from __future__ import annotations

import zlib
from typing import Any, Final

_compressors: Final[dict[int, Any]] = {}
"""One for each size of the window, which all connections share: each takes 256 KiB, and 70 us to make."""


def deflated(payload: bytes, windowBits: int) -> bytes:
    """Give a message's payload compressed, without the four bytes at its end (RFC 7692, 7.2.1).

    @param windowBits: 9 to 15: how far back the client's decompressor can look, as a power of two.
    """
    # It is away meanwhile: one that has raised may hold what is somebody else's.
    compressor = _compressors.pop(windowBits, None)
    if compressor is None:
        compressor = zlib.compressobj(wbits=-windowBits)
    # After a full flush nothing refers to what came before it: to begin anew, as without context takeover (7.1.1).
    data: bytes = compressor.compress(payload) + compressor.flush(zlib.Z_FULL_FLUSH)
    _compressors[windowBits] = compressor
    return data[:-4]
