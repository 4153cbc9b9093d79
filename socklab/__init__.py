"""socklab: a protocol server framework on Twisted, and a laboratory for sockets.

Here are the names that an author of a protocol imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .framing import FRAMINGS, CrLines, Framing, FramingError, Int8, Int16, Int32, Lines, Netstring, Raw
    from .http import HttpError, response
    from .limits import Limits
    from .message import (
        Encoded,
        Factory,
        IMessageFactory,
        IMessageTransport,
        MessageProtocol,
        Peer,
        PeerError,
        sendToAll,
    )
    from .request import Request, Until, asksToContinue, readHttp
    from .rooms.audience import Audience
    from .rooms.memory import (
        Arrived,
        Departed,
        Member,
        MemoryRooms,
        Named,
        Outnamed,
        RoomEvent,
        TooManyRooms,
        folded,
    )
    from .template import Template, checkFields
    from .text import isPrintable, printable, quoted
    from .units import Seconds, Size

__all__ = [
    "FRAMINGS",
    "Arrived",
    "Audience",
    "CrLines",
    "Departed",
    "Encoded",
    "Factory",
    "Framing",
    "FramingError",
    "HttpError",
    "IMessageFactory",
    "IMessageTransport",
    "Int8",
    "Int16",
    "Int32",
    "Limits",
    "Lines",
    "Member",
    "MemoryRooms",
    "MessageProtocol",
    "Named",
    "Netstring",
    "Outnamed",
    "Peer",
    "PeerError",
    "Raw",
    "Request",
    "RoomEvent",
    "Seconds",
    "Size",
    "Template",
    "TooManyRooms",
    "Until",
    "asksToContinue",
    "checkFields",
    "folded",
    "isPrintable",
    "printable",
    "quoted",
    "readHttp",
    "response",
    "sendToAll",
]

# Where each of them is. They are imported when they are asked for: all of them take 0.4 s, and most commands of
# `socklab` need none.
_HOMES = {
    ".framing": (
        *("FRAMINGS", "CrLines", "Framing", "FramingError"),
        *("Int8", "Int16", "Int32", "Lines", "Netstring", "Raw"),
    ),
    ".http": ("HttpError", "response"),
    ".limits": ("Limits",),
    ".message": (
        "Encoded",
        "Factory",
        "IMessageFactory",
        "IMessageTransport",
        "MessageProtocol",
        "Peer",
        "PeerError",
        "sendToAll",
    ),
    ".request": ("Request", "Until", "asksToContinue", "readHttp"),
    ".rooms.audience": ("Audience",),
    ".rooms.memory": (
        "Arrived",
        "Departed",
        "Member",
        "MemoryRooms",
        "Named",
        "Outnamed",
        "RoomEvent",
        "TooManyRooms",
        "folded",
    ),
    ".template": ("Template", "checkFields"),
    ".text": ("isPrintable", "printable", "quoted"),
    ".units": ("Seconds", "Size"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(home, __name__), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
