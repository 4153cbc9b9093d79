"""The gate of a service: each newcomer is counted in, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, Protocol

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


class Sharing(Protocol):
    """What several processes count together."""

    processes: int
    """How many they are."""

    def turn(self) -> AbstractContextManager[None]:
        """Be the only one who decides, meanwhile."""

    def total(self, service: str) -> int:
        """Give how many connections of a service all have; without its name those of all services."""

    def add(self, service: str, host: str, change: int) -> None:
        """This process has a connection more, or less.

        @param host: what counts as its address; empty for none.
        """

    def ofAddress(self, service: str, host: str) -> int:
        """Give how many connections of an address all have."""

    def bucket(self, service: str, rate: float, now: float) -> Bucket:
        """Give the bucket of tokens that all take from."""


class House:
    """What all services of a process share: its descriptors, and its memory."""

    def __init__(self, maxConnections: int = 0, memory: Callable[[], Refusal | None] = lambda: None) -> None:
        """@param maxConnections: in total; 0 is no bound.
        @param memory: says why there is no room for one more, if there is none.
        """
        self.maxConnections = maxConnections
        self.memory = memory
        self.connections = 0
        self.shared: Sharing | None = None
        """What it counts together with other processes, if there are any."""
        self.ownConnections = 0
        """How many this process may have of them; 0 is no bound."""
        self.bans: tuple[Rule, ...] = ()
        """Whom the operator has sent away, from all services, until he says otherwise or the process ends."""


class Gate:
    """Counts the connections of a service, exactly, and refuses one too many."""

    def __init__(
        self, access: Access, limits: Limits, house: House, clock: Callable[[], float], service: str = ""
    ) -> None:
        """@param clock: gives the time, in seconds.
        @param service: by whose name other processes count with this one.
        """
        self._house = house
        self._service = service
        self._clock = clock
        self._perAddress: dict[Hashable, int] = {}
        self.connections = 0
        self.configure(access, limits)

    def configure(self, access: Access, limits: Limits) -> None:
        """Take other rules and bounds, for whoever comes from now on."""
        self.access = access
        self._limits = limits
        rate, perAddress = limits.accept_rate, limits.accept_rate_per_address
        shared, now = self._house.shared, self._clock()
        self._rate = None
        if rate:
            self._rate = Bucket(rate, now) if shared is None else shared.bucket(self._service, rate, now)
        # Each process has its part of what comes: those who ask too often ask all of them.
        self._rates = AddressBuckets(perAddress / (shared.processes if shared else 1)) if perAddress else None

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
        shared, limits = self._house.shared, self._limits
        if shared is None:
            return self._enter(host)
        if self._house.maxConnections or limits.max_connections or limits.per_address or limits.accept_rate:
            with shared.turn():
                return self._enter(host)
        return self._enter(host)

    def _enter(self, host: str) -> Refusal | None:
        refusal = self.forbids(host) or self._full(host) or self._house.memory() or self._tooFast(host)
        if refusal is None:
            if self._house.shared is not None:
                self._share(self._house.shared, host, 1)
            self.connections += 1
            self._house.connections += 1
            if host:
                key = owner(host)
                self._perAddress[key] = self._perAddress.get(key, 0) + 1
        return refusal

    def leave(self, host: str) -> None:
        """Count somebody out who was let in."""
        if self._house.shared is not None:
            self._share(self._house.shared, host, -1)
        self.connections -= 1
        self._house.connections -= 1
        if host:
            key = owner(host)
            left = self._perAddress[key] - 1
            if left:
                self._perAddress[key] = left
            else:
                del self._perAddress[key]

    def _share(self, shared: Sharing, host: str, change: int) -> None:
        shared.add(self._service, owner(host) if host else "", change)

    def _full(self, host: str) -> Refusal | None:
        limits, house, shared = self._limits, self._house, self._house.shared
        if house.maxConnections:
            inAll = house.connections if shared is None else shared.total("")
            if inAll >= house.maxConnections:
                return Refusal("server.max_connections", f"{inAll} connections in all services", 503)
        if house.ownConnections and house.connections >= house.ownConnections:
            return Refusal("server.max_connections", f"{house.connections} connections", 503)
        if limits.max_connections is not None:
            inService = self.connections if shared is None else shared.total(self._service)
            if inService >= limits.max_connections:
                return Refusal("max_connections", f"{inService} connections", 503)
        if limits.per_address is not None and host:
            key = owner(host)
            ofAddress = self._perAddress.get(key, 0) if shared is None else shared.ofAddress(self._service, key)
            if ofAddress >= limits.per_address:
                return Refusal("per_address", f"{ofAddress} connections of {key}", 429)
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
