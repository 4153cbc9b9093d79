"""Whose line it was: an error of an author's code on one line, for who reads a config's mistakes or the log."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .text import printable

_LIBRARIES: Final = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_SOCKLAB: Final = f"{Path(__file__).parent}/"
_MAX_SAID: Final = 500


def said(error: BaseException) -> str:
    """Give what a traceback would end with, on one line."""
    text = printable(" ".join("".join(traceback.format_exception_only(error)[-1:]).split()))
    return text if len(text) <= _MAX_SAID else text[:_MAX_SAID] + "..."


def ownLine(error: BaseException, module: str) -> str:
    """Give an error and the author's line that raised it.

    @param module: of the author's.
    """
    if isinstance(error, SyntaxError) and error.filename is not None and Path(error.filename).is_absolute():
        return f"{said(error)} ({error.filename}, line {error.lineno})"
    frames = framesOf(error)
    top = module.partition(".")[0]
    # What the author called may be somebody else's.
    own = [each for each in frames if each[0] == top or not each[1].startswith(_LIBRARIES)]
    for _, file, line in reversed(own or frames):
        return f"{said(error)} ({file}, line {line})"
    return said(error)


def framesOf(error: BaseException) -> Sequence[tuple[str, str, int]]:
    """Give where an error came through, but for socklab and what imports: package, file, line."""
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package != "importlib" and not file.startswith(("<", _SOCKLAB)):
            found.append((package, file, line))
    return found
