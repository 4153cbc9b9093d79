"""The pictures of docs/benchmarks.md, as SVG. matplotlib is loaded only here."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.measure import values
from benchmarks.record import Record
from benchmarks.report import costs
from benchmarks.servers import TITLES
from benchmarks.workloads import GROWTH, THROUGHPUT, Workload

COLOURS: Final = {
    "socklab": "#c0392b",
    "c": "#7f8c8d",
    "uvloop": "#2980b9",
    "picows": "#2980b9",
    "asyncio": "#8e44ad",
    "aiohttp": "#8e44ad",
    "node": "#16a085",
    "node-ws": "#16a085",
    "twisted": "#34495e",
    "autobahn": "#34495e",
    "websockets": "#d68910",
    "ncat": "#d68910",
}
"""One colour for each, on all pictures; no two that share one are on the same picture."""


def draw(record: Record, folder: Path) -> list[str]:
    """Draw what was measured, and give the names of the files."""
    import matplotlib

    matplotlib.use("svg")
    # The reader's own font, and the same file for the same numbers.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "socklab", "font.size": 9})
    folder.mkdir(exist_ok=True)
    drawn = [_throughput(record, folder, websocket) for websocket in (False, True)]
    drawn += [_growth(record, folder, each) for each in GROWTH]
    return [each for each in drawn if each is not None]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _throughput(record: Record, folder: Path, websocket: bool) -> str | None:
    """Draw each workload as a group of bars, in parts of what the C server did; None if it did nothing."""
    from matplotlib.figure import Figure

    workloads = [
        each
        for each in THROUGHPUT
        if each.kind.startswith("ws") == websocket and values(record["workloads"].get(each.name, {}).get("c"))
    ]
    if not workloads:
        return None
    names = [*{name: None for each in workloads for name in record["workloads"][each.name] if name != "c"}]
    figure = Figure(figsize=(9, 0.5 + 0.16 * len(names) * len(workloads)))
    axes = figure.subplots()
    height = 0.85 / len(names)
    for index, name in enumerate(names):
        parts = []
        for each in workloads:
            results = record["workloads"][each.name]
            found, limit = values(results.get(name)), values(results["c"])
            parts.append(median(found.values()) / median(limit.values()) if found else 0)
        places = [row + index * height for row in range(len(workloads))]
        axes.barh(places, parts, height, label=TITLES.get(name, name), color=COLOURS.get(name))
    axes.axvline(1, color=COLOURS["c"], linewidth=1)
    axes.set_yticks([row + 0.4 for row in range(len(workloads))], [each.title for each in workloads])
    axes.invert_yaxis()
    axes.set_xlabel("times what the C server does on the same core")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    file = "throughput-websocket.svg" if websocket else "throughput.svg"
    _save(figure, folder / file)
    return file


def _growth(record: Record, folder: Path, workload: Workload) -> str | None:
    """Draw what one message costs, on logarithmic axes: there the exponent is the slope."""
    from matplotlib.figure import Figure

    results = record["workloads"].get(workload.name, {})
    curves = {name: costs(workload, result) for name, result in results.items()}
    if not any(curves.values()):
        return None
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for name, curve in curves.items():
        title = TITLES.get(name, name)
        axes.plot([*curve], [*curve.values()], "o-", markersize=3, label=title, color=COLOURS.get(name))
    axes.set(xscale="log", yscale="log", xlabel=workload.axis, ylabel="µs of CPU for a message")
    axes.set_title(workload.title, fontsize=9)
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(frameon=False)
    file = f"{workload.name}.svg"
    _save(figure, folder / file)
    return file
