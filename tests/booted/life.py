"""One server under socklab.service, from its start to its end."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from .unit import Unit, connect, done, echoed, sh, until

ECHO = """
[server]
shutdown_timeout = "{timeout}"
workers = {workers}
[[service]]
protocol = "echo"
listen = ['tcp:7007:interface=127.0.0.1', 'udp:7007:interface=127.0.0.1'{more}]
"""
ROUNDS = 10


def echo(more: str = "", timeout: str = "20s", workers: int = 1) -> str:
    """Give a config.

    @param more: another entry of `listen`.
    """
    return ECHO.format(more=more and f", '{more}'", timeout=timeout, workers=workers)


def start() -> str:
    """`systemctl start` comes back when the ports are open; a user of its own, few rights"""
    unit = Unit()
    unit.begin(echo())
    assert echoed(7007)
    status = done("systemctl", "--no-pager", "status", "socklab")
    assert 'Status: "serving echo at 2 listeners"' in status, status
    user = Path(f"/proc/{unit.process}").stat().st_uid
    assert 61184 <= user <= 65519, user
    return f"the status says what is served; user {user}; `systemd-analyze security` says {unit.exposure()}"


def journal() -> str:
    """The journal"""
    unit = Unit()
    unit.begin(echo())
    lines = unit.journal().splitlines()
    assert "[socklab] socklab ready" in lines, lines
    assert not [each for each in lines if re.match(r"<|\d{4}-", each)], lines
    unit.write("x = 1")
    os.kill(unit.process, signal.SIGHUP)
    until(lambda: "nothing has changed" in unit.journal("-p", "err"), "told as an error")
    return "no line has its time twice; what is wrong with a config is an error"


def reload() -> str:
    """`systemctl reload`, ten times: a listener comes and goes, a peer stays"""
    unit = Unit()
    unit.begin(echo())
    peer, late = connect(7007), 0
    for _ in range(ROUNDS):
        unit.write(echo("tcp:7008:interface=127.0.0.1"))
        unit.do("reload")
        try:
            assert echoed(7008)
        except ConnectionRefusedError:
            late += 1
        unit.write(echo())
        unit.do("reload")
    assert echoed(peer)
    return f"the peer stays; when the command is back, the new listener is open {ROUNDS - late} times of {ROUNDS}"


def badReload() -> str:
    """The same with a config that is not good"""
    unit = Unit()
    unit.begin(echo())
    unit.write(echo().replace("echo", "ecko"))
    refused = sh("systemctl", "reload", "socklab")
    assert refused.returncode == 1, refused
    assert echoed(7007)
    os.kill(unit.process, signal.SIGHUP)
    until(lambda: "is not good" in unit.show("StatusText"), "the status says so")
    said = unit.show("StatusText")
    unit.write(echo())
    unit.do("reload")
    until(lambda: "is not good" not in unit.show("StatusText"), "the status is good again")
    return f"status {refused.returncode}, the server goes on; after a SIGHUP by hand the status is: {said}"


def stop() -> str:
    """`systemctl stop` with a peer that reads slowly, and one that does not leave"""
    unit = Unit()
    unit.begin(echo(timeout="6s"), "TimeoutStopSec=2")
    reader, stays = connect(7007), connect(7007)
    assert echoed(stays)
    size = 400_000
    reader.sendall(b"x" * size)
    began = time.monotonic()
    done("systemctl", "stop", "--no-block", "socklab")
    got = 0
    while data := reader.recv(20_000):
        got += len(data)
        time.sleep(0.1)
    reader.close()
    until(lambda: unit.show("ActiveState") == "inactive", "it has stopped")
    took = time.monotonic() - began
    result = unit.show("Result")
    assert (got, result) == (size, "success"), (got, result)
    assert took > 5
    ends = f"ends after {took:.1f} s, {result}, with shutdown_timeout 6 s and TimeoutStopSec 2 s"
    return f"all {size} bytes come; {ends}"


def crash() -> str:
    """`kill -9`, SIGABRT, SIGSEGV"""
    seen = []
    for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV):
        unit = Unit()
        unit.begin(echo())
        os.kill(unit.process, number)
        seen.append(f"{unit.restarted():.1f} s")
        assert echoed(7007)
    return f"serves again after {', '.join(seen)}"


def hang() -> str:
    """SIGSTOP, with WatchdogSec 2 s"""
    unit = Unit()
    unit.begin(echo(), "WatchdogSec=2")
    time.sleep(5)
    assert unit.show("NRestarts") == "0"
    os.kill(unit.process, signal.SIGSTOP)
    took = unit.restarted()
    assert echoed(7007)
    return f"left alone for 5 s it runs on; stopped, it serves again after {took:.1f} s"


def mistake() -> str:
    """A start with a config that is not good"""
    unit = Unit()
    unit.end()
    unit.write("[[service]]\nprotocol = 'ecko'\nlisten = ['tcp:7007']\n")
    assert sh("systemctl", "start", "socklab").returncode == 1
    until(lambda: unit.show("ActiveState") == "failed", "it is given up")
    tries = int(unit.show("NRestarts"))
    lines = unit.journal("-p", "err").splitlines()
    unit.end()
    return f"given up after {tries} tries; the journal: {lines[0]}"


def workers() -> str:
    """Two workers: one dies, the parent dies, the parent hangs, the end"""
    unit = Unit()
    unit.begin(echo(workers=2), "WatchdogSec=3")
    said = unit.show("StatusText")
    parent, *others = sorted(unit.processes)
    assert (parent, len(others)) == (unit.process, 2), unit.processes
    os.kill(others[0], signal.SIGKILL)
    until(lambda: len({*unit.processes} - {parent, others[0]}) == 2, "another worker")
    assert unit.show("NRestarts") == "0"
    seen = []
    for number in (signal.SIGKILL, signal.SIGSTOP):
        before = {*unit.processes}
        os.kill(unit.process, number)
        seen.append(f"{unit.restarted():.1f} s")
        until(lambda: len(unit.processes) == 3, "all are there")
        assert not before & {*unit.processes}
        assert echoed(7007)
        sh("systemctl", "stop", "socklab")
        assert unit.show("Result") == "success"
        sh("systemctl", "reset-failed", "socklab")
        unit.do("start")
    return f'"{said}"; a worker is replaced; without the parent all are started again, after {" and ".join(seen)}'


SCENES = [start, journal, reload, badReload, stop, crash, hang, mistake, workers]
