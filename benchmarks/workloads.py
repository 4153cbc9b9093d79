"""What is measured: each workload, who it is measured beside, and the goal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STREAM: Final = ("c", "uvloop", "asyncio", "node", "twisted")
WEBSOCKET: Final = ("c", "picows", "aiohttp", "websockets", "node-ws", "autobahn")


@dataclass(frozen=True)
class Goal:
    """At least so many times what a peer does in the same round."""

    factor: float
    peer: str


@dataclass(frozen=True)
class Workload:
    """One thing that all servers are asked to do."""

    name: str
    title: str
    kind: str
    """What a peer's program is asked to be: its first argument."""
    service: str
    """The service in socklab.toml that does it, and by which transport: `echo tcp`."""
    load: str
    """Arguments of the load generator; `{x}` is the point."""
    peers: tuple[str, ...]
    goals: tuple[Goal, ...] = ()
    most: float | None = None
    """The goal where less is better: at most so much."""
    measure: str = "rate"
    """What counts, of the generator's output: `rate`, `MBps`, or `kib_each`, of which less is better."""
    unit: str = "messages/s"
    fresh: bool = False
    """Each server is started for one run only, and measured once."""
    points: tuple[int, ...] = ()
    """What grows, for a workload that is about growth."""
    axis: str = ""
    each: str = ""
    """What a message's cost is divided among as it grows: `KiB`, `member`."""

    @property
    def size(self) -> int:
        """How many points of `axis` one `each` is."""
        return 1024 if self.each == "KiB" else 1


THROUGHPUT: Final = (
    Workload(
        "tcp-1",
        "TCP echo, 64 connections, 64 B, 1 in flight",
        "echo",
        "echo tcp",
        "tcp -n 64 -s 64 -P 1",
        STREAM,
        (Goal(0.90, "uvloop"), Goal(1.15, "node"), Goal(0.75, "c")),
    ),
    Workload(
        "tcp-16",
        "TCP echo, 64 connections, 64 B, 16 in flight",
        "echo",
        "echo tcp",
        "tcp -n 64 -s 64 -P 16",
        STREAM,
        (Goal(0.90, "uvloop"),),
    ),
    Workload(
        "tcp-bulk",
        "TCP echo bulk, 4 connections, 64 KiB writes",
        "echo",
        "echo tcp",
        "bulk -n 4",
        STREAM,
        (Goal(0.90, "uvloop"),),
        measure="MBps",
        unit="MB/s",
    ),
    Workload(
        "ws-1",
        "WebSocket echo, 64 connections, 64 B, 1 in flight",
        "ws-echo",
        "echo ws",
        "ws -n 64 -s 64 -P 1",
        WEBSOCKET,
        (Goal(1.1, "node-ws"), Goal(0.85, "picows")),
    ),
    Workload(
        "ws-16",
        "WebSocket echo, 64 connections, 64 B, 16 in flight",
        "ws-echo",
        "echo ws",
        "ws -n 64 -s 64 -P 16",
        WEBSOCKET,
        (Goal(3.5, "picows"),),
    ),
    Workload(
        "ws-4k",
        "WebSocket echo, 64 connections, 4 KiB, 1 in flight",
        "ws-echo",
        "echo ws",
        "ws -n 64 -s 4096 -P 1",
        WEBSOCKET,
        (Goal(1.1, "node-ws"), Goal(0.95, "picows")),
    ),
    Workload(
        "chat-tcp",
        "chat over TCP, 100 members, 4 senders, 16 in flight",
        "chat",
        "chat tcp",
        "chat -n 100 -k 4 -P 16",
        (*STREAM, "ncat"),
        (Goal(10, "node"), Goal(1.0, "c")),
        unit="lines/s",
    ),
    Workload(
        "chat-ws",
        "chat over WebSocket, 100 members, 4 senders, 16 in flight",
        "ws-chat",
        "chat ws",
        "wschat -n 100 -k 4 -P 16",
        WEBSOCKET,
        (Goal(8, "node-ws"), Goal(1.0, "c")),
        unit="lines/s",
    ),
    Workload(
        "chat-tcp-1",
        "chat over TCP, 100 members, 1 sender, 1 in flight",
        "chat",
        "chat tcp",
        "chat -n 100 -k 1 -P 1",
        (*STREAM, "ncat"),
        (Goal(1.05, "node"),),
        unit="lines/s",
    ),
    Workload(
        "chat-ws-1",
        "chat over WebSocket, 100 members, 1 sender, 1 in flight",
        "ws-chat",
        "chat ws",
        "wschat -n 100 -k 1 -P 1",
        WEBSOCKET,
        (Goal(1.2, "node-ws"),),
        unit="lines/s",
    ),
    Workload(
        "udp",
        "UDP echo, 8 sockets, 64 B, 16 in flight",
        "udp",
        "echo udp",
        "udp -n 8 -s 64 -P 16",
        STREAM,
        (Goal(1.0, "uvloop"),),
        unit="datagrams/s",
    ),
    Workload(
        "oneshot-tcp",
        "one-shot over TCP, 64 at once",
        "oneshot",
        "oneshot tcp",
        "oneshot -n 64 -a 50",
        STREAM,
        (Goal(1.0, "uvloop"),),
        unit="connections/s",
    ),
    Workload(
        "oneshot-ws",
        "one-shot over WebSocket, 32 at once",
        "ws-oneshot",
        "oneshot ws",
        "wsone -n 32 -a 50",
        WEBSOCKET,
        (Goal(0.6, "node-ws"),),
        unit="connections/s",
    ),
)


