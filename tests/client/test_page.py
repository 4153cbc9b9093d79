"""docs/client.md shows what the client prints, against the built-in lab."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from socklab.cli import main
from tests.cli.test_page import shows, steps
from tests.process import CHECKOUT, ENVIRONMENT, Server
from tests.test_docs import blocks

PAGE = CHECKOUT / "docs" / "client.md"
PORTS = {
    "59000": ("echo", "tcp"),
    "59001": ("echo", "ws"),
    "59100": ("oneshot", "tcp"),
    "59200": ("chat", "tcp"),
}


@pytest.fixture(scope="module")
def builtIn() -> Iterator[Server]:
    """The built-in lab, on other ports."""
    with Server(None, "--any-port") as server:
        yield server


def there(command: str, server: Server) -> str:
    """Give a command with the ports at which the lab is served here."""
    command = command.replace("udp://127.0.0.1:59000", f"udp://127.0.0.1:{server.ports['echo', 'udp']}")
    return re.sub(r"\b59\d00|59001\b", lambda match: str(server.ports[PORTS[match[0]]]), command)


def comparable(text: str, server: Server | None = None) -> str:
    """Give a text without what differs each time; source ports are numbered as they come."""
    if server is not None:
        text = text.replace(f"udp 127.0.0.1:{server.ports['echo', 'udp']}", "udp 127.0.0.1:59000")
        for shown, key in PORTS.items():
            text = re.sub(rf"127\.0\.0\.1:{server.ports[key]}\b", f"127.0.0.1:{shown}", text)
    found: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in found:
            found.append(match[1])
        return f"# 127.0.0.1:({found.index(match[1])}) ->"

    text = re.sub(r"# 127\.0\.0\.1:(\d+) ->", numbered, text)
    text = re.sub(r"\d+\.\d+ ms", "1.00 ms", text)
    return re.sub(r"^(ok   process +).*", r"\1somebody", text, flags=re.MULTILINE)


def printed(command: str) -> tuple[int, str]:
    """Run a command here, or, if it reads what a pipe brings as it comes, as a process; give what it prints."""
    piped = re.fullmatch(r"printf '(.*)' \| (.*)", command)
    data, command = (piped[1].replace("\\n", "\n"), piped[2]) if piped else ("", command)
    words = shlex.split(command)
    assert words[0] == "socklab"
    if words[1] != "connect":
        result = CliRunner().invoke(main, words[1:], input=data, prog_name="socklab")
        return result.exit_code, result.output
    done = subprocess.run(
        [sys.executable, "-m", "socklab", *words[1:]],
        env=ENVIRONMENT,
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_transcripts(builtIn: Server) -> None:
    """Each command of the page, run one after the other, prints what is shown below it."""
    status = 0
    for command, output in steps(PAGE):
        if command == "echo $?":
            assert output == f"{status}\n"
            continue
        status, text = printed(there(command, builtIn))
        shown, seen = comparable(output), comparable(text, builtIn)
        if command.startswith("printf") and "connect" in command:
            # The end of the pipe may be told before the first answer comes, or after.
            shown, seen = ("".join(sorted(each.splitlines(keepends=True))) for each in (shown, seen))
        assert shows(shown, seen), f"{command}\n{text}"


def test_in_python(builtIn: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The program at its end runs."""
    from twisted.internet.defer import Deferred
    from twisted.internet.epollreactor import EPollReactor

    from socklab.cli.clients import runOn

    [block] = blocks(PAGE, "python")
    names: dict[str, object] = {}
    text = block.text.replace("localhost:59001", f"127.0.0.1:{builtIn.ports['echo', 'ws']}")
    # It leaves when it has heard the answer.
    text = text.replace("print(payload)", "print(payload); heard.callback(0)")
    exec(text, names)
    heard: Deferred[int] = Deferred()
    names["heard"] = heard

    async def talk(reactor: object) -> int:
        shown: object = names["main"]
        assert callable(shown)
        await shown(reactor)
        return await heard

    assert runOn(EPollReactor(), talk) == 0
    assert capsys.readouterr().out.startswith("b'hello'\n")
