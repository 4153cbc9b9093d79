"""Certificates: the server's own, and those that clients show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.x509 import Certificate
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolNegotiationFactory
from zope.interface import implementer

from .connection import tlsReason
from .pems import Pair, Pairs, certificatesIn

_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
"""For TLS 1.2: with forward secrecy and authenticated, and no others (RFC 9325, 4.2). TLS 1.3 has only such."""


@dataclass(frozen=True)
class ClientCertificates:
    """Which certificates clients may show for themselves (RFC 8446, 4.3.2), and whether they must."""

    authorities: tuple[Certificate, ...]
    """Who signs them."""
    required: bool

    @classmethod
    def read(cls, authorities: Path, required: bool) -> ClientCertificates:
        """Read the PEM file of the authorities.

        @raise OSError: the file cannot be read.
        @raise ValueError: the file holds no certificate.
        """
        return cls(tuple(certificatesIn(authorities)), required)

    def askFor(self, context: SSL.Context) -> None:
        """Have the connections of a context ask."""
        store = context.get_cert_store()
        assert store is not None
        for each in self.authorities:
            store.add_cert(X509.from_cryptography(each))
            # What the client is told, so that a browser offers the right one.
            context.add_client_ca(each)
        context.set_verify(SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if self.required else 0))


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """The certificates of one listener, ready to serve; they can be renewed while it is open.

    A client gets that of the host which it names (RFC 6066, 3), else the default.
    """

    def __init__(self, pairs: Pairs, clients: ClientCertificates | None = None) -> None:
        """@param clients: whose certificates are asked for; without it none are.
        @raise ValueError: OpenSSL does not take one; it names which.
        """
        self._pairs = pairs
        self._clients = clients
        self._context = _contextOf(pairs, clients)

    @property
    def names(self) -> list[str]:
        """The host names in them, in small letters; `*.example.com` as it is."""
        return self._pairs.names

    def renew(self, other: ServerCertificate) -> bool:
        """Serve from the next handshake on what another one serves; False if that is what is served already.

        Connections that are open live on. Sessions begun before are not resumed: the authorities of clients may
        have changed, too.
        """
        if self.isLike(other):
            return False
        self._pairs, self._clients, self._context = other._pairs, other._clients, other._context
        return True

    def isLike(self, other: ServerCertificate) -> bool:
        """Tell whether another one serves the same certificates, to the same clients."""
        return (self._pairs, self._clients) == (other._pairs, other._clients)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Begin one connection (`IOpenSSLServerConnectionCreator`)."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        return connection


def _contextOf(pairs: Pairs, clients: ClientCertificates | None) -> SSL.Context:
    """Give the context that connections begin with; it puts another in its place when the client names a host."""
    default = _contextWith(pairs.default, clients)
    made = [(pairs.default, default)]
    contexts: dict[str, SSL.Context] = {}
    for name, pair in pairs.named.items():
        context = next((each for known, each in made if known is pair), None)
        if context is None:
            context = _contextWith(pair, clients)
            made.append((pair, context))
        contexts[name] = context

    def choose(connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower().rstrip(".")
        # A wildcard stands for one label (RFC 9525, 6.3).
        found = contexts.get(name) or contexts.get(f"*.{name.partition('.')[2]}")
        if found is not None and found is not default:
            connection.set_context(found)

    if contexts:
        default.set_tlsext_servername_callback(choose)
    return default


def _contextWith(pair: Pair, clients: ClientCertificates | None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    # An idle connection gives its 34 KiB of buffers back.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_CIPHERS)
    # Clients resume with tickets (RFC 8446, 2.2), which they keep themselves. OpenSSL's cache would hold 20,480.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # Without it OpenSSL refuses who resumes where client certificates are asked for.
    context.set_session_id(b"socklab")
    context.set_alpn_select_callback(_selectProtocol)
    try:
        context.use_certificate(pair.leaf)
        context.use_privatekey(pair.key)
        for each in pair.chain:
            context.add_extra_chain_cert(each)
        if pair.dhParameters is not None:
            context.load_tmp_dh(str(pair.dhParameters[0]))
    except SSL.Error as error:
        raise ValueError(f"{pair.file} cannot be served: {tlsReason(error)}") from None
    if clients is not None:
        clients.askFor(context)
    return context


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose the application protocol (RFC 7301, 3.2); where the Factory has none in mind, go on without one."""
    factory = IProtocolNegotiationFactory(connection.get_app_data().factory.wrappedFactory, None)
    for each in factory.acceptableProtocols() if factory else ():
        if each in offered:
            return each
    return SSL.NO_OVERLAPPING_PROTOCOLS
