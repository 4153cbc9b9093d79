"""`socklab connect`: at a prompt on a terminal, and from a pipe."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socklab.cli.incoming import Incoming
from tests.client.servers import ServeWith, hostile
from tests.client.test_send import url
from tests.process import ENVIRONMENT, Server

# What `connect` is without the extra `lab`.
PLAIN = "import sys; sys.modules['prompt_toolkit'] = None; import socklab.cli; socklab.cli.main()"
SECONDS = 30
# Bracketed paste is on while there is a prompt.
ASKING, NOT_ASKING = b"\x1b[?2004h", b"\x1b[?2004l"


class Terminal:
    """A terminal with `socklab connect` in it."""

    def __init__(self, command: list[str], home: Path, plain: bool) -> None:
        """@param plain: whether there is no prompt."""
        self.plain = plain
        self._pid, self._descriptor = pty.fork()
        if not self._pid:
            environment = {**ENVIRONMENT, "TERM": "xterm", "LANG": "C.UTF-8", "XDG_STATE_HOME": str(home)}
            os.execve(command[0], command, environment)
        self.printed = b""

    def type(self, text: str) -> None:
        """Press keys; not while there is no prompt, when the terminal itself would take Ctrl-C and Ctrl-D."""
        deadline = time.monotonic() + SECONDS
        while not self.plain and self.printed.rfind(ASKING) <= self.printed.rfind(NOT_ASKING):
            assert self._read(deadline), f"no prompt in {self.printed!r}"
        os.write(self._descriptor, text.encode())

    def hear(self, text: str, times: int = 1) -> None:
        """Wait until a text has been printed so many times."""
        deadline = time.monotonic() + SECONDS
        while self.printed.count(text.encode()) < times:
            assert self._read(deadline), f"no {text!r} in {self.printed!r}"

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            # Linux says so when the other side is closed.
            return False
        self.printed += data
        # prompt_toolkit asks where the cursor is.
        for _ in range(data.count(b"\x1b[6n")):
            os.write(self._descriptor, b"\x1b[1;1R")
        return bool(data)

    def status(self) -> int:
        """Wait until it has ended, and give its status."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        assert time.monotonic() < deadline, f"it has not ended: {self.printed!r}"
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """End it, if it has not ended."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._descriptor)


@contextmanager
def connected(home: Path, *arguments: str, plain: bool = False) -> Iterator[Terminal]:
    """Run `socklab connect` in a terminal, to the point where lines can be typed."""
    program = ["-c", PLAIN] if plain else ["-m", "socklab"]
    terminal = Terminal([sys.executable, *program, "connect", *arguments], home, plain)
    try:
        terminal.hear("/quit leaves")
        yield terminal
    finally:
        terminal.end()


def test_prompt(lab: Server, tmp_path: Path) -> None:
    """Lines go out as they are typed, what others say comes meanwhile; the history is kept for its owner only."""
    with connected(tmp_path, url(lab, "chat")) as terminal:
        terminal.type("/nick 철수\r")
        terminal.hear("* you are 철수 now")
        terminal.type("타이핑")
        run = [sys.executable, "-m", "socklab", "send", url(lab, "chat"), "--lines", "안녕, 철수", "--wait", "0"]
        subprocess.run(run, env=ENVIRONMENT, check=True, timeout=SECONDS, capture_output=True)
        terminal.hear("안녕, 철수")
        terminal.type(" 중\r//quit\r")
        terminal.hear("# the server closed the connection")
        assert terminal.status() == 0
    history = tmp_path / "socklab" / "history"
    assert "+/nick 철수\n" in history.read_text()
    assert "+타이핑 중\n" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("plain", [False, True])
def test_commands(lab: Server, tmp_path: Path, plain: bool) -> None:
    """/hex, /escape, and Ctrl-D, after which what comes is still shown; with a prompt and without."""
    with connected(tmp_path, url(lab, "echo"), plain=plain) as terminal:
        terminal.type("/hex ed 95 9c ea b8 80 0a\r")
        terminal.hear("한글")
        terminal.type("/escape \\x41\\uac00\\n\r")
        terminal.hear("A가")
        terminal.type("/hex zz\r")
        terminal.hear("# expected bytes in hexadecimal")
        terminal.type("\x04")
        terminal.hear("# nothing more is sent (FIN)")
        terminal.hear("# the server closed the connection")
        assert terminal.status() == 0


@pytest.mark.parametrize(("plain", "status"), [(False, 0), (True, 130)])
def test_interrupt(lab: Server, tmp_path: Path, plain: bool, status: int) -> None:
    """Ctrl-C leaves at once, and there is no traceback."""
    with connected(tmp_path, url(lab, "echo"), plain=plain) as terminal:
        terminal.type("hello\r")
        terminal.hear("hello", 2)
        terminal.type("\x03")
        assert terminal.status() == status
        assert b"Traceback" not in terminal.printed


def test_hostile(serve: ServeWith, tmp_path: Path) -> None:
    """Nothing of the server's reaches the terminal raw; when it closes, the prompt ends."""
    with connected(tmp_path, f"tcp://127.0.0.1:{serve(hostile)}") as terminal:
        terminal.type("x\r")
        terminal.hear("�[2J�]0;owned�한")
        assert terminal.status() == 0
        assert b"\x1b]0;" not in terminal.printed
        assert b"\x1b[2J" not in terminal.printed


