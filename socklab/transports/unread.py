"""What the system has received for a socket, and nobody has read yet."""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any


def unread(transport: Any) -> int:
    """Give how many bytes wait in the socket of a Twisted transport (ioctl FIONREAD); 0 where there is none."""
    fileno = getattr(transport, "fileno", None)
    if fileno is None:
        return 0
    try:
        (size,) = struct.unpack("i", fcntl.ioctl(fileno(), termios.FIONREAD, bytes(4)))
    except (OSError, ValueError):
        # It is closed.
        return 0
    return int(size)
