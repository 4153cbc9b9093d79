"""`make bench` plans what it says, counts right, and writes what it has counted. No speed is asserted."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures, record, report
from benchmarks.measure import Effort, effortFor, entry, order, points, problems, takesPart, values
from benchmarks.profiling import own
from benchmarks.servers import CONFIG, TITLES, contenders
from benchmarks.tools import FLAGS
from benchmarks.workloads import ALL, GROWTH, MEMORY, THROUGHPUT, Workload, chosen
from socklab.config import loadConfig
from socklab.limits import Limits
from tests.process import CHECKOUT, ENVIRONMENT

TCP = THROUGHPUT[0]


def runs(*rates: float, x: int | None = None, **more: Any) -> dict[str, Any]:
    """Give the result of a server that did so much in each round, with all of its core."""
    return {
        "runs": [
            {"x": x, "round": number, "value": rate, "cpu": rate, "server_cpu": 1.0, **more}
            for number, rate in enumerate(rates)
        ]
    }


def recordOf(**workloads: dict[str, Any]) -> record.Record:
    """Give a record of some workloads, in whose names `_` stands for `-`."""
    named = {name.replace("_", "-"): results for name, results in workloads.items()}
    about = {
        "date": "2026-11-21T10:00+00:00",
        "command": "make bench",
        "arguments": [],
        "rounds": 3,
        "seconds": 1.0,
    }
    return {**about, "machine": {"CPU": "one"}, "versions": {"Python": "3"}, "workloads": named}


def test_plan() -> None:
    """Names are unique, each goal is about a peer that is measured, and socklab.toml serves each workload."""
    assert len({each.name for each in ALL}) == len(ALL)
    served = {
        (service.name, listener.listen.transport)
        for service in loadConfig(CONFIG).services
        for listener in service.listeners
    }
    for workload in ALL:
        assert {goal.peer for goal in workload.goals} <= set(workload.peers) <= set(TITLES), workload.name
        assert tuple(workload.service.split()) in served


def test_as_shipped() -> None:
    """What is measured has the limits that everybody has by default."""
    assert all(service.limits == Limits() for service in loadConfig(CONFIG).services)


def test_chosen() -> None:
    """A name chooses what it names, or else all that begins so; no name chooses everything."""
    assert [each.name for each in chosen(["tcp-1"])] == ["tcp-1"]
    assert [each.name for each in chosen(["ws", "udp"])] == ["ws-1", "ws-16", "ws-4k", "udp"]
    assert chosen([]) == list(ALL)
    with pytest.raises(ValueError, match="no workload nothing; there are: tcp-1"):
        chosen(["nothing"])


def test_contenders(tmp_path: Path) -> None:
    """Checkouts of socklab take part in every workload, peers in theirs; unknown ones are refused by name."""
    here, other, peer = contenders(["picows"], [CHECKOUT])
    assert [here.title, other.title, peer.title] == ["socklab", f"socklab in {CHECKOUT.name}", "picows"]
    assert [takesPart(TCP, each) for each in (here, other, peer)] == [True, True, False]
    with pytest.raises(ValueError, match="no peer netcat"):
        contenders(["netcat"], [])
    with pytest.raises(ValueError, match="no checkout"):
        contenders(None, [tmp_path])


def test_order() -> None:
    """Nobody is always first: each second round runs backwards."""
    assert [order(number, 3) for number in range(3)] == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]


def test_points() -> None:
    """What does not grow has one point; what grows has those that the system has files for."""
    assert points(TCP) == [None]
    assert set(points(GROWTH[0])) <= set(GROWTH[0].points)


def test_effort() -> None:
    """Memory is measured once, each point of growth at most three times, all else as often as was asked for."""
    wanted = Effort(rounds=7, seconds=2)
    assert effortFor(TCP, wanted) == wanted
    assert [effortFor(each, wanted).rounds for each in (*MEMORY, *GROWTH)] == [1] * len(MEMORY) + [3] * len(GROWTH)
    assert effortFor(GROWTH[0], Effort(rounds=2)).rounds == 2


def test_entry() -> None:
    """Of the generator's output the rate is kept, what it cost, and only those problems that there were."""
    output = {"rate": 1000, "MBps": 7.5, "per_server_cpu": 2e6, "server_cpu": 0.5, "load_cpu": 1.0, "p50_us": 3}
    output |= {"p99_us": 9, "bad": 0, "lost": 2}
    run = entry(TCP, None, 4, output)
    assert (run["value"], run["cpu"], run["round"], run["lost"]) == (1000, 2e6, 4, 2)
    assert "bad" not in run
    bulk = next(each for each in ALL if each.measure == "MBps")
    assert (entry(bulk, None, 0, output)["value"], entry(bulk, None, 0, output)["cpu"]) == (7.5, 2.0)


