"""docs/lab.md, the course, shows what is seen; docs/ko/lab.md has the same commands."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from click.testing import CliRunner

from socklab.cli import main
from tests.cli.test_page import shows
from tests.clients.outside import absent, requireClient
from tests.process import CHECKOUT, ENVIRONMENT, Server, onFreePorts
from tests.test_docs import blocks, read

PAGE = CHECKOUT / "docs" / "lab.md"
KOREAN = CHECKOUT / "docs" / "ko" / "lab.md"
SESSIONS = CHECKOUT / "examples" / "plain_twisted" / "sessions.toml"
NOBODY = ("nobody", "tcp")
PORTS = {
    "59000": ("echo", "tcp"),
    "59001": ("echo", "ws"),
    "59100": ("oneshot", "tcp"),
    "59200": ("chat", "tcp"),
    "59300": ("console", "http"),
    "59400": ("until-eof", "tcp"),
    "59500": ("guarded", "tcp"),
    "59501": ("guarded", "ws"),
    "59600": ("recorded", "tcp"),
    "59601": ("recorded", "ws"),
    "59700": ("web", "tcp"),
    "59800": ("mail", "tcp"),
    "59900": ("files", "tcp"),
    "59999": NOBODY,
}
UDP = {"59000": ("echo", "udp"), "59200": ("chat", "udp")}
PROGRAMS = {"packetsender", "ncat", "curl", "javac", "java", "mcs", "mono", "od"}

# What differs each time, and what stands for it.
DIFFERS = [
    (r" +\n", "\n"),
    (r"recorded #\d+:", "recorded #N:"),
    (r"\((\d+)\)://", "(PORT)://"),
    (r"# 127\.0\.0\.1:\d+ ->", "# PORT ->"),
    (r"Response Time:\S+", "Response Time:NOW"),
    (r"User-Agent: curl/\S+", "User-Agent: curl"),
    (r"memory of each: \d+\.\d KiB", "memory of each: SOME"),
    (r"(mask|payload: 8\d 8\d)(?: [0-9a-f]{2}){4}\b", r"\1 MASK"),
]

EXPERIMENTS = re.findall(r"^## (.+\n)", read(PAGE), re.MULTILINE)


class Course:
    """The servers of the course, on other ports, and the folder in which its commands are typed."""

    def __init__(self, servers: tuple[Server, ...], nobody: int, folder: Path) -> None:
        """@param nobody: a port at which nobody listens."""
        self._servers = servers
        self._ports = {NOBODY: nobody}
        for server in servers:
            self._ports |= server.ports
        self.folder = folder

    def there(self, text: str) -> str:
        """Give a text with the ports at which the course is served here."""

        def port(match: re.Match[str]) -> str:
            key = UDP[match[2]] if match[1] else PORTS[match[2]]
            return f"{match[1] or ''}{self._ports[key]}"

        return re.sub(r"(udp://127\.0\.0\.1:)?\b(59\d0[01]|59999)\b", port, text)

    def here(self, text: str) -> str:
        """Give what was printed as the page would show it."""
        shown = {str(self._ports[key]): port for port, key in [*PORTS.items(), *UDP.items()]}
        return re.sub(r"\b\d{5}\b", lambda match: shown.get(match[0], match[0]), text)

    def trace(self, since: tuple[int, ...] = ()) -> str:
        """Give what the servers have logged since, without the times."""
        logs = "".join(server.log[start:] for server, start in zip_longest(self._servers, since, fillvalue=0))
        return re.sub(r"^\S+ \[socklab\] ", "", logs, flags=re.MULTILINE)

    def now(self) -> tuple[int, ...]:
        """Give where the logs end."""
        return tuple(len(server.log) for server in self._servers)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """The built-in lab, the page's own config, and an example; the page's programs are in its folder."""
    folder = tmp_path_factory.mktemp("course")
    [config] = blocks(PAGE, "toml")
    (folder / "course.toml").write_text(config.text)
    (folder / "served.toml").write_text(onFreePorts(config.text))
    with (
        Server(None, "--any-port") as lab,
        Server(folder / "served.toml", folder=folder) as own,
        Server(SESSIONS, "--any-port", folder=SESSIONS.parent) as sessions,
        socket.socket() as taken,
    ):
        # Bound, and no listener: nobody else can have this port.
        taken.bind(("127.0.0.1", 0))
        yield (course := Course((lab, own, sessions), taken.getsockname()[1], folder))
        assert "Traceback" not in course.trace()


def normal(text: str) -> str:
    """Give a text without what differs each time."""
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return text


def printed(command: str, folder: Path) -> str:
    """Run a command in a folder, and give what it prints."""
    if command.startswith("socklab "):
        return CliRunner().invoke(main, shlex.split(command)[1:], prog_name="socklab").output
    if "SOCK_RAW" in command and os.geteuid() == 0:
        # Root may, unless it has given up that privilege.
        requireClient("setpriv")
        command = f"setpriv --bounding-set=-net_raw {command}"
    if "ping.py" in command and not mayPing():
        # In a network of its own whoever made it says who may.
        allow = "ip link set lo up && echo 0 0 > /proc/sys/net/ipv4/ping_group_range"
        command = f"unshare --map-root-user --net sh -c {shlex.quote(f'{allow} && {command}')}"
        if subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=False).returncode:
            absent("net.ipv4.ping_group_range allows no ping socket, and there is no network of our own")
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        # `python3` is the one that runs the tests.
        env={
            **ENVIRONMENT,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "QT_QPA_PLATFORM": "offscreen",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.stdout


def mayPing() -> bool:
    """Tell whether this system lets us have a datagram socket of ICMP."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except PermissionError:
        return False
    return True


