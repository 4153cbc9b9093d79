"""The tables of docs/benchmarks.md, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from benchmarks.figures import Growth, growth, spread
from benchmarks.measure import Result, problems, values
from benchmarks.record import Record, ratios
from benchmarks.servers import TITLES
from benchmarks.workloads import GROWTH, MEMORY, THROUGHPUT, Workload

BEGIN: Final = "<!-- begin results: written by make bench -->"
END: Final = "<!-- end results -->"
BUSY: Final = 1.0
"""Load average before the first run, above which others have taken part of the cores."""
SATURATED: Final = 0.95
"""A server that used less of its core than this was not what limited the rate."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(each)} |\n" for each in lines)


def amount(value: float) -> str:
    """Give a number with three digits or so.

    >>> amount(3654321), amount(236512), amount(1.28)
    ('3.65M', '237k', '1.3')
    """
    for least, divisor, letter in ((999_500, 1e6, "M"), (9995, 1e3, "k")):
        if value >= least:
            scaled = value / divisor
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f}{letter}"
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def micro(value: float) -> str:
    """Give microseconds with three digits.

    >>> micro(21314), micro(4.286)
    ('21,314', '4.29')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(result: Result | None, fresh: bool = False) -> str:
    """Give what one server did: the median, its spread, and how busy it was if it was not busy all the time."""
    if result is None:
        return ""
    if "missing" in result:
        return "missing"
    found = [*values(result).values()]
    if not found:
        return "failed"
    if fresh:
        return f"{median(found):.1f}"
    text = f"{amount(median(found))} ±{spread(found):.0%}"
    busy = median(values(result, "server_cpu").values() or [1.0])
    return text if busy >= SATURATED else f"{text}, CPU {busy:.0%}"


def rates(record: Record, workloads: Sequence[Workload]) -> str:
    """Give the table of what each server did."""
    measured = [each for each in workloads if each.name in record["workloads"]]
    if not measured:
        return ""
    names = {name: None for each in measured for name in record["workloads"][each.name]}
    rows = []
    for each in measured:
        results = record["workloads"][each.name]
        title = each.title if each.fresh else f"{each.title}, {each.unit}"
        rows.append([title, *(cell(results.get(name), each.fresh) for name in names)])
    return table(["workload", *(TITLES.get(name, name) for name in names)], rows)


def verdict(met: bool) -> str:
    """Say whether a goal is met."""
    return "met" if met else "**missed**"


def goals(record: Record) -> str:
    """Give the table of goals, met or missed."""
    rows = []
    for workload in (*THROUGHPUT, *MEMORY):
        wall, cpu = ratios(record, workload), ratios(record, workload, key="cpu")
        for goal in workload.goals:
            found = wall.get(goal.peer)
            if found is not None:
                wanted = f"≥ {goal.factor:.2f} × {TITLES[goal.peer]}"
                beside = str(cpu.get(goal.peer, ""))
                rows.append([workload.title, wanted, str(found), beside, verdict(found.middle >= goal.factor)])
        own = values(record["workloads"].get(workload.name, {}).get("socklab"))
        if workload.most is not None and own:
            value = median(own.values())
            rows.append(
                [workload.title, f"≤ {workload.most}", f"{value:.2f}", "", verdict(value <= workload.most)]
            )
    return table(["workload", "goal", "measured", "per second of the server's CPU", ""], rows) if rows else ""


def versus(record: Record) -> str:
    """Give the table of this checkout's ratio to other checkouts; empty if there are none."""
    rows = []
    for workload in (*THROUGHPUT, *MEMORY):
        wall, cpu = ratios(record, workload), ratios(record, workload, key="cpu")
        for name in [each for each in wall if each not in TITLES]:
            rows.append([workload.name, name, str(wall[name]), str(cpu.get(name, ""))])
    return table(["workload", "socklab here, divided by", "ratio", "per second of CPU"], rows) if rows else ""


