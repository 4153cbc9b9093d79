"""What was measured of several processes, and what follows from it for a million members, as Markdown."""

from __future__ import annotations

from typing import Any, Final

from benchmarks import conclusions
from benchmarks.conclusions import table
from benchmarks.million import costsOf


def page(results: dict[str, Any]) -> str:
    """Give the results."""
    parts = (_facts, _ways, _workers, _growth, _costs, _rooms, *conclusions.PARTS)
    return "\n\n".join(part(results) for part in parts)


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
        ("connects, and enters a room", "come"),
        ("goes into another room", "move"),
        ("the same, 4000 at once, each into one of its own", "move at once"),
        ("goes, 4000 at once", "go"),
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
            (
                "µs when a member",
                "its node",
                "each other node",
                "engine, two nodes",
                "a second fill its node's core",
            ),
            *(
                (what, *(f"{each:.0f}" for each in rooms[key]), f"{1e6 / rooms[key][0]:,.0f}")
                for what, key in happens
            ),
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
