"""A node on the other side of a cable that can be cut, while its members stay with it.

The cable is one of a network of our own (network namespaces), where the system lets us have one; else TCP relays.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from .engine import EngineCluster
from .nodes import Elsewhere
from .relay import Relay

HERE: Final = "10.99.0.1"
"""Where the engines are."""
ALONE: Final = ("unshare", "--map-root-user", "--net", "--mount", "--fork", "--kill-child")
"""A command that runs another one in a network of its own, in which it may do anything."""


class Cable(Protocol):
    """Between the third node and the engines."""

    def cut(self) -> None:
        """Let nothing through, and tell nobody."""

    def heal(self) -> None:
        """Let it through again."""


def canBeAlone() -> bool:
    """Tell whether we may have a network of our own."""
    if any(shutil.which(each) is None for each in ("unshare", "ip", "tc")):
        return False
    return not subprocess.run([*ALONE, "true"], capture_output=True, timeout=60, check=False).returncode


class Relays:
    """A relay to each engine."""

    def __init__(self, relays: list[Relay]) -> None:
        self.relays = relays

    def cut(self) -> None:
        for each in self.relays:
            each.cut()

    def heal(self) -> None:
        for each in self.relays:
            each.heal()


@asynccontextmanager
async def byRelays(engines: EngineCluster) -> AsyncIterator[tuple[Cable, Elsewhere]]:
    """Have the third node find the engines through relays."""
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(Relay(each.port)) for each in engines.nodes]
        yield Relays(relays), Elsewhere([f"nats://127.0.0.1:{each.port}" for each in relays], "127.0.0.3")


class Veth:
    """A cable of Linux; what goes in at either end is dropped when it is cut."""

    def cut(self) -> None:
        # A queue with room for nothing.
        _run("tc qdisc replace dev engines root pfifo limit 0")
        _run("ip netns exec apart tc qdisc replace dev engines root pfifo limit 0")

    def heal(self) -> None:
        _run("tc qdisc del dev engines root")
        _run("ip netns exec apart tc qdisc del dev engines root")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, timeout=60)


def prepare() -> None:
    """Within a network of our own: make another one in it, with a cable for the engines, and one for members."""
    for command in (
        "mount -t tmpfs none /run",
        "mkdir /run/netns",
        "ip link set lo up",
        "ip netns add apart",
        "ip -n apart link set lo up",
        "ip link add engines type veth peer name engines netns apart",
        f"ip addr add {HERE}/24 dev engines",
        "ip link set engines up",
        "ip -n apart addr add 10.99.0.3/24 dev engines",
        "ip -n apart link set engines up",
        "ip link add members type veth peer name members netns apart",
        "ip addr add 10.98.0.1/24 dev members",
        "ip link set members up",
        "ip -n apart addr add 10.98.0.3/24 dev members",
        "ip -n apart link set members up",
    ):
        _run(command)


@asynccontextmanager
async def byVeth(engines: EngineCluster) -> AsyncIterator[tuple[Cable, Elsewhere]]:
    """Have the third node in the other network."""
    yield Veth(), Elsewhere(engines.urls, "10.98.0.3", ("ip", "netns", "exec", "apart"))
