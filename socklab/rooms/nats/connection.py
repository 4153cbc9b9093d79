"""A connection to one server of NATS, for as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client, RawCredentials
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from ..settings import EngineSettings

_CONNECT: Final = 3
"""Seconds for a server to answer."""
_PING: Final = 3
"""Seconds between questions whether the server is there; after two without an answer it is not."""
CLOSE: Final = 2.0
"""Seconds for a connection to end."""


class _Client(Client):
    """Says nothing in the clear where the URL has TLS: nats-py leaves that to the server's word."""

    def _connect_command(self) -> bytes:
        server = self._current_server
        if server is not None and server.uri.scheme == "tls" and not self._server_info.get("tls_required"):
            raise NatsError("it speaks without TLS, and the URL says tls:")
        return super()._connect_command()


async def connected(settings: EngineSettings, url: str, name: str, closed: Callable[[Client], None]) -> Client:
    """Give a connection.

    @param name: what the server knows us by.
    @param closed: called when it has ended.
    @raise Exception: nats-py's, or one of the system: why there is none.
    """
    client = _Client()
    errors: list[Exception] = []

    async def ended() -> None:
        closed(client)

    async def failed(error: Exception) -> None:
        # Once connected, what is of consequence is noticed without this: the end, and a gap in what is read.
        if not client.is_connected:
            errors.append(error)

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
        with suppress(Exception):
            await asyncio.wait_for(client.close(), CLOSE)
        # nats-py says only that there is no server left; why was told before.
        raise (errors[-1] if errors and isinstance(error, NoServersError) else error) from None
    return client
