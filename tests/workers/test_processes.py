"""Workers as they are: real processes, killed and reloaded and stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from socklab.console.terminal import Terminal
from tests.process import Server, run

CONFIG = """
[server]
workers = 2
{server}

[[service]]
name = "who"
protocol = "who:WhoFactory"
framing = "lines"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1', 'unix:who.sock:mode=600']

[[service]]
name = "few"
protocol = "echo"
listen = ['tcp:0:interface=127.0.0.1']
limits = {{ max_connections = 5 }}
[service.record]
file = "few.jsonl"
"""
CONSOLE = """
[console]
listen = "tcp:0:interface=127.0.0.1"
socket = "console.sock"
"""
MORE = (
    CONSOLE
    + """
[[service]]
name = "more"
protocol = "who:WhoFactory"
framing = "lines"
listen = ['tcp:0:interface=127.0.0.1', 'udp:0:interface=127.0.0.1']
"""
)


def write(folder: Path, server: str = "", more: str = "", workers: int = 2) -> Path:
    """Write a config, and the protocol beside it."""
    shutil.copy(Path(__file__).with_name("who.py"), folder)
    path = folder / "workers.toml"
    path.write_text(CONFIG.format(server=server).replace("workers = 2", f"workers = {workers}") + more)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the server that all tests here share."""
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Give a server with two workers."""
    with Server(write(folder, more=CONSOLE)) as started:
        yield started


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close in the end what a test has opened."""
    with ExitStack() as closing:
        yield closing


def connect(server: Server, stack: ExitStack, service: str = "who") -> socket.socket:
    """Connect to a service over TCP."""
    peer = stack.enter_context(socket.create_connection(server.address(service)))
    peer.settimeout(30)
    return peer


def ask(peer: socket.socket) -> int:
    """Ask a connection of `who` which process serves it."""
    peer.sendall(b"?\n")
    return int(peer.recv(100))


def spread(server: Server, stack: ExitStack, each: int) -> list[tuple[socket.socket, int]]:
    """Connect to `who` until each worker serves so many; give the connections, each with its worker."""
    found: list[tuple[socket.socket, int]] = []

    def isSpread() -> bool:
        peer = connect(server, stack)
        found.append((peer, ask(peer)))
        served = [worker for _, worker in found]
        return all(served.count(worker) >= each for worker in workersOf(server))

    until(isSpread, "each worker serves some")
    return found


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def isAlive(process: int) -> bool:
    """Tell whether a process runs; one that has ended and is nobody's child any more does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workersOf(server: Server) -> list[int]:
    """Give the processes of a server's workers."""
    return [int(each) for each in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]


def metrics(server: Server) -> str:
    """Ask the console for the metrics."""
    host, port = server.address("console", "http")
    with urlopen(f"http://{host}:{port}/metrics") as answer:
        return str(answer.read().decode())


def restartsOf(server: Server) -> float:
    """Ask the console how many workers were replaced."""
    found = re.search(r"^socklab_worker_restarts_total (\S+)", metrics(server), re.MULTILINE)
    assert found is not None
    return float(found[1])


def readiness(server: Server) -> str:
    """Ask the console whether it is ready."""
    host, port = server.address("console", "http")
    try:
        with urlopen(f"http://{host}:{port}/readyz") as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return str(error.read().decode())


def served(server: Server) -> dict[str, Any]:
    """Ask the console for what `socklab status` tells of `who` over TCP."""
    host, port = server.address("console", "http")
    with urlopen(f"http://{host}:{port}/status") as answer:
        told = json.load(answer)
    return next(each for each in told["services"] if (each["service"], each["transport"]) == ("who", "tcp"))


def test_balance(server: Server, stack: ExitStack) -> None:
    """Connections are spread over the workers, and the socket's file keeps its mode."""
    by = [worker for _, worker in spread(server, stack, 20)]
    assert {*by} == {*workersOf(server)}
    # Who comes one by one comes to each in turn, about.
    assert len(by) < 400
    path = server.path("who")
    assert path.stat().st_mode & 0o777 == 0o600
    local = stack.enter_context(socket.socket(socket.AF_UNIX))
    local.connect(str(path))
    assert ask(local) in by
    # While they started it was not looked for.
    local.sendall(b"garbage\n")
    assert local.recv(100) == b"1\n"


def test_exactLimit(server: Server, stack: ExitStack) -> None:
    """Of forty who come at once to both workers, `max_connections` are let in: no more, and no fewer."""

    def come(_: int) -> bool:
        peer = connect(server, stack, "few")
        try:
            peer.sendall(b"hello")
            return peer.recv(5) == b"hello"
        except ConnectionError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(come, range(40))) == 5
    assert (
        'socklab_connections_refused_total{rule="max_connections",service="few",transport="tcp"} 35.0'
        in metrics(server)
    )


