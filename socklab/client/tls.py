"""TLS as a client speaks it: who is trusted, and what is wrong with a certificate, by name."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from ..text import printable
from .address import Address
from .seam import ConnectError, TlsSettings

# OpenSSL's X509_V_ERR_*, of `openssl verify`'s manual.
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_SELF_SIGNED: Final = (18, 19)
_UNKNOWN_AUTHORITY: Final = (2, 20, 21, 27)
_REVOKED: Final = 23
_PURPOSE: Final = 26

ANSWERED: Final = "the server"
"""Stands in what is said of a server that answered in TLS, if only to refuse."""
_NO_TLS: Final = "what came is no TLS: the port does not speak it"
_TOO_OLD: Final = "the server speaks only a version that is too old (before TLS 1.2)"
_NOTHING_COMMON: Final = "the server found nothing in common: no cipher, or no certificate for this name"
_CUT: Final = "closed in the middle of the handshake"
_WORDS: Final = {
    "wrong version number": _NO_TLS,
    "unexpected message": "what came is no TLS, or what we sent ourselves: the port does not speak it",
    "packet length too long": _NO_TLS,
    "record layer failure": _NO_TLS,
    "unexpected eof while reading": _CUT,
    "unsupported protocol": _TOO_OLD,
    "tlsv1 alert protocol version": _TOO_OLD,
    "sslv3 alert handshake failure": _NOTHING_COMMON,
    "ssl/tls alert handshake failure": _NOTHING_COMMON,
    "tlsv1 unrecognized name": "the server knows no such name",
    "tlsv13 alert certificate required": "the server asks for a certificate of the client's: --tls-cert",
    "tlsv1 alert unknown ca": "the server does not trust the client's certificate",
    "ssl/tls alert certificate unknown": "the server does not accept the client's certificate",
}


def tlsText(error: BaseException | None) -> str:
    """Give OpenSSL's word for what went wrong, in a person's words where they are known."""
    try:
        reason = str(error.args[0][-1][-1] if error else "") or _CUT
    except (IndexError, TypeError):
        # OpenSSL says nothing of a connection that simply ends.
        return _CUT if "Unexpected EOF" in str(error) else str(error)
    return _WORDS.get(reason, f"{ANSWERED} refused: {reason}" if "alert" in reason else reason)


@implementer(IOpenSSLClientConnectionCreator)
class ClientTls:
    """TLS for one connection. Says afterwards what was wrong with the server's certificate."""

    problem: tuple[str, str] | None = None
    """A word for programs, and words for a person: what is wrong with the certificate."""
    certificate: Certificate | None = None
    """The server's, as soon as it has come."""

    def __init__(self, settings: TlsSettings, address: Address) -> None:
        """@raise ConnectError: a file cannot be used."""
        self._insecure = settings.insecure
        self._name = (settings.name or address.host).partition("%")[0].rstrip(".")
        self._context = _context(settings)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Begin the connection (`IOpenSSLClientConnectionCreator`)."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        if not _isIp(self._name):
            connection.set_tlsext_host_name(_idna(self._name).encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER, self._verify)
        return connection

    def _verify(self, connection: SSL.Connection, certificate: X509, code: int, depth: int, good: int) -> bool:
        found = certificate.to_cryptography()
        if depth == 0:
            self.certificate = found
        if not good:
            self.problem = self.problem or _problem(code, found, depth)
        elif depth == 0 and self.problem is None:
            self.problem = self._wrongHost(certificate)
        return self._insecure or self.problem is None

    def _wrongHost(self, certificate: X509) -> tuple[str, str] | None:
        wanted = IPAddress_ID(self._name) if _isIp(self._name) else DNS_ID(_idna(self._name))
        try:
            verify_service_identity(extract_patterns(certificate), [wanted], [])
        except (VerificationError, ValueError):
            names = ", ".join(_names(certificate.to_cryptography())) or "nobody"
            return "wrong-host", f"the certificate is for {printable(names)}, not for {self._name}"
        return None


def _problem(code: int, certificate: Certificate, depth: int) -> tuple[str, str]:
    whose = "the certificate" if depth == 0 else "a certificate of its authorities"
    if code == _EXPIRED:
        return "expired", f"{whose} has expired, on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if code == _NOT_YET:
        return (
            "not-yet-valid",
            f"{whose} is good only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on",
        )
    if code in _SELF_SIGNED:
        return (
            "self-signed",
            "the certificate is self-signed: trust it with --tls-ca FILE, or anybody with --insecure",
        )
    if code in _UNKNOWN_AUTHORITY:
        issuer = printable(certificate.issuer.rfc4514_string())
        return (
            "unknown-authority",
            f"the certificate is signed by {issuer}, which is not trusted here: --tls-ca FILE",
        )
    if code == _REVOKED:
        return "revoked", f"{whose} is revoked"
    if code == _PURPOSE:
        return "purpose", f"{whose} is not made for a server"
    return "certificate", f"{whose} is not good (OpenSSL's error {code})"


def _context(settings: TlsSettings) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    file = settings.authorities
    try:
        if file is None:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(str(file))
        file = settings.certificate
        if file is not None:
            context.use_certificate_chain_file(str(file))
            file = settings.key or file
            # Not `use_privatekey_file`, for which OpenSSL asks the terminal for a passphrase.
            context.use_privatekey(_key(file.read_bytes()))
            context.check_privatekey()
    except (SSL.Error, OSError, ValueError, TypeError):
        what = "a key that fits the certificate" if file == settings.key else "certificates"
        why = f"holds no PEM of {what}" if file is not None and file.is_file() else "no such file"
        raise ConnectError("tls", f"{file}: {why}") from None
    return context


def _key(pem: bytes) -> Any:
    """Read a key.

    @raise ValueError: there is none.
    @raise TypeError: it has a passphrase.
    """
    return load_pem_private_key(pem, None)


def _names(certificate: Certificate) -> list[str]:
    """Give the hosts that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return []
    return [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]


def _isIp(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _idna(name: str) -> str:
    if name.isascii():
        return name
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ConnectError("name", f"{name}: this cannot be a host name") from None
