"""Keys and credentials files of NATS, as `nsc` makes them: an operator, one account, its users."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import nkeys

_ALL = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
_STREAMS = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class Operator:
    """Who signs accounts, and by them users."""

    def __init__(self) -> None:
        self._key = _newKey(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = _newKey(nkeys.PREFIX_BYTE_ACCOUNT)

    def settings(self) -> str:
        """Give what of a server's config names the operator and the account."""
        limits = {**_ALL, **_STREAMS, "wildcards": True}
        system = _newKey(nkeys.PREFIX_BYTE_ACCOUNT)
        accounts = "".join(
            f"  {_name(key)}: {_token(self._key, key, type='account', limits=limits)}\n"
            for key, limits in ((self._account, limits), (system, {**_ALL, "wildcards": True}))
        )
        operator = _token(self._key, self._key, type="operator", system_account=_name(system))
        return f"operator: {operator}\nresolver: MEMORY\nresolver_preload: {{\n{accounts}}}\n"

    def credentials(self, expires: float | None = None) -> str:
        """Give a new user's file.

        @param expires: in seconds since 1970.
        """
        user = _newKey(nkeys.PREFIX_BYTE_USER)
        token = _token(self._account, user, expires, type="user", subs=-1, data=-1, payload=-1)
        return (
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
        )


def _newKey(kind: int) -> nkeys.KeyPair:
    return nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), kind)))


def _name(key: nkeys.KeyPair) -> str:
    return str(key.public_key.decode())


def _token(by: nkeys.KeyPair, of: nkeys.KeyPair, expires: float | None = None, **claims: Any) -> str:
    """Give a JWT, by which one key speaks for another."""
    now = int(time.time())
    body = {"jti": os.urandom(16).hex(), "iat": now, "iss": _name(by), "sub": _name(of), "name": "test"}
    if expires is not None:
        body["exp"] = int(expires)
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, {**body, "nats": {**claims, "version": 2}})
    text = ".".join(_encoded(json.dumps(each).encode()) for each in parts)
    return f"{text}.{_encoded(by.sign(text.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