def test_console(server: Server, folder: Path, stack: ExitStack) -> None:
    """The console lists all connections, writes to them and closes them; the metrics have each process."""
    peers = [peer for peer, _ in spread(server, stack, 3)]
    terminal = Terminal(folder / "console.sock")
    first = next(terminal.told())
    rows = [dict(zip(first["columns"], row, strict=True)) for row in first["rows"]]
    by = {f"{row['peer']}": row["key"] for row in rows if row["service"] == "who" and not row["closed"]}
    keys = [by["{}:{}".format(*each.getsockname())] for each in peers]
    assert {int(each) % 1000 for each in keys} == {1, 2}
    assert terminal.do("write", to=keys, text="hello") == {"sent": len(peers), "faults": []}
    assert [each.recv(10) for each in peers] == [b"hello\n"] * len(peers)
    assert terminal.do("close", to=[*keys[:1], "999001"]) == {"closed": 1}
    assert peers[0].recv(10) == b""
    # The server waits for the other half, or for 20 s.
    peers[0].close()
    assert terminal.do("rule", kind="ban", what="192.0.2.1")["rules"] == [{"kind": "ban", "what": "192.0.2.1/32"}]
    assert "socklab_workers_serving 2.0" in metrics(server)
    for worker in range(3):
        assert f'process_open_fds{{worker="{worker}"}}' in metrics(server)
    assert readiness(server) == "ready\n"
    # Those of other tests may be about to leave.
    until(lambda: served(server)["open"] == len(peers) - 1, "who is there")
    assert served(server)["where"] == ["{}:{}".format(*server.address("who"))]


def test_followed(server: Server, folder: Path, stack: ExitStack) -> None:
    """Who follows a conversation is told its messages, whichever worker has it."""
    peer = connect(server, stack)
    process = ask(peer)
    terminal = Terminal(folder / "console.sock")
    told = terminal.told()
    first = next(told)
    name = "{}:{}".format(*peer.getsockname())
    key = next(row[0] for row in first["rows"] if row[3] == name and row[5] is None)
    terminal.do("follow", stream=first["stream"], talk=key)
    peer.sendall(b"?\n")
    said = []
    for each in told:
        said += [one["text"] for one in each.get("messages", ())]
        said += [each["message"]["text"]] if "message" in each else []
        if str(process) in said:
            break
    assert said[-2:] == ["?", str(process)]


def test_killed(server: Server, stack: ExitStack) -> None:
    """A worker that dies is replaced; the others serve meanwhile, and each datagram peer stays where it was."""
    restarts, before = restartsOf(server), workersOf(server)
    stays = next(peer for peer, worker in spread(server, stack, 1) if worker == before[1])
    peers = []
    for _ in range(16):
        peer = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        peer.settimeout(30)
        peer.connect(server.address("who", "udp"))
        peers.append(peer)
    served = [ask(each) for each in peers]
    assert {*served} == {*before}
    assert [ask(each) for each in peers] == served
    os.kill(before[0], signal.SIGKILL)
    server.waitFor("worker 1 was killed by SIGKILL: another one starts in 0.1 s")
    assert ask(stays) == before[1]
    # What comes meanwhile waits for the one that takes its place.
    again = [ask(each) for each in peers]
    after = workersOf(server)
    new = next(each for each in after if each not in before)
    assert again == [new if each == before[0] else each for each in served]
    until(lambda: readiness(server) == "ready\n", "ready again")
    assert restartsOf(server) == restarts + 1


def test_hangs(server: Server, folder: Path, stack: ExitStack) -> None:
    """A worker that hangs, whether stopped or in an endless loop, is replaced; a loop shows where it is."""
    restarts, kills = restartsOf(server), server.log.count("was killed by SIGKILL")
    workers = {worker: peer for peer, worker in spread(server, stack, 1)}
    write(folder, "worker_watchdog = 1", CONSOLE)
    server.sendSignal(signal.SIGHUP)
    server.waitFor("~ [server]: worker_watchdog")
    (stopped, _), (_, looping) = sorted(workers.items())
    os.kill(stopped, signal.SIGSTOP)
    looping.sendall(b"loop\n")
    server.waitFor("has not answered for 1 s: killed", times=2)
    server.waitFor("was killed by SIGKILL", times=kills + 1)
    server.waitFor("was killed by SIGABRT")
    server.waitFor('who.py", line')
    write(folder, more=CONSOLE)
    server.sendSignal(signal.SIGHUP)
    server.waitFor("~ [server]: worker_watchdog", times=2)
    until(lambda: readiness(server) == "ready\n", "ready again")
    assert restartsOf(server) >= restarts + 2
    assert not set(workersOf(server)) & set(workers)


