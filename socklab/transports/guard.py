"""What keeps datagrams from being a weapon: which addresses are proved.

A source address is only a claim: whoever sends a datagram in a victim's name would have us answer the victim.
CVE-2024-2169 and the loops of two echo servers are what happens without a guard.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
from collections import OrderedDict
from functools import lru_cache
from ipaddress import ip_address

Address = tuple[str, int]

_PERIOD = 60


class AddressProof:
    """Sends a code to an address, and knows it again when it comes back; keeps nothing but when it last did."""

    def __init__(self, limit: int) -> None:
        """@param limit: how many addresses may get a code within a second."""
        self._limit = limit
        self._secret = os.urandom(16)
        self._challenged: OrderedDict[str, float] = OrderedDict()

    def isProof(self, datagram: bytes, address: Address, now: float) -> bool:
        """Tell whether this is the code that was sent to this address in the last minute or two."""
        said = datagram.strip()
        period = int(now // _PERIOD)
        return said.startswith(b"/ok ") and any(
            hmac.compare_digest(said, self._code(address, each)) for each in (period, period - 1)
        )

    def challenge(self, address: Address, now: float) -> bytes | None:
        """Give the code to send, or None when the address has had one within a second."""
        challenged = self._challenged
        while challenged and not now - 1 < next(iter(challenged.values())) <= now:
            challenged.popitem(last=False)
        if address[0] in challenged or len(challenged) >= self._limit:
            return None
        challenged[address[0]] = now
        return self._code(address, int(now // _PERIOD))

    def _code(self, address: Address, period: int) -> bytes:
        text = f"{address[0]} {address[1]} {period}".encode()
        return b"/ok " + hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:8].encode()


@lru_cache(1024)
def isLoopback(host: str) -> bool:
    """Tell whether an IP address can only be this machine's own."""
    if host.startswith("127.") or host == "::1":
        return True
    address = ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(mapped is not None and mapped.is_loopback)


def isOwnAddress(host: str) -> bool:
    """Tell whether an IP address is one of this machine's: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
