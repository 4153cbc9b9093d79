"""`access`: the first rule that matches an address decides."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.policy.access import Access, RuleError, normal


def decided(entries: list[str], host: str) -> str:
    """Give the text of the rule that decides."""
    return Access(entries).decide(host).text


ISSUE = ["deny 10.0.0.5", "allow 10.0.0.0/8", "allow ::1", "deny all"]


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("10.0.0.5", "deny 10.0.0.5"),
        ("::ffff:10.0.0.5", "deny 10.0.0.5"),
        ("::FFFF:0a00:0005", "deny 10.0.0.5"),
        ("10.0.0.6", "allow 10.0.0.0/8"),
        ("10.255.255.255", "allow 10.0.0.0/8"),
        ("11.0.0.0", "deny all"),
        ("9.255.255.255", "deny all"),
        ("::1", "allow ::1"),
        ("0:0:0:0:0:0:0:1", "allow ::1"),
        ("::2", "deny all"),
        ("::10.0.0.6", "deny all"),  # not mapped, but the deprecated "compatible" form: another address
        ("", "deny all"),
    ],
)
def test_first_match(host: str, rule: str) -> None:
    """The first that matches decides, whatever those behind it say."""
    assert decided(ISSUE, host) == rule


def test_allow_all() -> None:
    """By default everybody is let in, also who has no address."""
    for host in ("", "10.0.0.1", "::1", "fe80::1%eth0", "no address"):
        assert Access(["allow all"]).decide(host).allows


def test_unix_peers_match_only_all() -> None:
    """A Unix peer has no address: not even a network of all addresses is about it."""
    rules = ["deny 0.0.0.0/0", "deny ::/0", "allow all"]
    assert decided(rules, "") == "allow all"
    assert decided(rules, "1.2.3.4") == "deny 0.0.0.0/0"
    assert decided(rules, "1::") == "deny ::/0"


def test_zones() -> None:
    """The zone of a link-local peer does not matter (RFC 4007, 11)."""
    rules = ["allow fe80::/10", "deny all"]
    for host in ("fe80::1", "fe80::1%eth0", "fe80::1%3"):
        assert decided(rules, host) == "allow fe80::/10"


@pytest.mark.parametrize("rule", ["deny ::ffff:10.0.0.0/104", "deny ::ffff:10.0.0.0/112", "deny ::ffff:10.0.0.5"])
def test_mapped_rules(rule: str) -> None:
    """A rule of IPv4 within IPv6 is one of IPv4, however the peer came."""
    for host in ("10.0.0.5", "::ffff:10.0.0.5"):
        assert decided([rule, "allow all"], host) == rule


def test_families_are_apart() -> None:
    """A network of IPv6 says nothing of IPv4, also not of IPv4 within IPv6."""
    assert decided(["deny ::/0", "allow all"], "::ffff:1.2.3.4") == "allow all"
    assert decided(["deny 0.0.0.0/0", "allow all"], "::ffff:1.2.3.4") == "deny 0.0.0.0/0"


@pytest.mark.parametrize("text", ["allow  10.0.0.0/8", " allow 10.0.0.0/8 ", "allow\t10.0.0.0/8"])
def test_space(text: str) -> None:
    """Space does not matter."""
    assert Access([text, "deny all"]).decide("10.1.2.3").allows


LAST = "the last rule decides for all others: `allow all` or `deny all`"
EXPECTED = "expected `allow` or `deny`, and an address, a network or `all`, got "


@pytest.mark.parametrize(
    ("entries", "index", "what"),
    [
        ([], 0, LAST),
        (["deny 10.0.0.5"], 0, LAST),
        (["deny all", "allow 10.0.0.1"], 1, '"allow 10.0.0.1" never decides: rule 1, "deny all", does before it'),
        (["allow all", "deny all"], 1, '"deny all" never decides: rule 1, "allow all", does before it'),
        (
            ["allow 10.0.0.0/8", "deny 10.0.0.5", "deny all"],
            1,
            '"deny 10.0.0.5" never decides: rule 1, "allow 10.0.0.0/8", does before it',
        ),
        (
            ["deny 1.1.1.1", "deny ::ffff:1.1.1.1", "allow all"],
            1,
            '"deny ::ffff:1.1.1.1" never decides: rule 1, "deny 1.1.1.1", does before it',
        ),
        (
            ["deny 10.0.0.5/8", "allow all"],
            0,
            '"10.0.0.5/8" has host bits set: say 10.0.0.0/8, or one address',
        ),
        (["deny fe80::1/10", "allow all"], 0, '"fe80::1/10" has host bits set: say fe80::/10, or one address'),
        (["deny 10.0.0.0/33", "allow all"], 0, 'expected an IP address, a network or `all`, got "10.0.0.0/33"'),
        (["deny 010.0.0.1", "allow all"], 0, 'expected an IP address, a network or `all`, got "010.0.0.1"'),
        (["deny localhost", "allow all"], 0, 'expected an IP address, a network or `all`, got "localhost"'),
        (
            ["deny fe80::1%eth0", "allow all"],
            0,
            '"fe80::1%eth0" has a zone, which rules do not see: leave out %eth0',
        ),
        (["deny", "allow all"], 0, f'{EXPECTED}"deny"'),
        (["Deny all"], 0, f'{EXPECTED}"Deny all"'),
        (["10.0.0.1", "allow all"], 0, f'{EXPECTED}"10.0.0.1"'),
        (["", "allow all"], 0, f'{EXPECTED}""'),
        (["deny ALL"], 0, 'expected an IP address, a network or `all`, got "ALL"'),
        (
            ["deny 10.0.0.1 10.0.0.2", "allow all"],
            0,
            'expected an IP address, a network or `all`, got "10.0.0.1 10.0.0.2"',
        ),
    ],
)
def test_what_makes_no_sense(entries: list[str], index: int, what: str) -> None:
    """A list that is wrong, or in which a rule would never decide, is refused: which rule, and why."""
    with pytest.raises(RuleError) as raised:
        Access(entries)
    assert (raised.value.index, str(raised.value)) == (index, what)


ADDRESSES = st.one_of(
    # Few of them, so that rules and peers meet.
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number & 0x03000003))),
    st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number & (3 << 120 | 3)))),
)


@st.composite
def networks(draw: st.DrawFn) -> str:
    """Give an address or a network without host bits."""
    address = draw(ADDRESSES)
    bits = draw(st.integers(0, 32 if "." in address else 128))
    return str(ip_network(f"{address}/{bits}", strict=False))


@given(
    st.lists(st.tuples(st.sampled_from(["allow", "deny"]), networks()), max_size=6),
    st.sampled_from(["allow all", "deny all"]),
    st.lists(st.one_of(ADDRESSES, st.just("")), min_size=1),
)
def test_like_a_naive_model(rules: list[tuple[str, str]], last: str, hosts: list[str]) -> None:
    """What decides is what a reader finds who goes through the list; what is refused would never have decided."""

    def naive(host: str) -> int:
        """Give the index of the entry that decides."""
        for index, (_, what) in enumerate(rules):
            if host and normal(host) in ip_network(what):
                return index
        return len(rules)

    entries = [*(f"{verb} {what}" for verb, what in rules), last]
    access = useless = None
    try:
        access = Access(entries)
    except RuleError as error:
        useless = error.index
    if access is not None:
        assert [access.decide(host) for host in hosts] == [access.rules[naive(host)] for host in hosts]
    else:
        assert useless is not None
        network = ip_network(rules[useless][1])
        assert useless not in {naive(host) for host in (*hosts, str(network[0]), str(network[-1]))}