def test_ratio_is_taken_in_each_round() -> None:
    """A round in which all were slow does not widen a ratio; one that failed for either is left out."""
    slow = figures.ratio({0: 100, 1: 50, 2: 90}, {0: 200, 1: 100, 3: 5})
    assert slow == figures.Ratio(0.5, 0.5, 0.5)
    assert figures.ratio({0: 1}, {1: 1}) is None


def test_spread() -> None:
    """The spread is half of the range, as a part of the median."""
    assert figures.spread([90, 100, 130]) == pytest.approx(0.2)
    assert figures.spread([5]) == 0


def test_growth() -> None:
    """A power law's exponent is found, and of a line what is fixed and what each unit adds, large or small."""
    sizes = [1, 10, 100, 1000]
    assert figures.growth(sizes, [3 * size**0.5 for size in sizes]).slope == pytest.approx(0.5)
    fit = figures.growth(sizes, [7 + 0.25 * size for size in sizes])
    assert (fit.fixed, fit.each) == pytest.approx((7, 0.25))
    with pytest.raises(ValueError, match="two sizes"):
        figures.growth([5], [1])


def test_least_squares() -> None:
    """Factors are found that give the values, each deviation as a part of its value; none is below 0."""
    assert figures.leastSquares([(1, 0), (1, 1), (1, 10)], [5, 7, 25]) == pytest.approx([5, 2])
    assert figures.leastSquares([(1, 0), (1, 1), (1, 2)], [30, 20, 10])[1] == 0
    assert figures.leastSquares([(1, 1), (2, 2)], [1, 2]) == pytest.approx([1, 0])


def test_moved() -> None:
    """A ratio has moved if the rounds of then and now do not overlap."""
    old = figures.Ratio(1.0, 0.9, 1.1)
    assert figures.moved(old, figures.Ratio(1.3, 1.2, 1.4)) == "up"
    assert figures.moved(old, figures.Ratio(0.7, 0.6, 0.8)) == "down"
    assert figures.moved(old, figures.Ratio(1.2, 1.05, 1.3)) is None


def test_changes() -> None:
    """A run is compared with the last one by ratio to the same peers; a faster machine alone changes nothing."""
    old = recordOf(tcp_1={"socklab": runs(90, 100, 110), "uvloop": runs(100, 100, 100), "node": runs(50, 50, 50)})
    faster = recordOf(tcp_1={"socklab": runs(180, 200, 220), "uvloop": runs(200, 200, 200), "c": runs(1, 1, 1)})
    assert record.changes(old, faster) == []
    slower = recordOf(tcp_1={"socklab": runs(60, 70, 80), "uvloop": runs(100, 100, 100)})
    assert record.changes(old, slower) == [
        "tcp-1: down: 0.70 (0.60 to 0.80) x uvloop, was 1.00 (0.90 to 1.10)",
    ]


def test_saved(tmp_path: Path) -> None:
    """A record is read as it was written; the files of a day are in order, and the unfinished one is none."""
    made = recordOf(tcp_1={"socklab": runs(1, 2, 3), "picows": {"missing": "no"}}, udp={})
    for _ in range(10):
        record.save(made, record.fileOf(made, tmp_path))
    record.save(made, tmp_path / "unfinished.json")
    names = [each.name for each in record.recorded(tmp_path)]
    assert names == ["2026-11-21.json", *(f"2026-11-21-{number}.json" for number in range(2, 11))]
    assert record.load(tmp_path / "2026-11-21.json") == made


def test_goals() -> None:
    """Each goal whose peer was measured is met or missed, by the median; less memory is better."""
    made = recordOf(
        tcp_1={"socklab": runs(90, 95, 99), "uvloop": runs(100, 100, 100), "node": runs(100, 100, 100)},
        memory_ws={"socklab": runs(5.5)},
        memory_tcp={"socklab": runs(2.5)},
    )
    rows = re.findall(r"\| ([≥≤] [^|]+) \| ([^|]+) \|.*\| (met|\*\*missed\*\*) \|", report.goals(made))
    assert rows == [
        ("≥ 0.90 × uvloop", "0.95 (0.90 to 0.99)", "met"),
        ("≥ 1.15 × Node", "0.95 (0.90 to 0.99)", "**missed**"),
        ("≤ 2.0", "2.50", "**missed**"),
        ("≤ 6.0", "5.50", "met"),
    ]


