"""What a client is told in HTTP whose handshake is refused, or is none (RFC 6455, 4.2.2)."""

from __future__ import annotations

from ... import http
from ...policy.gate import Refusal


def refusalFor(refusal: Refusal) -> bytes:
    """Give the answer to a handshake that is refused."""
    headers = [("Retry-After", "5")] if refusal.status in (429, 503) else []
    return http.response(refusal.status, f"Refused: {refusal.name}.\n".encode(), headers, True)


def answerTo(service: str, code: int, withBody: bool) -> bytes:
    """Give the answer to what is no handshake.

    @param code: of HTTP, as Autobahn has it.
    @param withBody: False for the answer to HEAD.
    """
    headers: list[tuple[str, str]] = []
    if code == 426:
        # RFC 9110, 15.5.22: without the header 426 says nothing.
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade, close"), ("Sec-WebSocket-Version", "13")]
        body = f'This port speaks WebSocket (service "{service}"): use new WebSocket("ws://...").\n'
    elif code == 405:
        headers = [("Allow", "GET")]
        body = "A WebSocket handshake is a GET request.\n"
    else:
        body = "This is no WebSocket handshake that can be accepted here.\n"
    return http.response(code, body.encode(), headers, withBody)
