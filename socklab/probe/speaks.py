"""What is spoken at a port: TLS, HTTP, WebSocket, a greeting, or something that waits for the client."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from ..client import Address, ConnectError, Settings
from ..client.tls import ANSWERED, ClientTls
from ..text import quoted
from .findings import Finding, Report, Verdict
from .talking import Talk

_SOON: Final = 14
"""Days before its end from which a certificate is worth a word."""
_GREETING: Final = 0.5
"""Seconds that a server has to speak first."""
_KNOWN: Final = {
    b"SSH-": "SSH",
    b"220": "SMTP or FTP",
    b"+OK": "POP3",
    b"* OK": "IMAP",
    b"RFB ": "VNC",
    b"HTTP/": "HTTP",
}
"""How some greetings begin."""


async def greeting(reactor: Any, address: Address, settings: Settings, report: Report) -> bytes:
    """Connect, say nothing, and listen."""
    talk = await Talk.begin(reactor, address, settings)
    said = await talk.answer(_GREETING)
    if said:
        kind = next((word for start, word in _KNOWN.items() if said.startswith(start)), None)
        of = f", as {kind} does" if kind else ""
        report(Finding("ok", "greeting", f"it speaks first: {quoted(said[:60])}{of}"))
    elif talk.end is not None:
        report(Finding("bad", "greeting", f"{talk.end} at once: it may refuse this machine; its log tells"))
    await talk.leave()
    return said


async def tls(reactor: Any, address: Address, settings: Settings, report: Report) -> bool:
    """Shake hands, and judge the certificate; what is wrong has a name."""
    anyone = replace(settings, tls=replace(settings.tls, insecure=True))
    check = ClientTls(anyone.tls, address)
    try:
        talk = await Talk.begin(reactor, replace(address, scheme="tls", path=""), anyone, check)
    except ConnectError as error:
        report(Finding("bad", "tls", str(error).partition(": ")[2].removeprefix("TLS: ")))
        return False
    about = talk.connection.about
    # With TLS 1.3 a server says only now what it thinks of the client's certificate, or of none.
    await talk.over(_GREETING)
    if talk.end is not None and not talk.end.clean:
        report(Finding("bad", "tls", str(talk.end)))
        return False
    report(Finding("ok", "tls", f"{about['tls']}, {about['cipher']}"))
    await talk.leave()
    if check.problem is not None:
        verdict: Verdict = "note" if settings.tls.insecure else "bad"
        report(Finding(verdict, "certificate", f"{check.problem[0]}: {check.problem[1]}"))
    elif check.certificate is not None:
        ends = check.certificate.not_valid_after_utc
        days = (ends - datetime.now(UTC)).days
        text = f"good for {settings.tls.name or address.host}, until {ends:%Y-%m-%d}"
        if days < _SOON:
            report(Finding("note", "certificate", f"{text}, in {days} days"))
        else:
            report(Finding("ok", "certificate", text))
    return check.problem is None or settings.tls.insecure


async def isTls(reactor: Any, address: Address, settings: Settings) -> bool:
    """Tell whether a port takes a TLS hello."""
    anyone = replace(settings, tls=replace(settings.tls, insecure=True))
    try:
        talk = await Talk.begin(reactor, replace(address, scheme="tls", path=""), anyone)
    except ConnectError as error:
        return error.kind == "tls" and ANSWERED in str(error)
    await talk.leave()
    return True


async def webSocket(reactor: Any, address: Address, settings: Settings) -> tuple[bool, bool, str]:
    """Try the handshake of WebSocket: whether it is spoken, else whether HTTP is, and what was answered."""
    asked = address if address.kind == "websocket" else replace(address, scheme="ws", path="/")
    anyone = replace(settings, tls=replace(settings.tls, insecure=True))
    try:
        talk = await Talk.begin(reactor, asked, anyone)
    except ConnectError as error:
        text = str(error).partition(": ")[2]
        return False, text.startswith("the server answered"), text
    subprotocol = talk.connection.about.get("subprotocol")
    await talk.leave()
    return True, True, f"the handshake succeeds{f', subprotocol {subprotocol}' if subprotocol else ''}"
