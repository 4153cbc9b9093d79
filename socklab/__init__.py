"""socklab: a protocol server framework on Twisted, and a laboratory for sockets.

Here are the names that an author of a protocol imports.
"""

from .framing import FRAMINGS, Framing, FramingError, Int8, Int16, Int32, Lines, Netstring, Raw
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
from .rooms.memory import MemoryRooms, TooManyRooms
from .template import Template, checkFields
from .text import isPrintable, printable, quoted
from .units import Seconds, Size

__all__ = [
    "FRAMINGS",
    "Audience",
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
    "MemoryRooms",
    "MessageProtocol",
    "Netstring",
    "Peer",
    "PeerError",
    "Raw",
    "Request",
    "Seconds",
    "Size",
    "Template",
    "TooManyRooms",
    "Until",
    "asksToContinue",
    "checkFields",
    "isPrintable",
    "printable",
    "quoted",
    "readHttp",
    "response",
    "sendToAll",
]
