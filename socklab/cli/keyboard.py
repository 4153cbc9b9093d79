"""Where lines are typed: at a prompt with a history, or plainly on standard input.

The prompt is prompt_toolkit's, of the extra `lab`: it keeps what is being typed apart from what arrives meanwhile,
and knows how wide 한 is, which Python's readline does not do while something else is printed. Without it, or when
the input is no terminal, lines are read as they come, and the terminal itself edits them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred

_READ: Final = 64 * 1024


class PlainInput:
    """Reads standard input in a thread of its own, which waits while the connection is full."""

    def __init__(self, reactor: Any, read: Callable[[bytes], None], finished: Callable[[], None]) -> None:
        self._reactor = reactor
        self._read = read
        self._finished = finished
        self._gate = threading.Event()
        self._gate.set()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        descriptor = sys.stdin.fileno()
        while True:
            self._gate.wait()
            try:
                data = os.read(descriptor, _READ)
            except OSError:
                data = b""
            taken = threading.Event()
            self._reactor.callFromThread(self._take, data, taken)
            if not data:
                return
            taken.wait()

    def _take(self, data: bytes, taken: threading.Event) -> None:
        if data:
            self._read(data)
        else:
            self._finished()
        taken.set()

    def pauseProducing(self) -> None:
        """The connection has enough to send (`IPushProducer`)."""
        self._gate.clear()

    def resumeProducing(self) -> None:
        """It can take more."""
        self._gate.set()

    def stopProducing(self) -> None:
        """It is over."""


def historyFile() -> Path | None:
    """Give the file of what was typed, which only its owner can read; None where there can be none."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    file = Path(base) / "socklab" / "history"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError:
        return None
    return file


def hasPrompt() -> bool:
    """Tell whether lines can be typed at a prompt."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        import prompt_toolkit  # noqa: F401
    except ImportError:
        return False
    return True


class Interrupted(Exception):
    """Ctrl-C was typed. A KeyboardInterrupt would leave asyncio's loop, and the reactor with it."""


class Prompt:
    """Asks for lines, one after the other; needs a reactor that runs on asyncio."""

    def __init__(self, words: list[str]) -> None:
        """@param words: what TAB completes."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        file = historyFile()
        self._session: Any = PromptSession(
            "> ",
            history=FileHistory(str(file)) if file else InMemoryHistory(),
            completer=WordCompleter(words, WORD=True),
            complete_while_typing=False,
            interrupt_exception=Interrupted,
        )
        self._asked: Any = None
        self._isOver = False

    async def run(self, typed: Callable[[str], bool]) -> bool:
        """Give on each line until it is over; True if the person has ended it with Ctrl-D.

        @raise Interrupted: it was Ctrl-C.
        """
        import asyncio

        from prompt_toolkit.patch_stdout import patch_stdout

        # Raw, for the colours of our remarks; nothing of the server's that a terminal would obey gets so far.
        with patch_stdout(raw=True):
            while not self._isOver:
                self._asked = asyncio.ensure_future(self._session.prompt_async())
                try:
                    line = await Deferred.fromFuture(self._asked)
                except EOFError:
                    return True
                except (asyncio.CancelledError, CancelledError):
                    break
                if line is None or not typed(line):
                    break
        return False

    def stop(self) -> None:
        """Ask no more."""
        self._isOver = True
        if self._session.app.is_running:
            self._session.app.exit()
        elif self._asked is not None:
            # It has not begun to ask yet.
            self._asked.cancel()
