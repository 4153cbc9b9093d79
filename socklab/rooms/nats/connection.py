"""A connection to one server of NATS, for as long as it lasts."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client, RawCredentials
from nats.errors import NoServersError

from ..engine import Log
from ..settings import EngineSettings
from .reasons import Lost, Unfit
from .stream import openStream
from .subjects import Subjects

_CONNECT: Final = 3
"""Seconds for a server to answer."""
_PING: Final = 3
"""Seconds between questions whether the server is there; after two without an answer it is not."""
CLOSE: Final = 2.0
"""Seconds for a connection to end."""

# nats-py does not tell its streams that they are over TLS; asyncio says so on standard error when one ends.
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in str(record.msg))


class _Client(Client):
    """Says nothing in the clear where the URL has TLS: nats-py leaves that to the server's word."""

    def _connect_command(self) -> bytes:
        server = self._current_server
        if server is not None and server.uri.scheme == "tls" and not self._server_info.get("tls_required"):
            raise Unfit("it speaks without TLS, and the URL says tls:")
        if self._server_info.get("tls_verify"):
            # It would let us say all, and then end the connection.
            raise Unfit("it asks for a certificate of ours (verify in its tls), and [rooms] has none to show")
        return super()._connect_command()


async def opened(
    settings: EngineSettings, url: str, name: str, closed: Callable[[Client], None]
) -> tuple[Client, Log]:
    """Give a connection to a server that has our stream, and the stream.

    @param name: what the server knows us by.
    @param closed: called when it has ended.
    @raise Exception: why there is none.
    """
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[Exception] = loop.create_future()

    def fail(error: Exception) -> None:
        if not failed.done():
            failed.set_result(error)

    def ended(client: Client) -> None:
        fail(Lost())
        closed(client)

    client = await _connected(settings, url, name, ended, fail)
    opening = loop.create_task(openStream(client, settings, Subjects(settings.name)))
    try:
        # nats-py waits on when there is nobody left who could answer.
        await asyncio.wait((opening, failed), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            return client, opening.result()
        raise failed.result()
    except BaseException:
        opening.cancel()
        await close(client)
        raise


async def close(client: Client) -> None:
    """End a connection, in whatever state it is."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE)


async def _connected(
    settings: EngineSettings,
    url: str,
    name: str,
    closed: Callable[[Client], None],
    forbidden: Callable[[Exception], None],
) -> Client:
    """Give a connection.

    @param forbidden: called when we have asked for something that our user may not do.
    @raise Exception: nats-py's, or one of the system: why there is none.
    """
    client = _Client()
    errors: list[Exception] = []

    async def ended() -> None:
        closed(client)

    async def failed(error: Exception) -> None:
        # Once connected, what else is of consequence is noticed without this: the end, and a gap in what is read.
        if not client.is_connected:
            errors.append(error)
        elif "permissions violation" in (what := str(error).lower()):
            forbidden(Unfit(f"its user may not do what it takes: {what.removeprefix('nats: ')}"))

    options: dict[str, Any] = {
        "servers": [url],
        "name": name,
        "allow_reconnect": False,
        # Of one server: it is asked twice at most.
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0,
        "connect_timeout": _CONNECT,
        "ping_interval": _PING,
        "max_outstanding_pings": 2,
        "no_echo": False,
        "closed_cb": ended,
        "error_cb": failed,
    }
    if settings.token is not None:
        options["token"] = settings.token
    if settings.credentials is not None:
        options["user_credentials"] = RawCredentials(settings.credentials)
    if settings.tls is not None:
        options["tls"] = settings.tls
        options["tls_hostname"] = urlsplit(url).hostname
    try:
        await client.connect(**options)
    except Exception as error:
        # asyncio has ended what has failed at TLS, and nats-py would wait for it.
        if not isinstance(error, ssl.SSLError):
            await close(client)
        # nats-py says only that there is no server left; why was told before.
        raise (errors[-1] if errors and isinstance(error, NoServersError) else error) from None
    return client
