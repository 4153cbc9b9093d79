"""Certificates: the server's own, and those that clients show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolNegotiationFactory
from twisted.internet.ssl import CertificateOptions, DiffieHellmanParameters
from twisted.python.filepath import FilePath
from zope.interface import implementer

from .connection import tlsReason


class ClientCertificates:
    """Which certificates clients may show for themselves (RFC 8446, 4.3.2), and whether they must."""

    def __init__(self, authorities: Path, required: bool) -> None:
        """Read the PEM file of the authorities that sign them.

        @raise OSError: the file cannot be read.
        @raise ValueError: the file holds no certificate.
        """
        certificates = _load(authorities, "certificate", load_pem_x509_certificates)
        self._authorities = [X509.from_cryptography(each) for each in certificates]
        self._required = required

    def askFor(self, context: SSL.Context) -> None:
        """Have the connections of a context ask."""
        store = context.get_cert_store()
        assert store is not None
        for each in self._authorities:
            store.add_cert(each)
        # What the client is told, so that a browser offers the right one.
        context.set_client_ca_list([each.get_subject() for each in self._authorities])
        context.set_verify(SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if self._required else 0))


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """A certificate with its key, ready to serve (`IOpenSSLServerConnectionCreator`)."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        chain: Path | None = None,
        dhParameters: Path | None = None,
        clients: ClientCertificates | None = None,
    ) -> None:
        """Read PEM files.

        @param clients: whose certificates are asked for; without it none are.
        @raise OSError: a file cannot be read; it names which.
        @raise ValueError: a file holds no such thing, or the key is not the certificate's.
        """
        leaf, *more = _load(certificate, "certificate", load_pem_x509_certificates)
        private = _load(key, "private key without a passphrase", lambda pem: load_pem_private_key(pem, None))
        # Certificate authorities give the leaf and what stands between it and the root in one file.
        extra = [*more, *(_load(chain, "certificate chain", load_pem_x509_certificates) if chain else [])]
        options = CertificateOptions(
            privateKey=private,
            certificate=leaf,
            extraCertChain=extra,
            dhParameters=_dhParameters(dhParameters) if dhParameters else None,
        )
        try:
            self._context: SSL.Context = options.getContext()
        except SSL.Error as error:
            raise ValueError(f"{key} is not the key of {certificate}: {tlsReason(error)}") from None
        self._context.set_alpn_select_callback(_selectProtocol)
        if clients is not None:
            clients.askFor(self._context)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Begin one connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        return connection


def _load(path: Path, what: str, load: Callable[[bytes], Any]) -> Any:
    try:
        return load(path.read_bytes())
    except OSError:
        raise
    except Exception:
        raise ValueError(f"{path} holds no {what} in PEM form") from None


def _dhParameters(path: Path) -> DiffieHellmanParameters:
    if b"-----BEGIN DH PARAMETERS-----" not in path.read_bytes():
        raise ValueError(f"{path} holds no DH parameters in PEM form")
    return cast(DiffieHellmanParameters, DiffieHellmanParameters.fromFile(FilePath(str(path))))


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose the application protocol (RFC 7301, 3.2); where the Factory has none in mind, go on without one."""
    factory = IProtocolNegotiationFactory(connection.get_app_data().factory.wrappedFactory, None)
    for each in factory.acceptableProtocols() if factory else ():
        if each in offered:
            return each
    return SSL.NO_OVERLAPPING_PROTOCOLS
