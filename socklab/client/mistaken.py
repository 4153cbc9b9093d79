"""What a server that speaks something else than its address says looks like; hints for a person. No I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from .address import Address

_WITHIN: Final = {"tcp": "ws", "tls": "wss"}
"""What WebSocket on such a stream is called."""
_REQUEST: Final = re.compile(rb"[A-Z]+ \S+ HTTP/1\.")
_HEAD: Final = 4096
"""Bytes of an answer that are looked at."""


def isTls(data: bytes) -> bool:
    """Tell whether this is a TLS alert, as a server's answer to what is no TLS (RFC 8446, 5.1 and 6)."""
    return data.startswith(b"\x15\x03")


def secure(address: Address) -> Address:
    """Give the same within TLS."""
    return replace(address, scheme={"ws": "wss"}.get(address.scheme, "tls"))


def looksLike(address: Address, sent: bytes, answer: bytes) -> str:
    """Say what an answer on a stream looks like, if that is not what was asked; "" if there is nothing to say."""
    if address.scheme not in _WITHIN:
        return ""
    if address.scheme == "tcp" and isTls(answer):
        return f"this looks like TLS: try {secure(address)}"
    if not answer.startswith(b"HTTP/1."):
        return ""
    within = replace(address, scheme=_WITHIN[address.scheme], path="/")
    if b"websocket" in answer[:_HEAD].lower() and not answer.startswith(b"HTTP/1.1 101"):
        return f"this looks like a WebSocket port: try {within}"
    return "" if _REQUEST.match(sent) else f"this looks like HTTP; if it is a WebSocket port, try {within}"


def whatElse(address: Address) -> str:
    """Give what to do about a stream's server that says nothing."""
    return f"; `socklab probe {address}` tells what it speaks" if address.scheme in _WITHIN else ""
