"""What was measured of several processes, and what follows from it for a million members, as Markdown."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.nodes import costsOf
from benchmarks.simulation import Costs, World, simulate

LINE: Final = 1 / 60
"""Lines of a member per second: one a minute."""
ROOM: Final = 20
STEPS: Final = (1_000, 10_000, 100_000, 1_000_000)
OWN: Final = 20_000
"""Members of a node."""


def page(results: dict[str, Any]) -> str:
    """Give the results."""
    costs = costsOf(results)
    return "\n\n".join(
        [
            _facts(results),
            _ways(results),
            _workers(results),
            _growth(results),
            _costs(costs),
            _placed(results),
            _million(costs),
        ]
    )


def table(*rows: tuple[object, ...]) -> str:
    """Give a table; the first row is its head."""
    head, *body = [[str(each) for each in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def _facts(results: dict[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    said = ", ".join(f"{name} {each}" for name, each in versions.items() if name in USED)
    return table(
        ("", ""),
        ("date", results["date"]),
        ("command", '`make bench ARGS="--nodes"`'),
        ("rounds", f"{results['rounds']} of {results['seconds']:g} s"),
        *machine.items(),
        ("versions", said),
    )


USED: Final = ("Python", "socklab", "Twisted", "uvloop", "nats-py", "nats-server")


def _ways(results: dict[str, Any]) -> str:
    one = results["ways"]["one process"]
    rows: list[tuple[object, ...]] = [
        (
            "100 receivers",
            "lines/s",
            "for a CPU second of all processes",
            "of one process",
            "one at a time, p50",
            "p99",
            "added p50",
            "µs a line: from, to, engine",
        )
    ]
    for name, way in results["ways"].items():
        many, single = way["many"], way["single"]
        rows.append(
            (
                name,
                f"{many['rate'] / 1e3:.0f}k",
                f"{1e5 / sum(many['us']):.0f}k",
                f"{sum(one['many']['us']) / sum(many['us']):.2f}",
                f"{single['p50_us']:.0f} µs",
                f"{single['p99_us']:.0f} µs",
                f"{single['p50_us'] - one['single']['p50_us']:+.0f} µs",
                ", ".join(f"{each:.0f}" for each in many["us"]),
            )
        )
    busy = float(results["machine"]["load average before"])
    remark = (
        f"\n\nThe machine was busy (load average {busy:g}): only what counts CPU seconds holds."
        if busy > 1
        else ""
    )
    return f"### Rooms over two nodes\n\n{table(*rows)}{remark}"


def _workers(results: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [("workers", "echo, messages per CPU second", "chat, lines per CPU second")]
    for count, of in results["workers"].items():
        rows.append((count, *(f"{of[each]['per_server_cpu'] / 1e3:.0f}k" for each in ("echo", "chat"))))
    return "### Workers\n\n" + table(*rows)


def _growth(results: dict[str, Any]) -> str:
    members, nodes = results["growth"]["members"], results["growth"]["nodes"]
    rows: list[tuple[object, ...]] = [("receivers", "one process", "from", "to", "engine")]
    for size, each in members.items():
        rows.append((size, *(f"{each[key]:.0f}" for key in ("one", "from", "to", "engine"))))
    more: list[tuple[object, ...]] = [("nodes", "from", "to", "each other node", "engine")]
    for count, used in nodes.items():
        others = used[2:-1]
        rest = f"{sum(others) / len(others):.0f}" if others else ""
        more.append((count, f"{used[0]:.0f}", f"{used[1]:.0f}", rest, f"{used[-1]:.0f}"))
    parts = [
        "### µs for a line, one at a time",
        "As the room grows, from a member of one node to those of another:",
        table(*rows),
        "As nodes are added that have nobody in the room, which has 10 receivers at the second node:",
        table(*more),
    ]
    return "\n\n".join(parts)


def _costs(costs: Costs) -> str:
    return "### Slopes\n\n" + table(
        ("what", "it takes"),
        ("a node takes a line from its member", f"{costs.take:.0f} µs"),
        ("it has the line in the engine's log", f"{costs.publish:.0f} µs more"),
        ("each other node reads it, whoever is there", f"{costs.read:.0f} µs"),
        ("a node sends it to a member", f"{costs.deliver:.1f} µs"),
        ("the engine stores it, or hands it to a node", f"{costs.hand:.0f} µs each"),
        ("a member, at its own node", f"{costs.member / 1024:.1f} KiB"),
        ("a member, at each other node", f"{costs.known / 1024:.1f} KiB"),
        ("a node without members", f"{costs.base / 2**20:.0f} MiB, {100 * costs.idle:.1f} % of a core"),
    )


def _placed(results: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            "members",
            "nodes",
            "in a room",
            "lines/s",
            "busiest node: measured",
            "simulated",
            "engine: measured",
            "simulated",
        )
    ]
    for each in results["placed"]:
        world, used, said = each["world"], each["used"], each["simulated"]
        rows.append(
            (
                world["members"],
                world["nodes"],
                world["room"],
                f"{world['members'] * world['rate']:.0f}",
                *(
                    f"{100 * value:.1f} %"
                    for value in (used["node"], said["node"], used["engine"], said["engine"])
                ),
            )
        )
    return "### The simulation, beside what was measured\n\n" + table(*rows)


def _million(costs: Costs) -> str:
    rows: list[tuple[object, ...]] = [
        ("members", "nodes", "clusters", "lines/s", "a room spans", "node", "engine", "memory", "ends first")
    ]
    for members in STEPS:
        nodes = max(3, members // OWN)
        for clusters in (1,) if members < 100_000 else (1, members // 20_000):
            world = World(members, max(nodes, 3 * clusters), ROOM, LINE, clusters=clusters)
            loads = simulate(world, costs)
            rows.append(
                (
                    f"{members:,}",
                    world.nodes,
                    clusters,
                    f"{members * LINE:,.0f}",
                    f"{loads.spans:.1f}",
                    *(f"{100 * each:.0f} %" for each in (loads.node, loads.engine, loads.memory)),
                    loads.first,
                )
            )
    return "### To a million, on paper\n\n" + table(*rows)
