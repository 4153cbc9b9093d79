"""Who listens on this machine: which sockets, and which processes hold them.

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
    return [each for name in (kind, f"{kind}6") for each in _read(proc / "net" / name, _STATES[kind])]


def _read(table: Path, state: str) -> Iterator[Listening]:
    try:
        _, *lines = table.read_text().splitlines()
    except (OSError, ValueError):
        # Without IPv6 there is no tcp6.
        return
    for line in lines:
        words = line.split()
        if words[3] == state:
            ip, _, port = words[1].partition(":")
            yield Listening(_ip(ip), int(port, 16), int(words[9]), int(words[4].partition(":")[2], 16))


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
    for line in (proc / "net" / "unix").read_text(errors="replace").splitlines()[1:]:
        words = line.split(maxsplit=7)
        # Flags with __SO_ACCEPTCON: it listens.
        if len(words) == 8 and words[7] == os.path.abspath(path) and int(words[3], 16) & 0x10000:
            return int(words[6])
    return None


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
