"""Several processes that are one: rooms over nodes, and workers; what a line costs each of them.

The servers share one core, the generator has the other: a rate is what one core does for all of them together.
What holds for more cores is what each process has used for a line.
"""

from __future__ import annotations

import json
import re
import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import record
from benchmarks.clustered import Served, drive, engine, node, raw
from benchmarks.figures import growth
from benchmarks.measure import Cores
from benchmarks.placed import place
from benchmarks.simulation import Costs, World, simulate
from benchmarks.tools import Failed, load

MANY: Final = "chat -n {n} -k 4 -P 16"
"""As much as they can: 4 senders, 16 lines in flight."""
SINGLE: Final = "chat -n {n} -k 1 -P 1"
"""One line at a time: how long it takes until the last one has it, and what it costs by itself."""
ECHO: Final = "tcp -n 64 -P 16"
SIZES: Final = (1, 10, 100, 1000)
IDLE: Final = 4000
"""Members whose memory is measured."""
WORLDS: Final = (
    World(300, 2, 10, 1.0),
    World(300, 3, 10, 1.0),
    World(300, 3, 100, 0.5),
    World(900, 3, 10, 0.5),
)
"""Done, and simulated."""

Results = dict[str, Any]
Tell = Callable[[str], None]


class Nodes:
    """Measures."""

    def __init__(self, on: Cores, rounds: int, seconds: float, tell: Tell) -> None:
        """@param rounds: of each run; the median counts."""
        self._on, self._rounds, self._seconds, self._tell = on, rounds, seconds, tell

    def _runs(self, arguments: str, ports: Sequence[int], servers: Sequence[Any]) -> Results:
        """Drive some servers, round after round; give the medians."""
        runs = [self._run(arguments, ports, servers) for _ in range(self._rounds)]
        found: Results = {key: median(run[key] for run in runs) for key in ("rate", "p50_us", "p99_us")}
        found["us"] = [median(run["us"][index] for run in runs) for index in range(len(servers))]
        self._tell(f"{arguments}: {found['rate']:.0f} lines/s, p50 {found['p50_us']:.0f} us, us {found['us']}")
        return found

    def _run(self, arguments: str, ports: Sequence[int], servers: Sequence[Any]) -> Results:
        """Drive them once; once more if not all came in time, as when somebody else has the core for seconds."""
        try:
            return drive(arguments, ports, servers, self._seconds, self._on.load)
        except Failed as error:
            self._tell(f"once more: {error}")
            return drive(arguments, ports, servers, self._seconds, self._on.load)

    def _both(self, ports: Sequence[int], servers: Sequence[Any]) -> Results:
        return {
            "many": self._runs(MANY.format(n=100), ports, servers),
            "single": self._runs(SINGLE.format(n=100), ports, servers),
        }

    def ways(self) -> Results:
        """A line from one member to a hundred: within a process, over two nodes, with nats-py alone."""
        core, found = self._on.server, {}
        with node(core) as one:
            found["one process"] = self._both([one.ports["chat"]], [one.process])
        with engine(core) as (nats, url):
            with node(core, url) as one, node(core, url) as two:
                ports = [one.ports["chat"], two.ports["chat"]]
                found["two nodes"] = self._both(ports, [one.process, two.process, nats])
            for kind in ("core", "jetstream"):
                with raw(core, url, kind) as one, raw(core, url, kind) as two:
                    ports = [one.ports["chat"], two.ports["chat"]]
                    found[f"nats-py alone, {kind}"] = self._both(ports, [one.process, two.process, nats])
        return found

    def growth(self) -> Results:
        """µs of each process for a line, one at a time, as the room grows, and as the nodes do."""
        core = self._on.server
        found: Results = {"members": {}, "nodes": {}}
        with node(core) as one:
            for size in SIZES:
                run = self._runs(SINGLE.format(n=size), [one.ports["chat"]], [one.process])
                found["members"][size] = {"one": run["us"][0]}
        with engine(core) as (nats, url), ExitStack() as stack:
            nodes = [stack.enter_context(node(core, url))]
            for count in (2, 3, 4):
                nodes.append(stack.enter_context(node(core, url)))
                servers = [*(each.process for each in nodes), nats]
                ports = [nodes[0].ports["chat"], nodes[1].ports["chat"]]
                found["nodes"][count] = self._runs(SINGLE.format(n=10), ports, servers)["us"]
                for size in SIZES if count == 2 else ():
                    run = self._runs(SINGLE.format(n=size), ports, servers)
                    found["members"][size] |= {"from": run["us"][0], "to": run["us"][1], "engine": run["us"][2]}
        return found

    def memory(self) -> Results:
        """Bytes of a node for a member of its own, and for one of another node."""
        core = self._on.server
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with engine(core) as (_, url), node(core, url) as one, node(core, url) as two, ExitStack() as stack:
            self._idle(stack, one, 100)
            before = one.memory, two.memory
            self._idle(stack, one, IDLE)
            deadline = time.monotonic() + 20
            while not self._sees(two, IDLE) and time.monotonic() < deadline:
                time.sleep(0.2)
            one.process.settle()
            two.process.settle()
            return {
                "base": before[1],
                "member": (one.memory - before[0]) / IDLE,
                "known": (two.memory - before[1]) / IDLE,
            }

    def idle(self) -> Results:
        """Of a core: what three nodes and their engine use when nothing is said."""
        core = self._on.server
        with engine(core) as (nats, url), ExitStack() as stack:
            nodes = [stack.enter_context(node(core, url)) for _ in range(3)]
            used = place(World(30, 3, 10, 0.0), nodes, nats, 6 * self._seconds)
        return {"node": used.node, "engine": used.engine / 3}

    @staticmethod
    def _idle(stack: ExitStack, served: Served, count: int) -> None:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", served.ports["chat"])))
            client.sendall(b"/join hall\n")
            client.recv(1000)

    @staticmethod
    def _sees(served: Served, count: int) -> bool:
        with socket.create_connection(("127.0.0.1", served.ports["chat"])) as client:
            client.sendall(b"/rooms\n")
            answer = client.recv(4000).decode()
        return any(int(each) >= count for each in re.findall(r"hall \((\d+)\)", answer))

    def placed(self, costs: Costs) -> list[Results]:
        """Worlds of which the simulation tells what they take, and what they took."""
        core, found = self._on.server, []
        for seed, world in enumerate(WORLDS, 1):
            with engine(core) as (nats, url), ExitStack() as stack:
                nodes = [stack.enter_context(node(core, url)) for _ in range(world.nodes)]
                used = place(world, nodes, nats, 4 * self._seconds, seed)
            said = simulate(World(**{**vars(world), "engines": 1}), costs)
            found.append({"world": vars(world), "used": used._asdict(), "simulated": said._asdict()})
            self._tell(f"{world}: {used}, simulated {said.node:.3f} {said.engine:.3f}")
        return found

    def workers(self) -> Results:
        """What an echo and a chat do, with one worker and with two."""
        core, found = self._on.server, {}
        with engine(core) as (nats, url):
            for count in (1, 2):
                with node(core, url, count) as one:
                    pids = _family(one.process.pid)
                    everybody = ",".join(map(str, pids))
                    echo = [
                        load(ECHO, one.ports["echo"], everybody, self._seconds, 0.3, self._on.load)
                        for _ in range(self._rounds)
                    ]
                    chat = [
                        load(
                            MANY.format(n=100),
                            one.ports["chat"],
                            f"{everybody},{nats.pid}",
                            self._seconds,
                            0.3,
                            self._on.load,
                        )
                        for _ in range(self._rounds)
                    ]
                found[str(count)] = {
                    name: {key: median(run[key] for run in runs) for key in ("rate", "per_server_cpu", "p50_us")}
                    for name, runs in (("echo", echo), ("chat", chat))
                }
                self._tell(f"{count} workers: {found[str(count)]}")
        return found


