"""Who listens on this machine: which sockets, which processes hold them, and who keeps an address from us.

It is read from /proc, and not through psutil, which does not tell how many connections wait to be accepted.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
# The states in /proc/net/tcp and /proc/net/udp (include/net/tcp_states.h): LISTEN; CLOSE, as UDP sockets are.
_STATES: Final = {"tcp": "0A", "udp": "07"}
_TIME_WAIT: Final = "06"


@dataclass(frozen=True)
class Listening:
    """One socket that takes connections, or datagrams."""

    ip: str
    port: int
    inode: int
    waiting: int = 0
    """Connections that the program has not accepted yet; of UDP, bytes that it has not read yet."""

    @property
    def isForAll(self) -> bool:
        """Whether it is bound to every address of the machine."""
        return ip_address(self.ip).is_unspecified

    @property
    def isLoopback(self) -> bool:
        """Whether only programs on this machine reach it."""
        return ip_address(self.ip).is_loopback

    def conflicts(self, ip: str) -> bool:
        """Tell whether another socket of the same port cannot be bound to an address."""
        return self.takes(ip) or ip_address(ip.partition("%")[0]).is_unspecified

    def takes(self, ip: str) -> bool:
        """Tell whether what is sent to an address comes here; `::` takes IPv4 too, as by default."""
        own, asked = ip_address(self.ip), ip_address(ip.partition("%")[0])
        return own == asked or (own.is_unspecified and (own.version == 6 or asked.version == 4))


@dataclass(frozen=True)
class Holder:
    """A process."""

    pid: int
    command: str
    user: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}, user {self.user})"


def listening(kind: str, proc: Path = _PROC) -> list[Listening]:
    """Give the sockets that listen.

    @param kind: `tcp` or `udp`.
    """
    rows = [words for words in _rows(kind, proc) if words[3] == _STATES[kind]]
    return [Listening(*_address(words[1]), int(words[9]), int(words[4].partition(":")[2], 16)) for words in rows]


def _rows(kind: str, proc: Path) -> Iterator[list[str]]:
    for name in (kind, f"{kind}6"):
        try:
            _, *lines = (proc / "net" / name).read_text().splitlines()
        except (OSError, ValueError):
            # Without IPv6 there is no tcp6.
            continue
        yield from (line.split() for line in lines)


def _address(text: str) -> tuple[str, int]:
    ip, _, port = text.partition(":")
    return _ip(ip), int(port, 16)


def _ip(text: str) -> str:
    """Read an address as it stands there: 32-bit words in the machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    octets = b"".join(word.to_bytes(4, "little") for word in words)
    if len(octets) == 4:
        return str(IPv4Address(octets))
    address = IPv6Address(octets)
    # Java binds IPv4 addresses so.
    return str(address.ipv4_mapped or address)


def unixInode(path: str, proc: Path = _PROC) -> int | None:
    """Give the inode of the Unix socket that listens at a path; None if none does."""
    return next((inode for inode, there in _unix(proc) if there == os.path.abspath(path)), None)


def _unix(proc: Path) -> Iterator[tuple[int, str]]:
    """Give the Unix sockets that listen, each with its path."""
    for line in (proc / "net" / "unix").read_text(errors="replace").splitlines()[1:]:
        words = line.split(maxsplit=7)
        # Flags with __SO_ACCEPTCON: it listens.
        if len(words) == 8 and int(words[3], 16) & 0x10000:
            yield int(words[6]), words[7]


def whoHas(kind: str, ip: str, port: int, proc: Path = _PROC) -> str | None:
    """Say who keeps an address from being bound; None when that cannot be seen.

    @param kind: `tcp` or `udp`.
    """
    if (by := whoListens(kind, ip, port, proc)) is not None:
        return by
    # Only TCP has others: clients whose own end has the port.
    ends = [words for words in _rows("tcp", proc) if kind == "tcp" and _address(words[1])[1] == port]
    for words in sorted(ends, key=lambda words: words[3] == _TIME_WAIT):
        if words[3] == _TIME_WAIT:
            return "a connection that is over (TIME-WAIT); the port is free again within a minute"
        host, there = _address(words[2])
        # Nobody has a socket any longer that is being closed.
        by = heldBy(int(words[9]), proc) if words[9] != "0" else "a process that has closed it"
        return f"a connection to {host} port {there}, whose own end has this port, of {by}"
    return None


def whoListens(kind: str, ip: str, port: int, proc: Path = _PROC) -> str | None:
    """Say which process has bound an address, for TCP to listen; None when none has.

    @param kind: `tcp` or `udp`.
    """
    found = [each for each in listening(kind, proc) if each.port == port and each.conflicts(ip)]
    return heldBy(min(found, key=lambda each: each.ip != ip).inode, proc) if found else None


def whoListensAt(path: str, proc: Path = _PROC) -> str | None:
    """Say who listens on a Unix socket's path; None when nobody does."""
    inode = unixInode(path, proc)
    return heldBy(inode, proc) if inode is not None else None


def heldBy(inode: int, proc: Path = _PROC) -> str:
    """Say which process holds a socket, or why that cannot be seen."""
    holder = holderOf(inode, proc)
    return str(holder) if holder else "a process of another user (as root its name can be seen)"


def boundBy(pid: int, proc: Path = _PROC) -> list[tuple[str, str]]:
    """Give what a process listens on: `tcp` or `udp` with an address and a port, or `unix` with a path.

    That is nothing where this user may not see it.
    """
    inodes = set()
    with suppress(OSError):
        for each in (proc / str(pid) / "fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(each))
    found = [
        (kind, f"[{each.ip}]:{each.port}" if ":" in each.ip else f"{each.ip}:{each.port}")
        for kind in _STATES
        for each in listening(kind, proc)
        if f"socket:[{each.inode}]" in inodes
    ]
    return [*found, *(("unix", path) for inode, path in _unix(proc) if f"socket:[{inode}]" in inodes)]


def holderOf(inode: int, proc: Path = _PROC) -> Holder | None:
    """Give the process that holds a socket; None if it is another user's, or in another namespace."""
    wanted = f"socket:[{inode}]"
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            for each in (folder / "fd").iterdir():
                # Any may be closed meanwhile.
                with suppress(OSError):
                    if os.readlink(each) == wanted:
                        return _holder(folder)
    return None


def _holder(folder: Path) -> Holder:
    arguments = (folder / "cmdline").read_bytes().rstrip(b"\0").decode("utf-8", "replace").split("\0")
    # The folders of an interpreter and its script are long, and say little.
    first = [each.rpartition("/")[2] if each.startswith("/") else each for each in arguments[:2]]
    command = " ".join([*first, *arguments[2:]])
    uid = folder.stat().st_uid
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Holder(int(folder.name), command if len(command) <= 60 else f"{command[:57]}...", user)
