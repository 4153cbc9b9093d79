"""What was measured of several processes, and what follows from it for a million members, as Markdown."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.million import OFTEN, SELDOM, SPANS, costsOf


def page(results: dict[str, Any]) -> str:
    """Give the results."""
    return "\n\n".join(
        part(results)
        for part in (_facts, _ways, _workers, _growth, _costs, _rooms, _placed, _spans, _lines, _million)
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


def _costs(results: dict[str, Any]) -> str:
    node, engine, nap = costsOf(results["fit"])
    after = f"the first of a turn after a long sleep, more ({1e3 * nap:g} ms: 63 % of that)"
    rows = [
        ("a node: a turn in which something has come", node.turn, node.sleep),
        ("it takes a line from its member", node.take, None),
        ("it has an entry in the engine's log", node.publish, node.publishAfterSleep),
        ("it reads an entry, whoever is there", node.read, None),
        ("it writes to a member", node.deliver, node.deliverAfterSleep),
        ("the engine: a turn", engine.turn, engine.sleep),
        ("it stores an entry", engine.store, None),
        ("it hands an entry to a node", engine.hand, None),
    ]
    idle = table(
        ("when nothing is said", "of a core"),
        ("a node", f"{node.second / 1e4:.2f} %"),
        ("the engine, for each node", f"{engine.second / 1e4:.2f} %"),
    )
    slopes = table(
        ("what", "µs", after),
        *((what, _few(each), "" if more is None else _few(more)) for what, each, more in rows),
    )
    return (
        "### Slopes of a line\n\n"
        f"{slopes}\n\n{idle}\n\n"
        f"With these the runs that they come from are simulated within {100 * results['fit']['off']:.0f} % "
        "(root of the mean square)."
    )


def _few(value: float) -> str:
    return f"{value:.1f}" if value < 20 else f"{value:.0f}"


def _rooms(results: dict[str, Any]) -> str:
    rooms = results["rooms"]
    happens = (
        ("comes: connects, and enters a room", "come"),
        ("goes into another room", "move"),
        ("the same, 4000 at once, each into one of its own", "move at once"),
        ("goes", "go"),
        ("says the first line of a room, 4000 at once", "first line"),
    )
    kept = (
        ("a member", "member"),
        ("a room with one member", "room"),
        ("a room in which was said something", "subject"),
    )
    parts = [
        "### Slopes of a room, and of who comes and goes",
        table(
            ("µs when a member", "its node", "each other node", "engine, two nodes"),
            *((what, *(f"{each:.0f}" for each in rooms[key])) for what, key in happens),
        ),
        table(
            ("KiB of memory", "its node", "each other node", "engine"),
            *((what, *(f"{each / 1024:.1f}" for each in rooms[key])) for what, key in kept),
        ),
        table(
            ("", "it takes"),
            ("`/rooms`, for each room", f"{rooms['rooms']:.2f} µs"),
            ("`/who`, for each member of the room", f"{rooms['who']:.2f} µs"),
            ("a node that comes: it learns of a member", f"{rooms['learned']:.0f} µs"),
            ("and each other node tells it of one of its own", f"{rooms['told']:.0f} µs"),
            ("a node without members", f"{rooms['base'] / 2**20:.0f} MiB"),
        ),
    ]
    return "\n\n".join(parts)


def _placed(results: dict[str, Any]) -> str:
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


def _spans(results: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [("nodes with members, of 4", "measured", "simulated", "")]
    for each in results["spans"]:
        measured, simulated = each["measured"]["line"], each["simulated"]["line"]
        rows.append((each["k"], f"{measured:.0f} µs", f"{simulated:.0f} µs", _off(simulated, measured)))
    return (
        "### A line in a room that spans k nodes\n\nOf four nodes, in rooms of 12, 100 lines/s: all processes "
        f"together, for a line:\n\n{table(*rows)}"
    )


def _lines(results: dict[str, Any]) -> str:
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
        "Simulated, in rooms with one member at each of k nodes, each process on a core of its own: all processes "
        f"together for a line, and the engine's part of it, in a cluster of so many nodes:\n\n{table(*rows)}"
    )


def _million(results: dict[str, Any]) -> str:
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
