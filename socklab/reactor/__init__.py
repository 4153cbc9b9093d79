"""A reactor that costs little: Twisted on uvloop, with ports that read and write their sockets themselves."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .uv import UvloopReactor as UvloopReactor

__all__ = ["UvloopReactor", "choose", "install"]


def __getattr__(name: str) -> Any:
    # Imported late: whoever has no uvloop has all else.
    if name == "UvloopReactor":
        from .uv import UvloopReactor

        return UvloopReactor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def install() -> None:
    """Have Twisted run on uvloop, as `twistd --reactor=uvloop` does.

    @raise ImportError: uvloop is not installed.
    """
    try:
        from .uv import UvloopReactor
    except ImportError as error:
        raise ImportError(f"{error}: pip install 'socklab[fast]'") from None
    # Imported late: it brings no reactor along, but much else.
    from twisted.internet.main import installReactor

    installReactor(UvloopReactor())


def choose(needsLoop: bool = False) -> None:
    """Have Twisted run on uvloop if that is installed, and nobody has chosen already.

    @param needsLoop: whether something will want a loop of asyncio: then without uvloop it is asyncio's own.
    """
    if "twisted.internet.reactor" not in sys.modules:
        # Without it Twisted's default does as well, only slower.
        with suppress(ImportError):
            install()
            return
        if needsLoop:
            from twisted.internet import asyncioreactor

            asyncioreactor.install()