def test_page() -> None:
    """The page has what was measured, how it grows, and in its remarks who was missing and what went wrong."""
    workload: Workload = GROWTH[0]
    grown = {"runs": [run for x in workload.points for run in runs(1e6 / x, x=x)["runs"]]}
    made = recordOf(
        tcp_1={
            "socklab": runs(200_000, 231_000, 240_000, bad=2),
            "uvloop": runs(99, 100, 101) | {"note": "x"},
            "node": {"missing": "node is not installed"},
            "c": {"runs": [{"x": None, "round": 0, "error": "load: connection lost"}]},
        },
        grow_connections={"socklab": grown},
    )
    made["machine"]["load average before"] = "3.5"
    text = report.page(made, ["throughput.svg", "grow-connections.svg"])
    assert "messages/s | 231k ±9% | 100 ±1% | missing | failed |" in text
    assert "| socklab | 1 | 10 | 100 | 1,000 | 10,000 | 1.00 |" in text
    assert "- The machine was busy (load average 3.5)" in text
    assert "- Node was missing: node is not installed" in text
    assert "- tcp-1, socklab: bad: 6" in text
    assert "- tcp-1, C limit: load: connection lost: 1" in text
    assert text.count(".svg)") == 2
    assert problems(made["workloads"]["tcp-1"]["uvloop"]) == []
    assert values(grown, x=10) == {0: 1e5}


def test_idle_server_is_told() -> None:
    """A server that did not use its core is marked: it was not what limited the rate."""
    assert (
        report.cell(runs(1000) | {"runs": [{**runs(1000)["runs"][0], "server_cpu": 0.8}]}) == "1000 ±0%, CPU 80%"
    )


def test_amounts() -> None:
    """Numbers are short, and keep three digits."""
    numbers = (4_450_000, 999_900, 236_512, 9_999, 1041, 99.4, 1.28, 0)
    assert [report.amount(each) for each in numbers] == [
        "4.45M",
        "1.00M",
        "237k",
        "10.0k",
        "1041",
        "99.4",
        "1.3",
        "0.0",
    ]


def test_between() -> None:
    """Only what stands between the markers is replaced; the page in docs has them."""
    page = (CHECKOUT / "docs" / "benchmarks.md").read_text()
    changed = report.between(page, "new results")
    assert report.between(changed, "new results") == changed
    assert changed.startswith(page.partition(report.BEGIN)[0])
    assert "\n\nnew results\n" in changed
    with pytest.raises(ValueError, match="begin results"):
        report.between("no markers", "x")


def test_profile() -> None:
    """A profile tells each function's own time, not that of what it calls."""
    assert own("main (a.py:1);read (a.py:2) 3\nmain (a.py:1) 1\n") == [
        ("read (a.py:2)", 0.75),
        ("main (a.py:1)", 0.25),
    ]


def test_command() -> None:
    """`--list` says what would be measured; a mistake is one line that names it, before anything is started."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks", *arguments]
        return subprocess.run(
            command, cwd=CHECKOUT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
        )

    done = run("--list", "--only", "udp", "--peers", "uvloop")
    assert " ".join(done.stdout.split()) == "udp UDP echo, 8 sockets, 64 B, 16 in flight: socklab, uvloop"
    done = run("--only", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no workload nothing; there are: tcp-1, " in done.stderr


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator, compiled quickly; no warning is accepted."""
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    program = tmp_path_factory.mktemp("load") / "load"
    sources = sorted(map(str, (CHECKOUT / "benchmarks" / "load").glob("*.c")))
    subprocess.run(["cc", *FLAGS, "-O0", "-Werror", "-o", str(program), *sources], check=True, timeout=60)
    return program


# A busy machine may need most of a second for the one answer that must come from the one that lies.
@pytest.mark.parametrize(("answer", "seconds"), [(bytes, 0.1), (bytes.swapcase, 1)], ids=["echo", "lie"])
def test_generator_compares(generator: Path, answer: Callable[[bytes], bytes], seconds: float) -> None:
    """An answer that is not what was sent is counted as bad; an echo is not."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            # The generator leaves when its time is over, with an answer on the way.
            with connection, suppress(ConnectionError):
                while data := connection.recv(65536):
                    connection.sendall(answer(data))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = str(server.getsockname()[1])
        command = [str(generator), "tcp", "-p", port, "-d", str(seconds), "-W", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        thread.join(30)
    assert (json.loads(done.stdout)["bad"] > 0) is (answer is bytes.swapcase)


def test_generator_tells_a_mistake(generator: Path) -> None:
    """A mistake on the command line is one line, with status 1."""
    done = subprocess.run([str(generator), "tcp", "-n", "many"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "load: -n: expected an integer from 1 to 1000000, got many\n")


def test_limit_compiles() -> None:
    """The C server that shows the limit has no warning either."""
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    source = CHECKOUT / "benchmarks" / "peers" / "limit.c"
    subprocess.run(["cc", *FLAGS, "-Werror", "-fsyntax-only", str(source)], check=True, timeout=60)
