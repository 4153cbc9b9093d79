"""Attacks on a real `twistd socklab`, each with a name: the tests run it once, `make soak` for a long time."""

from __future__ import annotations

from . import chatter, connections, datagrams, frames, handshakes, log, streams
from .attack import Attack

ATTACKS: tuple[Attack, ...] = tuple(
    each
    for module in (streams, handshakes, frames, datagrams, connections, chatter, log)
    for each in module.catalogue
)
"""All of them."""