def test_reload(server: Server, folder: Path, stack: ExitStack) -> None:
    """A reload brings listeners and workers, and takes them away; who is served stays."""
    stays = connect(server, stack)
    before = ask(stays)
    write(folder, more=MORE, workers=3)
    server.sendSignal(signal.SIGHUP)
    server.waitFor("[socklab] more: udp 127.0.0.1:")
    found = {kind: int(port) for kind, port in re.findall(r"\] more: (tcp|udp) 127\.0\.0\.1:(\d+)", server.log)}
    until(lambda: len(workersOf(server)) == 3 and readiness(server) == "ready\n", "a third worker")

    def served() -> set[int]:
        with ExitStack() as short:
            places = [("127.0.0.1", found["tcp"])] * 30
            return {ask(short.enter_context(socket.create_connection(each))) for each in [*places]}

    everybody: set[int] = set()
    until(lambda: everybody.update(served()) or len(everybody) == 3, "each worker serves the new listener")
    datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    datagrams.settimeout(30)
    datagrams.connect(("127.0.0.1", found["udp"]))
    assert ask(datagrams) in everybody
    write(folder, more=CONSOLE)
    server.sendSignal(signal.SIGHUP)
    server.waitFor("[socklab] worker 3 has ended")
    assert len(workersOf(server)) == 2
    # The socket that it accepted from is that of the others, too.
    local = stack.enter_context(socket.socket(socket.AF_UNIX))
    local.connect(str(server.path("who")))
    assert ask(local) in workersOf(server)

    def isClosed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", found["tcp"])).close()
        except ConnectionRefusedError:
            return True
        return False

    until(isClosed, "the listener is closed by all")
    assert ask(stays) == before


def test_badReload(server: Server, folder: Path, stack: ExitStack) -> None:
    """A config that is not good is told once, and changes nothing."""
    count = server.log.count("nothing has changed")
    (folder / "workers.toml").write_text("[server]\nworkers = 'many'\n")
    server.sendSignal(signal.SIGHUP)
    server.waitFor("nothing has changed", times=count + 1)
    assert server.log.count("expected a number of processes") == 1
    assert ask(connect(server, stack)) in workersOf(server)


def test_ends(tmp_path: Path, stack: ExitStack) -> None:
    """On SIGTERM each worker sends what it owes; the log is JSON with the worker's number; each has a record."""
    with Server(write(tmp_path, 'log_format = "json"')) as started:
        where = {
            (each["service"], each["transport"]): each["where"]
            for each in map(json.loads, started.log.splitlines())
            if each["event"] == "listening"
        }
        few, who = (
            (host, int(port)) for host, _, port in (where[each, "tcp"].partition(":") for each in ("few", "who"))
        )
        said = stack.enter_context(socket.create_connection(few))
        said.sendall(b"hello")
        assert said.recv(5) == b"hello"
        owed = stack.enter_context(socket.create_connection(who))
        owed.settimeout(30)
        owed.sendall(b"big 8000000\n")
        assert owed.recv(1) == b"x"
        workers = workersOf(started)
        started.sendSignal(signal.SIGTERM)
        started.waitFor("a second signal ends it at once")
        count = 1
        while data := owed.recv(1 << 20):
            count += len(data)
        assert count == 8_000_001
        for each in (said, owed):
            each.close()
        assert started.stop(signal.SIGCONT) == -signal.SIGTERM
        assert not [each for each in workers if isAlive(each)]
    lines = [json.loads(each) for each in started.log.splitlines()]
    assert {each.get("worker") for each in lines if each["event"] == "opened"} <= {1, 2}
    records = [each.read_text() for each in tmp_path.glob("few.worker*.jsonl")]
    assert sum("hello" in each for each in records) == 1
    assert not (tmp_path / "few.jsonl").exists()


def test_orphans(tmp_path: Path, stack: ExitStack) -> None:
    """When the parent is killed its workers let their peers leave, and end."""
    with Server(write(tmp_path, "shutdown_timeout = 1")) as started:
        peer = connect(started, stack)
        ask(peer)
        workers = workersOf(started)
        assert len(workers) == 2
        started.sendSignal(signal.SIGKILL)
        assert peer.recv(10) == b""
        peer.close()
        until(lambda: not any(map(isAlive, workers)), "no orphans")


def test_neverServes(tmp_path: Path) -> None:
    """Workers that end before they serve end the start, with a line and status 1."""
    path = write(tmp_path, 'log_format = "json"')
    (tmp_path / "who.py").open("a").write(
        "\nimport sys\nif 'socklab.workers' in sys.orig_argv:\n    raise RuntimeError('not here')\n"
    )
    ended = run("-n", "--pidfile=", "socklab", "--config", str(path), folder=tmp_path)
    assert ended.returncode == 1
    assert "not here" in ended.stdout
    told = [json.loads(each) for each in ended.stdout.splitlines()]
    assert [each["level"] for each in told if "not here" in each.get("message", "")] == ["error"]
    assert "Traceback" not in ended.stdout + ended.stderr


def test_takenPort(tmp_path: Path, stack: ExitStack) -> None:
    """A port that is taken is told once, and no worker is started."""
    path = write(tmp_path)
    taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind(("127.0.0.1", 0))
    path.write_text(path.read_text().replace("udp:0", f"udp:{taken.getsockname()[1]}"))
    ended = run("-n", "--pidfile=", "socklab", "--config", str(path), folder=tmp_path)
    assert ended.returncode == 1
    assert (ended.stdout + ended.stderr).count("the address is in use already") == 1
