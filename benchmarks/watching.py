"""What it costs to look: `python -m benchmarks.watching` echoes over TCP while one thing or another observes."""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.measure import cores, order
from benchmarks.servers import CHECKOUT, Process
from benchmarks.tools import generator, load, pin

SERVICE: Final = '[[service]]\nname = "echo"\nprotocol = "echo"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
CONSOLE: Final = '[console]\nlisten = "tcp:0:interface=127.0.0.1"\n'
WATCHED: Final = {
    "nobody looks": SERVICE,
    "`[console]`, metrics and a page that nobody has open": CONSOLE + SERVICE,
    "`[service.record]`": SERVICE + '[service.record]\nfile = "echo.jsonl"\nrotate = "64MiB"\n',
    '`trace = "text"`': '[server]\ntrace = "text"\n' + SERVICE,
}
ROUNDS: Final = 5
SECONDS: Final = 0.9


def main() -> None:
    """Measure in alternating rounds, and print medians of messages per second of the server's CPU."""
    on = cores()
    generator()
    pin(on.load)
    with ExitStack() as stack:
        servers = []
        for text in WATCHED.values():
            config = Path(stack.enter_context(TemporaryDirectory())) / "watched.toml"
            config.write_text(text)
            run = "from twisted.scripts.twistd import run; run()"
            command = [sys.executable, "-c", run, "-n", "--pidfile=", "socklab", "--config", str(config)]
            server = stack.enter_context(Process(command, on.server, CHECKOUT))
            port = int(server.waitFor(r"\[socklab\] echo: tcp \S+:(\d+)$(?=[\s\S]*socklab ready)")[1])
            servers.append((server, port))
        found: list[list[float]] = [[] for _ in servers]
        for number in range(ROUNDS):
            for index in order(number, len(servers)):
                server, port = servers[index]
                told = load("tcp -n 64 -s 64 -P 1", port, server.pid, SECONDS, 0.3, on.load)
                found[index].append(told["per_server_cpu"])
    first = statistics.median(found[0])
    print("| what looks | messages per second of the server's CPU | |\n| --- | --- | --- |")
    for name, rates in zip(WATCHED, found, strict=True):
        rate = statistics.median(rates)
        print(f"| {name} | {rate / 1000:.0f}k | {rate / first:.2f} |")


if __name__ == "__main__":
    main()
