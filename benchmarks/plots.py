"""The pictures of docs/benchmarks.md, as SVG. matplotlib is loaded only here."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.measure import values
from benchmarks.record import Record
from benchmarks.report import costs
from benchmarks.servers import TITLES
from benchmarks.workloads import GROWTH, THROUGHPUT

COLOURS: Final = {"socklab": "#c0392b", "c": "#7f8c8d"}
OTHERS: Final = ("#2980b9", "#8e44ad", "#16a085", "#d68910", "#34495e", "#a04000", "#5d6d7e")


def draw(record: Record, folder: Path) -> list[str]:
    """Draw what was measured, and give the names of the files."""
    import matplotlib

    matplotlib.use("svg")
    # The reader's own font, and the same file for the same numbers.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "socklab", "font.size": 9})
    folder.mkdir(exist_ok=True)
    drawn = [
        name
        for name in (_throughput(record, folder, False), _throughput(record, folder, True))
        if name is not None
    ]
    return drawn + [each.name + ".svg" for each in GROWTH if _growth(record, folder, each)]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _throughput(record: Record, folder: Path, websocket: bool) -> str | None:
    """Each workload a group of bars, as a part of what the C server did."""
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
        colour = COLOURS.get(name, OTHERS[index % len(OTHERS)])
        axes.barh(places, parts, height, label=TITLES.get(name, name), color=colour)
    axes.axvline(1, color=COLOURS["c"], linewidth=1)
    axes.set_yticks([row + 0.4 for row in range(len(workloads))], [each.title for each in workloads])
    axes.invert_yaxis()
    axes.set_xlabel("times what the C server does on the same core")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    file = "throughput-websocket.svg" if websocket else "throughput.svg"
    _save(figure, folder / file)
    return file


def _growth(record: Record, folder: Path, workload: Any) -> bool:
    """What one message costs, on logarithmic axes: a straight line's slope is the exponent."""
    from matplotlib.figure import Figure

    results = record["workloads"].get(workload.name, {})
    curves = {name: costs(workload, result) for name, result in results.items()}
    if not any(curves.values()):
        return False
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for index, (name, curve) in enumerate(curves.items()):
        colour = COLOURS.get(name, OTHERS[index % len(OTHERS)])
        axes.plot([*curve], [*curve.values()], "o-", markersize=3, label=TITLES.get(name, name), color=colour)
    axes.set(xscale="log", yscale="log", xlabel=workload.axis, ylabel="µs of CPU for a message")
    axes.set_title(workload.title, fontsize=9)
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(frameon=False)
    _save(figure, folder / f"{workload.name}.svg")
    return True
