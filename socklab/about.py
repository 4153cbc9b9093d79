"""Addresses, and what newcomers have told of themselves, as the log and records have them."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress

from .message import Peer


def addressText(address: IAddress | None) -> str:
    """Give an address as text: `127.0.0.1:3000`, `[::1]:3000`, `unix:/run/x.sock`; `` when unknown."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = getattr(address, "name", None)
    return f"unix:{name.decode(errors='replace')}" if isinstance(name, bytes) else ""


def aboutPeer(peer: Peer) -> dict[str, str]:
    """Give what a newcomer has told beside its address, as flat fields; what was not said has none.

    Of WebSocket `path`, `origin` and `subprotocol`; of a `certificate` the subject (RFC 4514); of TLS
    `tls_version` and `tls_cipher`, and as `server_name` whom the client asked for (RFC 6066, 3).
    """
    found = {"path": peer.path} if peer.path else {}
    if peer.origin is not None:
        found["origin"] = peer.origin
    if peer.subprotocol is not None:
        found["subprotocol"] = peer.subprotocol
    if peer.certificate is not None:
        found["certificate"] = peer.certificate.subject.rfc4514_string()
    if peer.tls is not None:
        found |= {"tls_version": peer.tls.version, "tls_cipher": peer.tls.cipher}
        if peer.tls.serverName:
            found["server_name"] = peer.tls.serverName
    return found
