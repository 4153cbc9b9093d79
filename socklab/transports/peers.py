"""What a connection's address, and its TLS, tell of the other side."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IAddress, INegotiated

from ..message import Peer


def peerAt(address: IAddress | None, kind: str = "") -> Peer:
    """Give what an address tells of the other side."""
    host, port = getattr(address, "host", ""), getattr(address, "port", 0)
    return Peer(cast(IAddress, address), kind or ("tcp" if hasattr(address, "host") else "unix"), host, port)


def peerOf(transport: Any, kind: str = "", encoding: str = "utf-8", **more: Any) -> Peer:
    """Give what Twisted's transport tells of the other side; without a kind it is the transport's own.

    @param more: what else is known, by its name in `Peer`.
    """
    address = transport.getPeer()
    host, port = getattr(address, "host", ""), getattr(address, "port", 0)
    if not kind:
        secure = INegotiated.providedBy(transport)
        kind = "tls" if secure else "tcp" if hasattr(address, "host") else "unix"
    # Only TLS has it.
    getCertificate = getattr(transport, "getPeerCertificate", None)
    shown = getCertificate() if getCertificate is not None else None
    certificate = shown.to_cryptography() if shown is not None else None
    # Of our own TLS alone.
    settled = getattr(transport, "settled", None)
    tls = settled() if settled is not None else None
    return Peer(address, kind, host, port, encoding, certificate=certificate, tls=tls, **more)
