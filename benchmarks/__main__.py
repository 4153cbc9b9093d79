"""The command behind `make bench`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import nodes, paper, plots, record, report
from benchmarks.measure import Effort, cores, measure, takesPart
from benchmarks.servers import CHECKOUT, Contender, contenders
from benchmarks.tools import Failed, generator, pin
from benchmarks.workloads import Workload, chosen

PAGE: Final = CHECKOUT / "docs" / "benchmarks.md"
DEFAULT: Final = Effort()
SOME: Final = 3
"""Rounds of `--nodes`."""


def options() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        usage='make bench ARGS="..."',
        description="Measure socklab beside its peers. All of it, with the default rounds or more, is recorded: "
        "benchmarks/results/DATE.json, docs/benchmarks.md and its pictures. A part is only printed. Either is "
        "compared with the last one recorded.",
    )
    parser.add_argument("--list", action="store_true", help="list the workloads and the peers, and end")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="workloads whose names begin so")
    parser.add_argument("--peers", nargs="*", metavar="NAME", help="these, instead of all")
    parser.add_argument("--rounds", type=int, default=DEFAULT.rounds, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT.seconds, help="measured in each run; default: %(default)s"
    )
    parser.add_argument(
        "--server", type=Path, action="append", default=[], metavar="TREE", help="another checkout of socklab, too"
    )
    parser.add_argument(
        "--minutes", type=float, help="begin no workload after so many; what is done is kept for --resume"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what --minutes or Ctrl-C has cut")
    parser.add_argument(
        "--nodes",
        action="store_true",
        help="measure several processes that are one, instead: rooms over nodes, workers (five minutes; needs "
        "nats-server), in 3 rounds; with so many or more it is recorded: benchmarks/results/nodes, docs/scale.md",
    )
    parser.add_argument(
        "--redraw", action="store_true", help="write the page and pictures of the last record again"
    )
    return parser


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def isWhole(given: argparse.Namespace) -> bool:
    """Tell whether all is measured, and often enough to be recorded."""
    often = given.rounds >= DEFAULT.rounds and given.seconds >= DEFAULT.seconds
    return often and not given.only and given.peers is None and not given.server


def show(results: record.Record) -> None:
    """Print what was measured, and what has moved since the last record."""
    print(report.page(results))
    files = record.recorded()
    if files:
        changes = record.changes(record.load(files[-1]), results)
        print(f"Moved beyond the spread since {files[-1].name}:")
        print("\n".join(f"  {each}" for each in changes) or "  nothing")


def publish(results: record.Record) -> None:
    """Write the page and its pictures."""
    pictures = plots.draw(results, PAGE.parent / "benchmarks")
    PAGE.write_text(report.between(PAGE.read_text(), report.page(results, pictures)))


def run(
    plan: list[Workload], servers: list[Contender], effort: Effort, results: record.Record, deadline: float
) -> bool:
    """Measure what the record does not have yet, and keep each workload when it is done.

    @param deadline: of `time.monotonic`; after it nothing new is begun.
    @return: whether all is done.
    """
    on = cores()
    generator()
    pin(on.load)
    record.save(results, record.UNFINISHED)
    left = [each for each in plan if each.name not in results["workloads"]]
    for number, workload in enumerate(left, 1):
        if time.monotonic() > deadline:
            return False
        begun = time.monotonic()
        results["workloads"][workload.name] = measure(
            workload, servers, effort, on, lambda text: tell(f"    {text}")
        )
        record.save(results, record.UNFINISHED)
        tell(f"{number}/{len(left)} {workload.name}: {time.monotonic() - begun:.0f} s")
    return True


def together(rounds: int, seconds: float) -> None:
    """Measure several processes that are one.

    @raise Failed: it cannot be.
    """
    on = cores()
    generator()
    pin(on.load)
    results = nodes.measured(on, rounds, seconds, tell)
    print(paper.page(results))
    if rounds >= SOME and seconds >= DEFAULT.seconds:
        path = record.RESULTS / "nodes" / f"{results['date'][:10]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
        scale = PAGE.parent / "scale.md"
        scale.write_text(report.between(scale.read_text(), paper.page(results) + "\n"))
        tell(f"recorded in {path.relative_to(CHECKOUT)} and {scale.relative_to(CHECKOUT)}")


def main() -> None:
    """Do what the command line says."""
    parser = options()
    arguments = sys.argv[1:]
    given = parser.parse_args(arguments)
    minutes = given.minutes
    results = None
    if given.resume and not given.list:
        if not record.UNFINISHED.exists():
            parser.error("there is nothing to resume")
        results = record.load(record.UNFINISHED)
        given = parser.parse_args(results["arguments"])
    try:
        plan, servers = chosen(given.only), contenders(given.peers, given.server)
    except ValueError as error:
        parser.error(str(error))
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds and --seconds must be above 0")
    if given.nodes:
        try:
            together(SOME if given.rounds == DEFAULT.rounds else given.rounds, given.seconds)
        except Failed as error:
            sys.exit(f"make bench: {error}")
        return
    if given.list:
        for each in plan:
            who = [server.title for server in servers if takesPart(each, server)]
            print(f"{each.name:20} {each.title}: {', '.join(who)}")
        return
    if given.redraw:
        if not record.recorded():
            parser.error("nothing has been recorded yet")
        publish(record.load(record.recorded()[-1]))
        return
    if results is None:
        results = record.fresh(given.rounds, given.seconds, arguments)
    deadline = time.monotonic() + (minutes * 60 if minutes else float("inf"))
    try:
        done = run(plan, servers, Effort(given.rounds, given.seconds), results, deadline)
    except Failed as error:
        sys.exit(f"make bench: {error}")
    except KeyboardInterrupt:
        done = False
    if not done:
        sys.exit('make bench: not finished; `make bench ARGS="--resume"` goes on')
    show(results)
    if isWhole(given):
        path = record.fileOf(results)
        record.save(results, path)
        publish(results)
        tell(f"recorded in {path.relative_to(CHECKOUT)} and {PAGE.relative_to(CHECKOUT)}")
    record.UNFINISHED.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
