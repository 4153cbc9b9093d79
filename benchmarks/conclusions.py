"""What is simulated, beside what was measured, and what follows from it, as Markdown."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.million import OFTEN, SELDOM, SPANS


def table(*rows: tuple[object, ...]) -> str:
    """Give a table; the first row is its head."""
    head, *body = [[str(each) for each in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def placed(results: dict[str, Any]) -> str:
    """Give what was simulated, beside what was measured."""
    rows: list[tuple[object, ...]] = [
        (
            "members",
            "nodes",
            "in a room",
            "lines/s",
            "of the core, all together",
            "busiest node: measured",
            "simulated",
            "",
            "engine: measured",
            "simulated",
            "",
        )
    ]
    for each in results["placed"]:
        world, measured, simulated = each["world"], each["measured"], each["simulated"]
        rows.append(
            (
                world["members"],
                world["nodes"],
                world["room"],
                f"{measured['rate']:.0f}",
                f"{100 * measured['line'] * measured['rate'] / 1e6:.0f} %",
                *(
                    text
                    for key in ("node", "engine")
                    for text in (
                        f"{100 * measured[key]:.1f} %",
                        f"{100 * simulated[key]:.1f} %",
                        _off(simulated[key], measured[key]),
                    )
                ),
            )
        )
    return "### The simulation, beside what was measured\n\n" + table(*rows)


def _off(simulated: float, measured: float) -> str:
    return f"{100 * (simulated / measured - 1):+.0f} %"


def spans(results: dict[str, Any]) -> str:
    """Give what a line costs in rooms on some of four nodes."""
    rows: list[tuple[object, ...]] = [("nodes with members, of 4", "measured", "simulated", "")]
    for each in results["spans"]:
        measured, simulated = each["measured"]["line"], each["simulated"]["line"]
        rows.append((each["k"], f"{measured:.0f} µs", f"{simulated:.0f} µs", _off(simulated, measured)))
    return (
        "### A line in a room that spans k nodes\n\nOf four nodes, in rooms of 12, 100 lines/s: all processes "
        f"together, for a line:\n\n{table(*rows)}"
    )


def lines(results: dict[str, Any]) -> str:
    """Give what it costs on more."""
    ways = ("seldom", "often", "seldom of many", "often of many")
    rows: list[tuple[object, ...]] = [
        (
            "k",
            *(
                f"{nodes}, {rate} lines/s"
                for nodes in ("k nodes", f"{SPANS[-1]} nodes")
                for rate in (SELDOM, OFTEN)
            ),
        )
    ]
    for each in results["lines"]:
        costs = (f"{each[way]['all']:,.0f} µs, {each[way]['engine']:,.0f}" for way in ways)
        rows.append((each["k"], *costs))
    return (
        "Simulated, in rooms with one member at each of k nodes, each process on a core of its own: all\n"
        "processes together for a line, and the engine's part of it, in a cluster of so many nodes:\n\n"
        f"{table(*rows)}"
    )


def million(results: dict[str, Any]) -> str:
    """Give what follows for a million members."""
    rows: list[tuple[object, ...]] = [
        (
            "members",
            "nodes",
            "clusters",
            "lines/s",
            "a room spans",
            "node",
            "of it, who comes and goes",
            "engine",
            "memory",
            "`/rooms`",
            "ends first",
        )
    ]
    for each in results["million"]:
        world = each["world"]
        rows.append(
            (
                f"{world['members']:,}",
                world["nodes"],
                world["clusters"],
                f"{world['members'] * world['rate']:,.0f}",
                f"{each['spans']:.1f}",
                *(f"{100 * each[key]:.0f} %" for key in ("node", "moves", "engine", "memory")),
                f"{1e3 * each['asked']:.1f} ms",
                each["first"],
            )
        )
    return "### To a million, on paper\n\n" + table(*rows)


PARTS: Final = (placed, spans, lines, million)
