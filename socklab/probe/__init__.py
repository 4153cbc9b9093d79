"""Why it does not connect, or what is there when it does: `socklab probe`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..client import Address, ConnectError, Settings
from .behaviour import Behaviour
from .findings import Finding, Report
from .reach import queue, reach
from .speaks import greeting, isTls, tls, webSocket

_PATIENCE: Final = 2
"""Seconds for an answer in a protocol that was not asked for."""

__all__ = ["Finding", "Report", "probe"]


async def probe(reactor: Any, address: Address, settings: Settings, data: bytes | None, report: Report) -> None:
    """Find out what there is to know of an address, and report each thing as soon as it is known.

    @param data: what is sent to see how the server behaves; None to send nothing.
    """
    reached = await reach(reactor, address, settings, report)
    if not reached:
        return
    # The name is needed for certificates and virtual hosts; the first address that answers stands for all.
    there = address if len(reached) == 1 and address.host == reached[0].host else reached[0]
    try:
        await _look(reactor, address, there, settings, data, report)
    except ConnectError as error:
        report(Finding("bad", "connect", f"a further connection fails: {error}"))


async def _look(
    reactor: Any, address: Address, there: Address, settings: Settings, data: bytes | None, report: Report
) -> None:
    if address.kind == "udp":
        if data is not None:
            await Behaviour(reactor, there, settings, data, report).onUdp()
        return
    said = b""
    if address.scheme in ("tcp", "unix"):
        said = await greeting(reactor, there, settings, report)
        if queue(there, report):
            return
    if address.scheme in ("tls", "wss") and not await tls(reactor, address, settings, report):
        return
    if data is None:
        return
    if address.kind == "websocket":
        speaks, _, text = await webSocket(reactor, address, settings)
        report(Finding("ok" if speaks else "bad", "websocket", text))
        if speaks:
            await Behaviour(reactor, address, settings, data, report).onWebSocket()
        elif not address.isSecure and await isTls(reactor, there, settings):
            report(Finding("note", "speaks", f"this port speaks TLS: wss://{address.where}"))
        return
    if address.scheme == "tcp" and not said and await _recognised(reactor, address, there, settings, report):
        return
    await Behaviour(reactor, address, settings, data, report).onStream()


async def _recognised(reactor: Any, address: Address, there: Address, settings: Settings, report: Report) -> bool:
    """Tell whether a port speaks TLS, WebSocket or HTTP, for which lines make no sense."""
    settings = replace(settings, timeout=min(settings.timeout, _PATIENCE))
    if await isTls(reactor, there, settings):
        report(Finding("note", "speaks", f"this port speaks TLS: tls://{address.where}"))
        return True
    speaks, isHttp, text = await webSocket(reactor, there, settings)
    if speaks or "426" in text:
        report(Finding("note", "speaks", f"this port speaks WebSocket: ws://{address.where}/"))
        return True
    if isHttp and "not HTTP" not in text and "not WebSocket" not in text:
        report(Finding("note", "speaks", f"this port speaks HTTP: http://{address.where}/"))
        return True
    return False
