"""Why a protocol is given no message for now."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Hold(IntEnum):
    """Why a protocol is given no message for now; more than one are added up."""

    BURST = 1
    """It has had many, and others wait for their turn."""
    OUTPUT = 2
    """Its peer does not read the answers."""
    PROTOCOL = 4
    """It wants none itself."""
    QUEUE = 8
    """It is busy with one, and enough others wait already."""
    RATE = 16
    """Its peer sends faster than it may."""


BURST: Final = 100
"""How many messages of one peer are handled before everybody else has had a turn."""


TOLD: Final = {
    Hold.OUTPUT: "the peer does not read",
    Hold.PROTOCOL: "the protocol wants none for now",
    Hold.QUEUE: "the protocol is busy, and enough messages wait",
    Hold.RATE: "the peer sends faster than it may",
}
"""What an event says of a hold; a burst ends within the reactor's turn."""

STOPS: Final = Hold.BURST | Hold.OUTPUT | Hold.PROTOCOL
"""What keeps a message that is here already from its protocol."""
