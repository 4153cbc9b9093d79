"""How far it has got, on a terminal; elsewhere nothing is said until the end."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class Progress:
    """A bar that `rich` draws on standard error, if that is a terminal and `rich` is installed."""

    def __init__(self, total: int) -> None:
        """@param total: how many there will be."""
        self._bar: Any = None
        self._context: AbstractContextManager[Any] = nullcontext()
        if not sys.stderr.isatty():
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            return
        self._bar = self._context = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("sent", total=total)

    def __enter__(self) -> Progress:
        self._context.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._context.__exit__(*exception)

    def one(self) -> None:
        """One more is done."""
        if self._bar is not None:
            self._bar.advance(self._task)