def costs(workload: Workload, result: Result) -> dict[int, float]:
    """Give what one message cost at each point, in microseconds of the server's CPU."""
    found = {}
    for x in workload.points:
        rates = [*values(result, "cpu", x).values()]
        if rates:
            found[x] = 1e6 / median(rates) * (x if workload.each == "member" else 1)
    return found


def fitted(workload: Workload, result: Result) -> Growth | None:
    """Give how the cost of a message grows; None if there are not enough points.

    With one connection alone a server sleeps before each message, which costs more: that point is left out.
    """
    found = {x: cost for x, cost in costs(workload, result).items() if x > 1}
    return growth([x / workload.size for x in found], [*found.values()]) if len(found) > 1 else None


def grown(record: Record, workload: Workload) -> str:
    """Give the table of how one message's cost grows; empty if that was not measured."""
    rows = []
    for name, result in record["workloads"].get(workload.name, {}).items():
        found, fit = costs(workload, result), fitted(workload, result)
        cells = [micro(found[x]) if x in found else "" for x in workload.points]
        line = f"{micro(fit.fixed)} + {micro(fit.each)} for each {workload.each}" if fit and workload.each else ""
        rows.append([TITLES.get(name, name), *cells, f"{fit.slope:z.2f}" if fit else "", line])
    head = [workload.axis, *(f"{x:,}" for x in workload.points), "slope", "line"]
    return table(head, rows) if rows else ""


def remarks(record: Record) -> list[str]:
    """Say whether the machine was busy, who was missing, and what went wrong."""
    lines: dict[str, None] = {}
    average = record["machine"].get("load average before", "0")
    if float(average) > BUSY:
        lines[f"- The machine was busy (load average {average}): only the ratios for CPU seconds hold."] = None
    for name, results in record["workloads"].items():
        for server, result in results.items():
            title = TITLES.get(server, server)
            if "missing" in result:
                lines[f"- {title} was missing: {result['missing']}"] = None
            for problem in problems(result):
                lines[f"- {name}, {title}: {problem}"] = None
    return list(lines)


def notes(record: Record) -> str:
    """Say when, where and with what it was measured."""
    said = {
        result["note"]
        for results in record["workloads"].values()
        for name, result in results.items()
        if name == "socklab" and result.get("note")
    }
    facts = {
        "date": record["date"],
        "command": f"`{record['command']}`",
        "rounds": f"{record['rounds']} of {record['seconds']:g} s",
        **record["machine"],
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        **({"reactor": "; ".join(sorted(said))} if said else {}),
    }
    return table(["", ""], [[name, value] for name, value in facts.items()])


def page(record: Record, pictures: Iterable[str] = ()) -> str:
    """Give all of it.

    @param pictures: files beside the page, of `plots.draw`; each stands where its name's first word belongs.
    """
    images = [*pictures]
    parts = [notes(record)]

    def show(prefix: str) -> None:
        parts.extend(f"![{each}](benchmarks/{each})\n" for each in images if each.startswith(prefix))

    for title, text in (
        ("Goals", goals(record)),
        ("Two checkouts", versus(record)),
        ("TCP and UDP", rates(record, [each for each in THROUGHPUT if not each.kind.startswith("ws")])),
        ("WebSocket", rates(record, [each for each in THROUGHPUT if each.kind.startswith("ws")])),
        ("Memory", rates(record, MEMORY)),
    ):
        if text:
            parts += [f"### {title}\n", text]
        if title == "Goals":
            show("throughput")
    for workload in GROWTH:
        if text := grown(record, workload):
            parts += [f"### {workload.title[0].upper()}{workload.title[1:]}\n", text]
            show(workload.name)
    if found := remarks(record):
        parts += ["### Remarks\n", "\n".join(found) + "\n"]
    return "\n".join(parts)


def between(text: str, results: str) -> str:
    """Give a page with what stands between its markers replaced.

    @raise ValueError: it has no markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {END if begin else BEGIN!r} in the page")
    return f"{before}{BEGIN}\n\n{results}\n{END}{after}"