def memory(name: str, title: str, service: str, said: str = "", most: float | None = None) -> Workload:
    """Give the workload of 10,000 idle connections.

    @param said: what each has sent, and had answered, before.
    """
    websocket = service.endswith("ws")
    return Workload(
        name,
        f"{title}, KiB for each of 10,000 idle connections",
        f"{'ws-' if websocket else ''}echo",
        service,
        f"{'wsidle' if websocket else 'idle'} -n 10000 -a 50 -t 0.3 {said}",
        () if service.startswith("hall") else WEBSOCKET if websocket else STREAM,
        most=most,
        measure="kib_each",
        unit="KiB",
        fresh=True,
    )


MEMORY: Final = (
    memory("memory-tcp", "TCP", "echo tcp", most=2.0),
    memory("memory-ws", "WebSocket", "echo ws", most=6.0),
    memory("memory-tcp-used", "TCP, after one message", "echo tcp", "-x hello"),
    memory("memory-ws-used", "WebSocket, after one message", "echo ws", "-x hello"),
    memory("memory-tcp-chat", "TCP, members of a chat", "hall tcp", "-x /rooms"),
    memory("memory-ws-chat", "WebSocket, members of a chat", "hall ws", "-x /rooms"),
)

CONNECTIONS: Final = (1, 10, 100, 1000, 10_000)
SIZES: Final = (16, 256, 4096, 65_536, 1_048_576)
MEMBERS: Final = (10, 100, 1000, 5000)

GROWTH: Final = (
    Workload(
        "grow-connections",
        "TCP echo as connections grow, 64 B, 1 in flight",
        "echo",
        "echo tcp",
        "tcp -n {x} -a 50",
        ("c", "uvloop"),
        points=CONNECTIONS,
        axis="connections",
    ),
    Workload(
        "grow-connections-ws",
        "WebSocket echo as connections grow, 64 B, 1 in flight",
        "ws-echo",
        "echo ws",
        "ws -n {x} -a 50",
        ("c", "picows"),
        points=CONNECTIONS,
        axis="connections",
    ),
    Workload(
        "grow-message",
        "TCP echo as messages grow, 4 connections, 1 in flight",
        "echo",
        "echo tcp",
        "tcp -n 4 -s {x}",
        ("c", "uvloop"),
        points=SIZES,
        axis="bytes in a message",
        each="KiB",
    ),
    Workload(
        "grow-message-ws",
        "WebSocket echo as messages grow, 4 connections, 1 in flight",
        "ws-echo",
        "echo ws",
        "ws -n 4 -s {x}",
        ("c", "picows"),
        points=SIZES,
        axis="bytes in a message",
        each="KiB",
    ),
    Workload(
        "grow-members",
        "chat over TCP as the room grows, 4 senders, 16 in flight",
        "chat",
        "hall tcp",
        "chat -n {x} -k 4 -P 16",
        ("c", "uvloop"),
        unit="lines/s",
        points=MEMBERS,
        axis="members",
        each="member",
    ),
)

ALL: Final = (*THROUGHPUT, *MEMORY, *GROWTH)


def chosen(names: Iterable[str]) -> list[Workload]:
    """Give the workloads of these names, or whose names begin so, in their order; all of them for no names.

    @raise ValueError: there is none of that name.
    """
    found = set()
    for name in names:
        exact = {each.name for each in ALL if each.name == name}
        begun = exact or {each.name for each in ALL if each.name.startswith(name)}
        if not begun:
            raise ValueError(f"there is no workload {name}; there are: {', '.join(each.name for each in ALL)}")
        found |= begun
    return [each for each in ALL if not found or each.name in found]
