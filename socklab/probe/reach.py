"""Whether a server can be reached: its name, its address, its port, and who holds it."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final

from ..client import Address, ConnectError, Settings
from ..client import stream as _stream  # noqa: F401 - what it takes to import it is none of the server's time
from ..client.address import hostPort
from ..client.names import resolve
from ..sockets import Listening, heldBy, holderOf, listening, unixInode
from ..transports.guard import isOwnAddress
from .findings import Finding, Report, Verdict
from .talking import Talk

_OTHERS: Final = 6
"""Ports of this machine that are named when nobody listens on the one that was asked for."""


async def reach(reactor: Any, address: Address, settings: Settings, report: Report) -> list[Address]:
    """Find the addresses at which the server can be reached; none is a finding of its own."""
    if address.scheme == "unix":
        return await _unix(reactor, address, settings, report)
    kind = socket.SOCK_DGRAM if address.kind == "udp" else socket.SOCK_STREAM
    try:
        found = await resolve(reactor, address.host, address.port, kind)
    except ConnectError as error:
        report(Finding("bad", "name", f"{error} (`getent hosts {address.host}` asks as programs do)"))
        return []
    if found != [address.host]:
        report(Finding("ok", "name", f"{address.host} is {', '.join(found)}"))
    reached = []
    for ip in found:
        own = isOwnAddress(ip)
        if await _connects(reactor, replace(address, host=ip), settings, own, len(found) > 1, report):
            reached.append(replace(address, host=ip))
    if found and not reached and len(found) > 1:
        report(Finding("bad", "connect", "none of its addresses answers"))
    return reached


async def _connects(
    reactor: Any, address: Address, settings: Settings, own: bool, isOneOfSeveral: bool, report: Report
) -> bool:
    """Try one address, and say why it fails."""
    where = hostPort(address.host, address.port)
    kind = "udp" if address.kind == "udp" else "tcp"
    if kind == "tcp":
        begun = reactor.seconds()
        try:
            talk = await Talk.begin(reactor, Address("tcp", address.host, address.port), settings)
        except ConnectError as error:
            verdict: Verdict = "note" if isOneOfSeveral else "bad"
            report(Finding(verdict, "connect", f"{where}: {_hint(error, address, own)}"))
            if own:
                _whoElse(address, kind, error, report)
            return False
        took = (reactor.seconds() - begun) * 1000
        report(Finding("ok", "connect", f"{where} accepts connections ({took:.1f} ms)"))
        await talk.leave()
    if own:
        _holder(address, kind, report)
    return True


def _hint(error: ConnectError, address: Address, own: bool) -> str:
    """Give what a failure means here, and what to look at."""
    match error.kind:
        case "refused" if own:
            return "refused: nobody listens on this port: start the server, or look in its log for the port"
        case "refused":
            return (
                "refused: the machine is there, and nobody listens on this port: is the server running, is this "
                "its port, does it listen on 127.0.0.1 only? There, `ss -lntp` tells"
            )
        case "timeout" if own:
            return "timed out: the queue of connections is full, or a firewall drops them on this machine"
        case "timeout":
            return (
                "timed out: nothing comes back: a firewall drops it (there, allow the port for inbound TCP), or "
                "the machine is down, or has another address (`ping` it)"
            )
        case "unreachable":
            return "unreachable: this machine has no way to that address: check the network, VPN, or the address"
    return str(error).rpartition(": ")[2]


def _at(address: Address, kind: str) -> tuple[list[Listening], list[Listening]]:
    """Give the sockets on this port: those that take what is sent to the address, and the others."""
    there = [each for each in listening(kind) if each.port == address.port]
    takes = [each for each in there if each.takes(address.host)]
    return takes, [each for each in there if each not in takes]


def _holder(address: Address, kind: str, report: Report) -> None:
    """Tell which process has the port, and from where it can be reached."""
    takes, _ = _at(address, kind)
    if not takes:
        if kind == "udp":
            report(Finding("bad", "process", f"nobody has bound udp port {address.port} on this machine"))
        else:
            report(Finding("note", "process", "none of this machine: a container, or another network namespace"))
        return
    # The more special address wins.
    [first, *_] = sorted(takes, key=lambda each: each.isForAll)
    report(Finding("ok", "process", heldBy(first.inode)))
    if first.isLoopback:
        bound = f"bound to {first.ip}: only programs on this machine reach it"
        report(Finding("note", "bound", f"{bound}; for others it must listen on 0.0.0.0 (all addresses)"))
    else:
        word = "all addresses" if first.isForAll else first.ip
        report(Finding("ok", "bound", f"bound to {word}: other machines reach it, if no firewall is between"))


def queue(address: Address, report: Report) -> bool:
    """Tell whether connections wait that a program of this machine has had the time to accept."""
    if address.isNetwork and isOwnAddress(address.host):
        waiting = max((each.waiting for each in _at(address, "tcp")[0]), default=0)
        if waiting:
            # How many wait is not told: our own are among them.
            text = "the program does not accept what connects: it is busy, or serves one client at a time"
            report(Finding("bad", "queue", text))
            return True
    return False


def _whoElse(address: Address, kind: str, error: ConnectError, report: Report) -> None:
    """Tell of an own port that does not answer who is near."""
    takes, others = _at(address, kind)
    for each in takes:
        if error.kind == "timeout":
            text = f"{heldBy(each.inode)} has {each.waiting} connections in its queue and accepts none"
            report(Finding("bad", "queue", text))
    for each in others:
        text = f"{heldBy(each.inode)} listens on {hostPort(each.ip, each.port)} only"
        if ip_address(each.ip).is_loopback and not ip_address(address.host).is_loopback:
            text += ": other machines are refused; it must listen on 0.0.0.0 (all addresses)"
        report(Finding("note", "bound", text))
    if error.kind == "refused" and not others:
        known = {each.port: each for each in listening(kind)}
        near = sorted(known, key=lambda port: abs(port - address.port))[:_OTHERS]
        if near:
            text = ", ".join(f"{port} {_name(known[port])}" for port in sorted(near))
            report(Finding("note", "listening", f"near it on this machine: {text}"))


def _name(socket: Listening) -> str:
    holder = holderOf(socket.inode)
    return f"({holder.command.split()[0].rpartition('/')[2]})" if holder and holder.command else "(?)"


async def _unix(reactor: Any, address: Address, settings: Settings, report: Report) -> list[Address]:
    try:
        talk = await Talk.begin(reactor, address, settings)
    except ConnectError as error:
        text = str(error).partition(": ")[2]
        if error.kind == "refused":
            text = "refused: the socket is there, and nobody listens: its server has ended without removing it"
        elif error.kind == "permission":
            text = "permission denied: writing to the socket, and passing its folders, must be allowed to you"
        report(Finding("bad", "connect", f"{address.path}: {text}"))
        return []
    report(Finding("ok", "connect", f"{address.path} accepts connections"))
    await talk.leave()
    inode = unixInode(address.path)
    if inode is not None:
        report(Finding("ok", "process", heldBy(inode)))
    return [address]
