"""The gate counts exactly, and refuses one too many."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from twisted.internet.task import Clock

from socklab.limits import Limits
from socklab.policy.access import Access
from socklab.policy.gate import Gate, House, Refusal, owner


def gateOf(
    access: tuple[str, ...] = ("allow all",),
    house: House | None = None,
    clock: Clock | None = None,
    **limits: float,
) -> Gate:
    """Give a gate."""
    given_ = Limits(**limits)  # type: ignore[arg-type]
    return Gate(Access(access), given_, house or House(0), (clock or Clock()).seconds)


def names(gate: Gate, *hosts: str) -> list[str]:
    """Give for each host that comes the key that refuses it, or nothing."""
    refusals = [gate.enter(host) for host in hosts]
    return [refusal.name if refusal else "" for refusal in refusals]


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_owner(host: str, counted: str) -> None:
    """An IPv4 address is one, however it came; a /64 of IPv6 is one (RFC 6177)."""
    assert owner(host) == counted


def test_total() -> None:
    """The limit is exact, over all addresses and Unix peers, and who leaves makes room."""
    gate = gateOf(max_connections=2)
    assert names(gate, "10.0.0.1", "", "10.0.0.2") == ["", "", "max_connections"]
    gate.leave("")
    assert names(gate, "10.0.0.2", "10.0.0.3") == ["", "max_connections"]
    assert gate.connections == 2


def test_per_address() -> None:
    """Each address has its own count; Unix peers have none."""
    gate = gateOf(per_address=2)
    assert names(gate, *["10.0.0.1"] * 3, *["10.0.0.2"] * 3) == ["", "", "per_address", "", "", "per_address"]
    assert names(gate, *[""] * 10) == [""] * 10
    assert names(gate, *(f"2001:db8::{number}" for number in range(3))) == ["", "", "per_address"]
    gate.leave("::ffff:10.0.0.1")
    assert names(gate, "10.0.0.1", "10.0.0.1") == ["", "per_address"]


def test_reasons() -> None:
    """Each refusal says what decided, and has its status of HTTP."""
    clock = Clock()
    gate = gateOf(("deny 10.0.0.9", "allow all"), max_connections=3, per_address=1, clock=clock)
    assert gate.enter("10.0.0.9") == Refusal("access", 'rule "deny 10.0.0.9"', 403)
    assert gate.enter("10.0.0.1") is None
    assert gate.enter("10.0.0.1") == Refusal("per_address", "1 connections of 10.0.0.1", 429)
    assert names(gate, "10.0.0.2", "10.0.0.3") == ["", ""]
    assert gate.enter("10.0.0.4") == Refusal("max_connections", "3 connections", 503)
    fast = gateOf(accept_rate=2, accept_rate_per_address=1)
    assert fast.enter("1.1.1.1") is None
    assert fast.enter("1.1.1.1") == Refusal("accept_rate_per_address", "more than 1 a second of 1.1.1.1", 429)
    assert fast.enter("1.1.1.2") is None
    assert fast.enter("1.1.1.3") == Refusal("accept_rate", "more than 2 a second", 503)


def test_accept_rate() -> None:
    """So many newcomers a second are let in, in total and of one address; the clock may be set back."""
    clock = Clock()
    gate = gateOf(accept_rate=3, accept_rate_per_address=1, clock=clock)
    assert names(gate, "1.1.1.1", "1.1.1.1", "1.1.1.2") == ["", "accept_rate_per_address", ""]
    clock.advance(1)
    assert names(gate, "1.1.1.1", "1.1.1.2", "", "1.1.1.3") == ["", "", "", "accept_rate"]
    clock.rightNow = -1000.0
    assert names(gate, "1.1.1.4") == ["accept_rate"]
    clock.advance(1)
    assert names(gate, "1.1.1.5") == [""]


def test_one_that_hammers_leaves_the_rate_to_others() -> None:
    """Who is refused by its own rate does not use up that of all."""
    gate = gateOf(accept_rate=2, accept_rate_per_address=1)
    assert names(gate, *["1.1.1.1"] * 100, "1.1.1.2").count("") == 2


def test_who_is_full_is_not_counted_as_fast() -> None:
    """A refusal for want of room takes nothing from the rate."""
    gate = gateOf(max_connections=1, accept_rate=2)
    assert names(gate, *["1.1.1.1"] * 50).count("max_connections") == 49
    gate.leave("1.1.1.1")
    assert names(gate, "1.1.1.1") == [""]


def test_house() -> None:
    """What all services of a process share is counted over all of them."""
    house = House(3)
    first, second = gateOf(house=house), gateOf(house=house, max_connections=5)
    assert names(first, "1.1.1.1", "1.1.1.1") == ["", ""]
    assert names(second, "", "1.1.1.1") == ["", "server.max_connections"]
    assert second.enter("1.1.1.1") == Refusal("server.max_connections", "3 connections in all services", 503)
    first.leave("1.1.1.1")
    assert names(second, "1.1.1.1") == [""]
    assert (house.connections, first.connections, second.connections) == (3, 1, 2)


def test_memory() -> None:
    """Over the memory budget newcomers are refused, and not counted."""
    full: list[Refusal] = []
    gate = gateOf(house=House(0, lambda: full[0] if full else None))
    assert names(gate, "1.1.1.1") == [""]
    full.append(Refusal("server.memory_budget", "9 MiB are in use", 503))
    assert names(gate, "1.1.1.1") == ["server.memory_budget"]
    assert gate.connections == 1


def test_configure() -> None:
    """New rules and limits hold for the next newcomer; who is in stays, and stays counted."""
    gate = gateOf()
    assert names(gate, *["1.1.1.1"] * 5) == [""] * 5
    gate.configure(Access(["deny 2.2.2.2", "allow all"]), Limits(max_connections=6, per_address=3))
    assert names(gate, "2.2.2.2", "1.1.1.1", "1.1.1.2", "1.1.1.3") == [
        "access",
        "per_address",
        "",
        "max_connections",
    ]
    for _ in range(3):
        gate.leave("1.1.1.1")
    assert names(gate, "1.1.1.1", "1.1.1.1") == ["", "per_address"]


HOSTS = ["", "1.1.1.1", "::ffff:1.1.1.1", "1.1.1.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "9.9.9.9"]


class Churn(RuleBasedStateMachine):
    """Newcomers and leavers in any order, beside a model that has every one of them in a list."""

    inside = Bundle("inside")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.house = House(7)
        self.limits = Limits(max_connections=5, per_address=2)
        self.gates = [
            Gate(Access(["deny 9.9.9.9", "allow all"]), self.limits, self.house, self.clock.seconds)
            for _ in range(2)
        ]
        self.model: list[tuple[int, str]] = []

    def mayEnter(self, gate: int, host: str) -> bool:
        """Say what the model thinks."""
        here = [each for number, each in self.model if number == gate]
        return (
            host != "9.9.9.9"
            and len(self.model) < 7
            and len(here) < 5
            and (not host or sum(same(each, host) for each in here) < 2)
        )

    @rule(target=inside, gate=st.sampled_from([0, 1]), host=st.sampled_from(HOSTS))
    def enter(self, gate: int, host: str) -> tuple[int, str] | None:
        """Somebody comes."""
        expected = self.mayEnter(gate, host)
        assert (self.gates[gate].enter(host) is None) is expected
        if not expected:
            return None
        self.model.append((gate, host))
        return gate, host

    @rule(who=consumes(inside))
    def leave(self, who: tuple[int, str] | None) -> None:
        """Somebody goes, if it was let in."""
        if who is not None:
            self.model.remove(who)
            self.gates[who[0]].leave(who[1])

    @invariant()
    def counts(self) -> None:
        """All counts are those of the model, and nobody who has left is remembered."""
        assert self.house.connections == len(self.model)
        for number, gate in enumerate(self.gates):
            here = [host for each, host in self.model if each == number]
            assert gate.connections == len(here)
            assert gate._perAddress == Counter(owner(host) for host in here if host)


def same(one: str, other: str) -> bool:
    """Tell whether two hosts count as one, found another way."""
    if not one or not other:
        return False
    first, second = ip_address(one), ip_address(other)
    first, second = (getattr(each, "ipv4_mapped", None) or each for each in (first, second))
    if isinstance(first, IPv6Address) and isinstance(second, IPv6Address):
        return first.packed[:8] == second.packed[:8]
    return first == second


TestChurn = Churn.TestCase
TestChurn.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from(HOSTS[1:]), max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_never_above(hosts: list[str], most: int, total: int) -> None:
    """However they come, there are never more than the limits say; and in the end nothing is left."""
    gate = gateOf(per_address=most, max_connections=total)
    inside = []
    for host in hosts:
        if gate.enter(host) is None:
            inside.append(host)
        assert gate.connections == len(inside) <= total
        assert max(gate._perAddress.values(), default=0) <= most
    for host in inside:
        gate.leave(host)
    assert (gate.connections, gate._perAddress) == (0, {})