def _family(pid: int) -> list[int]:
    """Give a process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def costsOf(results: Results) -> Costs:
    """Give what a line, a member and a node cost, of what was measured one line at a time."""
    members = results["growth"]["members"]
    own = [(int(size), each["one"]) for size, each in members.items()]
    here = growth([size for size, _ in own], [cost for _, cost in own])
    nodes = {int(count): each for count, each in results["growth"]["nodes"].items()}
    # The third and the fourth node have nobody in the room.
    read = median(each for used in nodes.values() for each in used[2:-1])
    return Costs(
        take=here.fixed,
        publish=max(0.0, median(used[0] for used in nodes.values()) - here.fixed),
        read=read,
        deliver=here.each,
        hand=median(used[-1] / (1 + count) for count, used in nodes.items()),
        member=results["memory"]["member"],
        known=results["memory"]["known"],
        base=results["memory"]["base"],
        idle=results["idle"]["node"],
        idleEngine=results["idle"]["engine"],
    )


def measured(on: Cores, rounds: int, seconds: float, tell: Tell) -> Results:
    """Measure all of it.

    @raise Failed: something is missing, or went wrong.
    """
    nodes = Nodes(on, rounds, seconds, tell)
    results: Results = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": record.machine(),
        "versions": record.versions(),
        "rounds": rounds,
        "seconds": seconds,
        "ways": nodes.ways(),
        "growth": nodes.growth(),
        "memory": nodes.memory(),
        "idle": nodes.idle(),
        "workers": nodes.workers(),
    }
    results["placed"] = nodes.placed(costsOf(results))
    return json.loads(json.dumps(results))  # type: ignore[no-any-return]
