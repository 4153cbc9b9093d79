"""One workload: all its servers started, and driven in turn, round after round."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from benchmarks.servers import Contender, Process
from benchmarks.tools import Failed, load
from benchmarks.workloads import Workload

Run = dict[str, Any]
"""One run of the generator: `x`, `round`, and either `error`, or `value`, `cpu` (what `value` counts, for each
second of the server's CPU), `server_cpu`, `load_cpu`, `p50_us`, `p99_us`, and those of PROBLEMS that are not 0."""

Result = dict[str, Any]
"""Of one server: `runs`, or `missing`, why it could not be started; `note`, what it says of itself."""

PROBLEMS: Final = ("bad", "errors", "lost", "extra", "stalled")
SPARE: Final = 200
"""Files that a server needs beside its connections."""


class Effort(NamedTuple):
    """How often, and for how long."""

    rounds: int = 5
    seconds: float = 0.9
    warm: float = 0.3


class Cores(NamedTuple):
    """Which core serves, and which asks."""

    server: int
    load: int


def cores() -> Cores:
    """Give two cores.

    @raise Failed: there is only one.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Failed("two cores are needed: one for the server, one for the load")
    return Cores(*usable[:2])


def order(number: int, count: int) -> list[int]:
    """Give the order of a round: each second one runs backwards, so that nobody always comes first.

    >>> order(0, 3), order(1, 3)
    ([0, 1, 2], [2, 1, 0])
    """
    forward = list(range(count))
    return forward[::-1] if number % 2 else forward


def effortFor(workload: Workload, effort: Effort) -> Effort:
    """Give how often a workload is driven: memory once, and the many points of growth a little less."""
    if workload.fresh:
        return effort._replace(rounds=1)
    if workload.points:
        return Effort(min(effort.rounds, 3), min(effort.seconds, 0.6), min(effort.warm, 0.2))
    return effort


def timeFor(workload: Workload, effort: Effort, x: int | None) -> tuple[float, float]:
    """Give how long a point is measured, and driven before, in seconds: many connections need their time, for on a
    busy machine 10,000 messages are on their way for half a second.

    @param x: the point.
    """
    many = x if x is not None and workload.axis == "connections" else 0
    return max(effort.seconds, many / 5000), max(effort.warm, many / 10_000)


def points(workload: Workload) -> list[int | None]:
    """Give the points of growth that the system has files for; [None] for a workload that does not grow."""
    if not workload.points:
        return [None]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    bounded = workload.axis in ("connections", "members") and files != resource.RLIM_INFINITY
    return [each for each in workload.points if not bounded or each + SPARE <= files]


def entry(workload: Workload, x: int | None, number: int, output: dict[str, Any]) -> Run:
    """Give what is kept of the generator's output."""
    run: Run = {"x": x, "round": number}
    if workload.measure == "kib_each":
        run |= {"value": output["kib_each"], "opened": output["rate"]}
    else:
        bulk = workload.measure == "MBps"
        cpu = output["per_server_cpu"] / (1e6 if bulk else 1)
        run |= {"value": output["MBps" if bulk else "rate"], "cpu": cpu}
        run |= {key: output[key] for key in ("server_cpu", "load_cpu", "p50_us", "p99_us")}
    return run | {each: output[each] for each in PROBLEMS if output.get(each)}


def takesPart(workload: Workload, contender: Contender) -> bool:
    """Tell whether a workload is for this server."""
    return contender.tree is not None or contender.name in workload.peers


def measure(
    workload: Workload, servers: Sequence[Contender], effort: Effort, on: Cores, tell: Callable[[str], None]
) -> dict[str, Result]:
    """Give the result of each server that takes part.

    @param tell: gets a word on how far it is.
    """
    results: dict[str, Result] = {}
    running: list[tuple[Contender, Process, int]] = []
    effort = effortFor(workload, effort)
    with ExitStack() as stack:
        for contender in servers:
            if not takesPart(workload, contender):
                continue
            try:
                process, port = contender.start(workload, on.server)
            except Failed as error:
                results[contender.name] = {"missing": str(error)}
                tell(f"{contender.name}: {error}")
                continue
            stack.enter_context(process)
            results[contender.name] = {"runs": []}
            if contender.tree is not None:
                results[contender.name]["note"] = reactorOf(process.log)
            running.append((contender, process, port))
        for x in points(workload):
            for number in range(effort.rounds):
                for index in order(number, len(running)):
                    contender, process, port = running[index]
                    try:
                        arguments = workload.load.format(x=x)
                        output = load(arguments, port, process.pid, *timeFor(workload, effort, x), on.load)
                    except Failed as error:
                        run: Run = {"x": x, "round": number, "error": str(error)}
                        tell(f"{contender.name}: {error}")
                    else:
                        run = entry(workload, x, number, output)
                    results[contender.name]["runs"].append(run)
                    # Or the next server would share its core with one that still says goodbye to 10,000 clients.
                    process.settle()
    return results


def reactorOf(log: str) -> str:
    """Give the line of socklab's log that names the reactor; empty if there is none."""
    return next((line.partition("] ")[2] for line in log.splitlines() if "reactor" in line.lower()), "")


def values(result: Result | None, key: str = "value", x: int | None = None) -> dict[int, float]:
    """Give what was measured in each round that succeeded."""
    runs = (result or {}).get("runs", [])
    return {run["round"]: run[key] for run in runs if run["x"] == x and run.get(key)}


def problems(result: Result) -> list[str]:
    """Give a word on each thing that went wrong in a server's runs, once."""
    found: dict[str, float] = {}
    for run in result.get("runs", []):
        if "error" in run:
            found[run["error"]] = found.get(run["error"], 0) + 1
        for each in PROBLEMS:
            if each in run:
                found[each] = found.get(each, 0) + run[each]
    return [f"{what}: {number:g}" for what, number in found.items()]
