"""Where socklab's time goes in one workload: `make profile ARGS="ws-1"`.

py-spy samples the server while the load generator drives it, and the functions are listed by the time spent in
them, not in what they call. With --svg it draws a flame graph instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.measure import cores
from benchmarks.servers import CHECKOUT, Contender
from benchmarks.tools import Failed, generator, load, pin
from benchmarks.workloads import chosen

RATE: Final = 500
"""Samples in a second."""


def own(folded: str) -> list[tuple[str, float]]:
    """Give each function's part of the samples, the largest first.

    @param folded: py-spy's `raw` format: a line for each stack, with its frames joined by `;`, and a count.

    >>> own("a;b 3\\na;c 1")
    [('b', 0.75), ('c', 0.25)]
    """
    counts: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, number = line.rpartition(" ")
        counts[stack.rpartition(";")[2]] += int(number)
    return [(function, number / counts.total()) for function, number in counts.most_common()]


def record(name: str, tree: Path, seconds: float, picture: Path | None) -> str:
    """Drive one workload, and give py-spy's samples; empty if they are in a picture.

    @raise ValueError: there is no such workload.
    @raise Failed: the server or the load fails, or py-spy may not look.
    """
    workload, on = chosen([name])[0], cores()
    generator()
    pin(on.load)
    x = workload.points[len(workload.points) // 2] if workload.points else None
    process, port = Contender("socklab", tree).start(workload, on.server)
    with process, TemporaryDirectory() as folder:
        file = picture or Path(folder) / "samples"
        style = "flamegraph" if picture else "raw"
        command = ["-r", str(RATE), "-d", str(max(1, round(seconds))), "-f", style, "-o", str(file)]
        try:
            spy = subprocess.Popen(
                ["py-spy", "record", "--pid", str(process.pid), "--nonblocking", "--function", *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except FileNotFoundError:
            raise Failed("py-spy is not installed: make profile installs it") from None
        try:
            load(workload.load.format(x=x), port, process.pid, seconds + 0.7, 0.3, on.load)
            said, _ = spy.communicate(timeout=60)
        finally:
            spy.kill()
        if spy.returncode:
            raise Failed(f"py-spy: {said.strip()}")
        return "" if picture else file.read_text()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make profile", usage='make profile ARGS="..."', description=__doc__)
    parser.add_argument("workload", nargs="?", default="tcp-1", help="default: %(default)s")
    parser.add_argument(
        "--server", type=Path, default=CHECKOUT, metavar="TREE", help="another checkout of socklab"
    )
    parser.add_argument("--seconds", type=float, default=5, help="default: %(default)s")
    parser.add_argument("--lines", type=int, default=25, help="how many functions; default: %(default)s")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a flame graph")
    given = parser.parse_args()
    try:
        samples = record(given.workload, given.server.resolve(), given.seconds, given.svg and given.svg.resolve())
    except ValueError as error:
        parser.error(str(error))
    except Failed as error:
        sys.exit(f"make profile: {error}")
    for function, part in own(samples)[: given.lines]:
        print(f"{part:7.1%}  {function}")


if __name__ == "__main__":
    main()
