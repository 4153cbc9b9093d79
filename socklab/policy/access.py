"""Access rules: an ordered list of which the first that matches an address decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class RuleError(ValueError):
    """A list of rules makes no sense; which one is wrong, and why."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(what)
        self.index = index
        """From 0."""


@dataclass(frozen=True)
class Rule:
    """One entry of `access`."""

    text: str
    """As in the config."""
    allows: bool
    network: Network | None
    """None is `all`."""

    def matches(self, address: Address | None) -> bool:
        """Tell whether it decides for an address; None is a Unix peer, for which only `all` does."""
        if self.network is None:
            return True
        return address is not None and address.version == self.network.version and address in self.network


_LAST: Final = "the last rule decides for all others: `allow all` or `deny all`"


class Access:
    """The rules of a service."""

    def __init__(self, entries: Iterable[str]) -> None:
        """@raise RuleError: an entry is none, decides for nobody, or the last one is missing."""
        rules: list[Rule] = []
        for index, text in enumerate(entries):
            rule = _parse(index, text)
            for number, earlier in enumerate(rules, 1):
                if _covers(earlier, rule):
                    raise RuleError(
                        index, f'"{text}" never decides: rule {number}, "{earlier.text}", does before it'
                    )
            rules.append(rule)
        if not rules or rules[-1].network is not None:
            raise RuleError(max(0, len(rules) - 1), _LAST)
        self.rules: Final = tuple(rules)
        self._open = len(rules) == 1 and rules[0].allows

    def decide(self, host: str) -> Rule:
        """Give the first rule that matches an IP address; an empty one is a Unix peer's."""
        if self._open:
            return self.rules[0]
        address = normal(host)
        return next(rule for rule in self.rules if rule.matches(address))


def ruleFor(address: str) -> Rule:
    """Give the rule that denies an address or a network.

    @raise RuleError: it is none.
    """
    what = address.strip()
    return Rule(f"deny {what}", False, _network(0, what, "an IP address or a network"))


@lru_cache(1024)
def normal(host: str) -> Address | None:
    """Give an IP address as rules see it: IPv4 within IPv6 (RFC 4291, 2.5.5.2) is IPv4, and zones do not count.

    None is a Unix peer, or another that has no address.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _parse(index: int, text: str) -> Rule:
    verb, what = (*text.split(maxsplit=1), "", "")[:2]
    what = what.strip()
    if verb not in ("allow", "deny") or not what:
        raise RuleError(index, f'expected `allow` or `deny`, and an address, a network or `all`, got "{text}"')
    network = None if what == "all" else _network(index, what, "an IP address, a network or `all`")
    return Rule(text, verb == "allow", network)


def _network(index: int, what: str, wanted: str) -> Network:
    if "%" in what:
        raise RuleError(index, f'"{what}" has a zone, which rules do not see: leave out {what[what.index("%") :]}')
    try:
        network = ip_network(what)
    except ValueError as error:
        try:
            wider = ip_network(what, strict=False)
        except ValueError:
            raise RuleError(index, f'expected {wanted}, got "{what}"') from None
        raise RuleError(index, f'"{what}" has host bits set: say {wider}, or one address') from error
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network


def _covers(earlier: Rule, rule: Rule) -> bool:
    """Tell whether a rule can never decide, because an earlier one does for all of its addresses."""
    if earlier.network is None:
        return True
    if rule.network is None or rule.network.version != earlier.network.version:
        return False
    return rule.network.subnet_of(earlier.network)  # type: ignore[arg-type]
