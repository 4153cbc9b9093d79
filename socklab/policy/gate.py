"""The gate of a service: each newcomer is counted in, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from ..limits import Limits
from .access import Access, Rule, normal
from .rates import AddressBuckets, Bucket

_NETWORK: Final = 64
"""Bits of an IPv6 address that name its owner (RFC 6177): who has one /64 has all addresses in it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in."""

    name: str
    """The key that decided: `access`, `max_connections`, `per_address`, `accept_rate` and so on."""
    reason: str
    """In words, for the log."""
    status: int
    """For HTTP (RFC 9110, 15.5.4 and 15.6.4; RFC 6585, 4)."""


class House:
    """What all services of a process share: its descriptors, and its memory."""

    def __init__(self, maxConnections: int = 0, memory: Callable[[], Refusal | None] = lambda: None) -> None:
        """@param maxConnections: in total; 0 is no bound.
        @param memory: says why there is no room for one more, if there is none.
        """
        self.maxConnections = maxConnections
        self.memory = memory
        self.connections = 0
        self.bans: tuple[Rule, ...] = ()
        """Whom the operator has sent away, from all services, until he says otherwise or the process ends."""


class Gate:
    """Counts the connections of a service, exactly, and refuses one too many."""

    def __init__(self, access: Access, limits: Limits, house: House, clock: Callable[[], float]) -> None:
        """@param clock: gives the time, in seconds."""
        self._house = house
        self._clock = clock
        self._perAddress: dict[Hashable, int] = {}
        self.connections = 0
        self.configure(access, limits)

    def configure(self, access: Access, limits: Limits) -> None:
        """Take other rules and bounds, for whoever comes from now on."""
        self.access = access
        self._limits = limits
        rate, perAddress = limits.accept_rate, limits.accept_rate_per_address
        self._rate = Bucket(rate, self._clock()) if rate else None
        self._rates = AddressBuckets(perAddress) if perAddress else None

    @property
    def rules(self) -> tuple[object, ...]:
        """What `forbids` goes by; other rules are another object, or unequal."""
        return self.access, self._house.bans

    def forbids(self, host: str) -> Refusal | None:
        """Say why an address may not speak here at all, if it may not."""
        for ban in self._house.bans:
            if ban.matches(normal(host)):
                return Refusal("ban", f"{ban.network}: by the operator", 403)
        rule = self.access.decide(host)
        return None if rule.allows else Refusal("access", f'rule "{rule.text}"', 403)

    @property
    def most(self) -> int:
        """How many connections the address has that has most."""
        return max(self._perAddress.values(), default=0)

    def enter(self, host: str) -> Refusal | None:
        """Count a newcomer in; or say why not.

        @param host: its IP address; empty for a Unix peer.
        """
        refusal = self.forbids(host) or self._full(host) or self._house.memory() or self._tooFast(host)
        if refusal is None:
            self.connections += 1
            self._house.connections += 1
            if host:
                key = owner(host)
                self._perAddress[key] = self._perAddress.get(key, 0) + 1
        return refusal

    def leave(self, host: str) -> None:
        """Count somebody out who was let in."""
        self.connections -= 1
        self._house.connections -= 1
        if host:
            key = owner(host)
            left = self._perAddress[key] - 1
            if left:
                self._perAddress[key] = left
            else:
                del self._perAddress[key]

    def _full(self, host: str) -> Refusal | None:
        limits, house = self._limits, self._house
        if house.maxConnections and house.connections >= house.maxConnections:
            return Refusal("server.max_connections", f"{house.connections} connections in all services", 503)
        if limits.max_connections is not None and self.connections >= limits.max_connections:
            return Refusal("max_connections", f"{self.connections} connections", 503)
        if limits.per_address is not None and host:
            key = owner(host)
            if self._perAddress.get(key, 0) >= limits.per_address:
                return Refusal("per_address", f"{self._perAddress[key]} connections of {key}", 429)
        return None

    def _tooFast(self, host: str) -> Refusal | None:
        if self._rates is None and self._rate is None:
            return None
        now = self._clock()
        # One address that hammers must not use up the tokens of all.
        if self._rates is not None and host and not self._rates.allows(owner(host), now):
            rate = self._limits.accept_rate_per_address
            return Refusal("accept_rate_per_address", f"more than {rate:g} a second of {owner(host)}", 429)
        if self._rate is not None and not self._rate.allows(now):
            return Refusal("accept_rate", f"more than {self._rate.rate:g} a second", 503)
        return None


@lru_cache(1024)
def owner(host: str) -> str:
    """Give what counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    address = normal(host)
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> _NETWORK << _NETWORK)}/{_NETWORK}"
    return str(address) if address is not None else host
