"""A look at the engine before the server starts: what waiting does not mend is the operator's to know now."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from ..settings import EngineSettings, shownUrl
from .connection import close, opened
from .reasons import isMistake, reasonOf

_PATIENCE: Final = 4.0
"""Seconds for an engine to answer; one that does not may do so later."""


def look(settings: EngineSettings) -> list[str]:
    """Ask the engine once; give why it cannot serve us, unless one of its servers does, or may later.

    @raise KeyboardInterrupt: somebody has pressed Ctrl-C meanwhile.
    """
    loop = asyncio.new_event_loop()
    looking = loop.create_task(_look(settings))
    # Python's own handler would raise in whichever task runs. Who has it ignored is obeyed.
    isOurs = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if isOurs:
        loop.add_signal_handler(signal.SIGINT, loop.stop)
    try:
        return loop.run_until_complete(looking)
    except RuntimeError:
        if looking.done():
            raise
        # It was stopped.
        raise KeyboardInterrupt from None
    finally:
        if isOurs:
            loop.remove_signal_handler(signal.SIGINT)
        _clearUp(loop)
        loop.close()


def _clearUp(loop: asyncio.AbstractEventLoop) -> None:
    """End the tasks that Ctrl-C has left; `asyncio.run` would wait for threads that look up names, too."""
    # nats-py may swallow that it is cancelled.
    for _ in range(10):
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=0.1))


async def _look(settings: EngineSettings) -> list[str]:
    found: dict[str, list[str]] = {}
    try:
        async with asyncio.timeout(_PATIENCE):
            for url in settings.urls:
                try:
                    client, _ = await opened(settings, url, "socklab start", lambda client: None)
                except Exception as error:
                    if not isMistake(error):
                        return []
                    found.setdefault(reasonOf(error, settings, url), []).append(shownUrl(url))
                else:
                    await close(client)
                    return []
    except TimeoutError:
        return []
    return [f"{', '.join(urls)}: {why}" for why, urls in found.items()]
