"""Addresses: what is one, what it says, and why something is none."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.client.address import SCHEMES, Address, AddressError, parse

hosts = (
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z][a-z0-9]{0,8}){0,3}", fullmatch=True)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(lambda each: str(IPv6Address(each)))
)
ports = st.integers(1, 65535)
resources = st.from_regex(r"/[A-Za-z0-9/._~!$&'()*+,;=:@-]{0,20}(\?[A-Za-z0-9/?=&]{0,10})?", fullmatch=True)
addresses = (
    st.builds(Address, st.sampled_from(["tcp", "tls", "udp"]), hosts, ports)
    | st.builds(Address, st.sampled_from(["ws", "wss"]), hosts, ports, resources)
    | st.builds(lambda path: Address("unix", path=path), st.text(min_size=1).filter(lambda each: "\0" not in each))
)


@given(addresses)
def test_written_and_read(address: Address) -> None:
    """An address that is written out is read as the same."""
    assert parse(str(address)) == address


@given(st.text() | st.builds(lambda scheme, rest: f"{scheme}://{rest}", st.sampled_from(SCHEMES), st.text()))
def test_anything(text: str) -> None:
    """Any text is an address, which stays itself, or an AddressError; nothing that is read can break a line."""
    try:
        address = parse(text)
    except AddressError:
        return
    assert parse(str(address)) == address
    if address.isNetwork:
        assert 1 <= address.port <= 65535
        assert address.host
        assert not set(f"{address.host}{address.path}") & set("\r\n\0 \t")
        assert address.path.isascii()


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("tcp://localhost:59000", "tcp", "localhost", 59000, ""),
        ("TCP://LocalHost:1/", "tcp", "localhost", 1, ""),
        ("udp://[::1]:53", "udp", "::1", 53, ""),
        ("tcp://[fe80::1%eth0]:80", "tcp", "fe80::1%eth0", 80, ""),
        ("unix:///run/x.sock", "unix", "", 0, "/run/x.sock"),
        ("unix://x.sock", "unix", "", 0, "x.sock"),
        ("ws://localhost", "ws", "localhost", 80, "/"),
        ("wss://example.com?a=b", "wss", "example.com", 443, "/?a=b"),
        ("ws://localhost:8080/채팅/a%20b?", "ws", "localhost", 8080, "/%EC%B1%84%ED%8C%85/a%20b?"),
        ("tls://한국.example:1", "tls", "한국.example", 1, ""),
    ],
)
def test_forms(text: str, scheme: str, host: str, port: int, path: str) -> None:
    """Names, IP addresses, paths, and the ports that are left out."""
    assert parse(text) == Address(scheme, host, port, path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("localhost:80", "did you mean tcp://localhost:80?"),
        ("tls:localhost:80", "did you mean tls://localhost:80?"),
        ("", "expected tcp://host:port, tls://host:port, "),
        ("http://localhost/", "for a WebSocket say ws://"),
        ("ssl://localhost:1", "say tls://"),
        ("ftp://localhost:1", "ftp:// is not spoken here; expected"),
        ("tcp://localhost", "which port?"),
        ("tcp://localhost:", "which port?"),
        ("ws://localhost:/", "which port?"),
        ("tcp://localhost:0", "a port is 1 to 65535"),
        ("tcp://localhost:65536", "expected tcp://host:port"),
        ("tcp://localhost:٣", "expected tcp://host:port"),
        ("tcp://:80", "expected tcp://host:port"),
        ("tcp://::1:80", "expected tcp://host:port"),
        ("tcp://*:80", "expected tcp://host:port"),
        ("tcp://me@localhost:80", "expected tcp://host:port"),
        ("tcp://localhost:80/x", "tcp:// has no path"),
        ("udp://localhost:80?x", "udp:// has no path"),
        ("ws://localhost:80/#x", "no part after #"),
        ("ws://localhost:80/a b", "no spaces and no control characters"),
        ("ws://localhost:80/\r\nX: y", "no spaces and no control characters"),
        ("unix://", "expected unix:///path"),
        ("unix:///a\0b", "expected unix:///path"),
    ],
)
def test_none(text: str, why: str) -> None:
    """What is none is told in one line, with what was probably meant."""
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