def test_refused_datagram(free: int, tmp_path: Path) -> None:
    """Over UDP a refusal ends the prompt: status 1."""
    with connected(tmp_path, f"udp://127.0.0.1:{free}") as terminal:
        terminal.type("x\r")
        terminal.hear("# the server refused it: nobody listens there")
        assert terminal.status() == 1


def piped(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run `socklab connect` with an input that is no terminal."""
    command = [sys.executable, "-m", "socklab", "connect", *arguments]
    return subprocess.run(command, input=data, env=ENVIRONMENT, capture_output=True, timeout=60, check=False)


def test_pipe(lab: Server) -> None:
    """A pipe is sent as it is, then FIN: much of it comes back whole."""
    data = b"".join(b"%d \xed\x95\x9c\n" % number for number in range(50000))
    done = piped(data, url(lab, "echo"))
    assert (done.returncode, done.stdout == data) == (0, True)
    assert done.stderr.decode().endswith("# nothing more is sent (FIN)\n# the server closed the connection\n")


def test_pipe_of_messages(lab: Server) -> None:
    """Where messages are sent each line is one; after silence it is over. --json tells each thing."""
    done = piped("하나\n둘".encode(), url(lab, "echo", "ws"), "--json", "--wait", "300ms")
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["text"] for each in events if each["event"] == "received"] == ["하나", "둘"]
    assert events[0]["event"] == "connected"
    assert events[-1] == {"event": "closed", "by": "us", "reason": "closed with 1000 (normal)", "clean": True}


def test_refused(free: int) -> None:
    """Nobody listens: one line, status 1."""
    done = piped(b"", f"tcp://127.0.0.1:{free}")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"Error: tcp 127.0.0.1:{free}: refused: nobody listens there\n"


# What comes in pieces


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]) | st.sampled_from("\n"))


@given(texts, st.data())
def test_pieces(text: str, data: st.DataObject) -> None:
    """However the bytes are cut, the lines are those of the whole text."""
    payload = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=5)))
    incoming = Incoming("utf-8", "text", True)
    lines = []
    for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True):
        lines += incoming.feed(payload[start:end], True)
    lines += incoming.finish()
    expected = text.split("\n")
    assert lines == (expected if expected[-1] else expected[:-1])


def test_long_line() -> None:
    """A line without an end is shown in parts, and kept no longer."""
    incoming = Incoming("utf-8", "text", True)
    assert [*incoming.feed(b"x" * 10000, True)] == ["x" * 4096] * 2
    assert [*incoming.rest()] == ["x" * (10000 - 2 * 4096)]
    assert not incoming.hasBegun


def test_whole_messages() -> None:
    """A message is lines of its own, whatever stood before; WebSocket text is UTF-8."""
    incoming = Incoming("cp949", "text", False)
    assert [*incoming.feed("한\r\n글\n".encode(), False)] == ["한", "글"]
    assert [*incoming.feed("한".encode("cp949"), True)] == ["한"]
    assert [*incoming.feed(b"", False)] == [""]
