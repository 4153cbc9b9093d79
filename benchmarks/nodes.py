"""Several processes that are one: rooms over nodes, and workers; what a line costs each of them.

The servers share one core, the generator has the other: a rate is what one core does for all of them together.
What holds for more cores is what each process has used for a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import confirmed, record
from benchmarks.clustered import drive, engine, node, raw
from benchmarks.fitted import fitted
from benchmarks.measure import Cores
from benchmarks.million import lines, million
from benchmarks.rooms import rooms
from benchmarks.tools import Failed, load

MANY: Final = "chat -n {n} -k 4 -P 16"
"""As much as they can: 4 senders, 16 lines in flight."""
SINGLE: Final = "chat -n {n} -k 1 -P 1"
"""One line at a time: how long it takes until the last one has it, and what it costs by itself."""
ECHO: Final = "tcp -n 64 -P 16"
SIZES: Final = (1, 10, 100, 1000)
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
        "rooms": rooms(on.server),
        "workers": nodes.workers(),
    }
    fitting, others = confirmed.measured(on.server, seconds, tell)
    fit = fitted(fitting)
    costs = fit.costs
    tell(f"{fit}")
    results["fit"] = {
        "node": costs.node._asdict(),
        "engine": costs.engine._asdict(),
        "nap": costs.nap,
        "off": fit.off,
    }
    found = [{**facts, **confirmed.compared(talks, costs)} for facts, talks in others]
    results["placed"] = [each for each in found if "world" in each]
    results["spans"] = [each for each in found if "k" in each]
    results["lines"] = lines(costs)
    results["million"] = million(costs, results["rooms"])
    return json.loads(json.dumps(results))  # type: ignore[no-any-return]