def traced(shown: str) -> str:
    """Give the pattern of a trace: each port that is shown is always the same one, other lines may be between."""
    names: dict[str, str] = {}

    def port(match: re.Match[str]) -> str:
        if match[1] in names:
            return rf":(?P={names[match[1]]})"
        names[match[1]] = f"port{len(names)}"
        return rf":(?P<{names[match[1]]}>\d+)"

    lines = [re.sub(r":(\d{5})\b", port, re.escape(line)) for line in shown.splitlines() if line != "..."]
    return r"(?:^.*\n)*?".join(f"^{line}\n" for line in lines)


@pytest.mark.parametrize("heading", EXPERIMENTS, ids=lambda heading: heading.strip())
def test_experiment(heading: str, course: Course, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each command prints what is shown below it, and the servers' trace has the lines that are shown."""
    monkeypatch.chdir(course.folder)
    section = tmp_path / "section.md"
    section.write_text(read(PAGE).partition(f"\n## {heading}")[2].partition("\n## ")[0] + "\n")
    for language in ("java", "csharp", "python"):
        for program in blocks(section, language):
            text = course.there(program.text)
            (course.folder / program.language.split()[1]).write_text(text)
    needed = {word for each in blocks(section, "console") for word in re.findall(r"\w+", each.text)} & PROGRAMS
    requireClient(*sorted(needed))
    start = course.now()
    for block in blocks(section, "console"):
        steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
        for command, output in steps:
            follow(course, command, output)
        if not steps:
            logged(course, traced(block.text), start)


def follow(course: Course, command: str, output: str) -> None:
    """Type a command; a record is read again until it is written."""
    deadline = time.monotonic() + (30 if command.startswith("socklab show") else 0)
    while True:
        text = course.here(printed(course.there(command), course.folder))
        if shows(normal(output), normal(text)):
            return
        assert time.monotonic() < deadline, f"{command}\n{text}"


def logged(course: Course, pattern: str, start: tuple[int, ...]) -> None:
    """Wait until the servers have logged what a pattern says."""
    deadline = time.monotonic() + 30
    while not re.search(pattern, course.trace(start), re.MULTILINE):
        assert time.monotonic() < deadline, f"{pattern}\n{course.trace(start)}"
        time.sleep(0.02)


def test_korean() -> None:
    """The Korean page has the same commands, programs and outputs; so the test above is its test too."""
    for language in ("toml", "console", "java", "csharp", "python"):
        ours, theirs = ([each.text for each in blocks(page, language)] for page in (PAGE, KOREAN))
        assert ours == theirs
        assert ours


@pytest.mark.parametrize("language", ["console", "js", "python", "toml"])
def test_korean_readme(language: str) -> None:
    """The Korean README shows what the English one does."""
    ours, theirs = (
        [each.text for each in blocks(CHECKOUT / page, language)] for page in ("README.md", "README.ko.md")
    )
    assert ours == theirs
    assert ours
