"""Certificates and keys in PEM files (RFC 7468), as authorities and their clients leave them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DNSName,
    ExtensionNotFound,
    SubjectAlternativeName,
    load_pem_x509_certificate,
)

from ...source import SOURCE

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_NO_KEY: Final = "holds no private key without a passphrase in PEM form"


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, and what stands between it and the root."""

    file: Path
    """Of the certificate."""
    leaf: Certificate
    key: Any = field(compare=False)
    chain: tuple[Certificate, ...] = ()
    dhParameters: tuple[Path, bytes] | None = None

    @property
    def names(self) -> list[str]:
        """The host names in it (RFC 9525, 6), in small letters; `*.example.com` as it is."""
        try:
            found = self.leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
        except ExtensionNotFound:
            return []
        return [each.lower() for each in found.get_values_for_type(DNSName)]


@dataclass(frozen=True)
class Pairs:
    """What a listener serves."""

    default: Pair
    """For clients that name no host, or an unknown one."""
    named: dict[str, Pair] = field(default_factory=dict)
    """By the host that the client names, in small letters."""

    @property
    def names(self) -> list[str]:
        """All host names in them."""
        return [*dict.fromkeys([*self.named, *self.default.names])]


def readFiles(certificate: Path, key: Path, chain: Path | None = None, dhParameters: Path | None = None) -> Pairs:
    """Read one pair.

    @raise OSError: a file cannot be read; it names which.
    @raise ValueError: a file holds no such thing, or the key is not the certificate's.
    """
    # Certificate authorities give the leaf and what stands between it and the root in one file.
    leaf, *more = certificatesIn(certificate)
    private = _keyIn(key, SOURCE.get().read(key))
    if private is None:
        raise ValueError(f"{key} {_NO_KEY}")
    if _public(private.public_key()) != _public(leaf.public_key()):
        raise ValueError(f"{key} is not the key of {certificate}")
    if chain is not None:
        more += certificatesIn(chain, "certificate chain")
    dh = (dhParameters, SOURCE.get().read(dhParameters)) if dhParameters else None
    if dh and b"-----BEGIN DH PARAMETERS-----" not in dh[1]:
        raise ValueError(f"{dhParameters} holds no DH parameters in PEM form")
    return Pairs(Pair(certificate, leaf, private, tuple(more), dh))


def readFolder(folder: Path) -> Pairs:
    """Read the pairs in a folder's files NAME.pem, and in those of the folders in it.

    Key and certificate may be one file or two. A pair serves the names in its certificate; where two have the
    same name, that which is named after it, else the first. `default.pem`, else the first, serves everybody else.

    @raise OSError: something cannot be read; it names what.
    @raise ValueError: a file holds no such thing, or half a pair.
    """
    keys: dict[Path, Any] = {}
    certificates: dict[Path, list[Certificate]] = {}
    for file in SOURCE.get().pems(folder):
        pem = SOURCE.get().read(file)
        key, found = _keyIn(file, pem), _certificatesIn(file, pem)
        if key is None and not found:
            raise ValueError(f"{file} holds neither a private key nor a certificate in PEM form")
        if key is not None:
            keys[file] = key
        if found:
            certificates[file] = found
    pairs = {}
    for file, key in keys.items():
        public = _public(key.public_key())
        its = [each for each, (leaf, *_) in certificates.items() if _public(leaf.public_key()) == public]
        if not its:
            raise ValueError(f"{file}: no certificate in {folder} begins with that of this key")
        # certbot leaves the certificate alone in one file, and with the chain in another.
        of = file if file in its else max(its, key=lambda each: len(certificates[each]))
        leaf, *chain = certificates[of]
        pairs[file] = Pair(of, leaf, key, tuple(chain))
    served = {_public(pair.leaf.public_key()) for pair in pairs.values()}
    for file, (leaf, *_) in certificates.items():
        if _public(leaf.public_key()) not in served and not _isAuthority(leaf):
            raise ValueError(f"{file}: no file in {folder} holds the private key of this certificate")
    if not pairs:
        raise ValueError(f"{folder} holds no files NAME.pem with a private key and its certificate")
    return _arrange(pairs)


def certificatesIn(file: Path, what: str = "certificate") -> list[Certificate]:
    """Read the certificates in a file.

    @raise OSError: it cannot be read.
    @raise ValueError: it holds none.
    """
    found = _certificatesIn(file, SOURCE.get().read(file))
    if not found:
        raise ValueError(f"{file} holds no {what} in PEM form")
    return found


def _arrange(pairs: dict[Path, Pair]) -> Pairs:
    def called(name: str) -> Iterator[Pair]:
        for file, pair in pairs.items():
            if name in (file.stem.lower(), pair.file.stem.lower(), file.parent.name.lower()):
                yield pair

    first = next(iter(pairs.values()))
    named: dict[str, Pair] = {}
    for pair in pairs.values():
        for name in pair.names:
            named.setdefault(name, next((each for each in called(name) if name in each.names), pair))
    return Pairs(next(called("default"), first), named)


def _blocks(pem: bytes, label: bytes) -> Iterable[bytes]:
    return (each[0] + b"\n" for each in _BLOCK.finditer(pem) if each[1].endswith(label))


def _keyIn(file: Path, pem: bytes) -> Any:
    for block in _blocks(pem, b"PRIVATE KEY"):
        return _load(file, block, lambda one: load_pem_private_key(one, None), _NO_KEY)
    return None


def _certificatesIn(file: Path, pem: bytes) -> list[Certificate]:
    why = "holds no certificate in PEM form"
    blocks = [*_blocks(pem, b"CERTIFICATE")]
    return [_load(file, each, load_pem_x509_certificate, why) for each in blocks]


def _load(file: Path, block: bytes, load: Callable[[bytes], Any], why: str) -> Any:
    try:
        return load(block)
    except Exception:
        # cryptography and what is below it raise much else than ValueError: TypeError for a passphrase.
        raise ValueError(f"{file} {why}") from None


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _isAuthority(certificate: Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False
