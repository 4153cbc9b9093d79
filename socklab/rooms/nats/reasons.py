"""Why the engine cannot be reached, or is none for us, for the operator."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from nats.errors import Error

from ..settings import EngineSettings

_UNKNOWN: Final = (18, 19, 20, 21)
"""What OpenSSL calls certificates that nobody has signed whom it knows (X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and
those after it)."""
_EARLY: Final = 9
"""X509_V_ERR_CERT_NOT_YET_VALID: a machine without a clock of its own learns the time after it has started."""
_LOGIN: Final = ("authorization violation", "authentication expired", "authentication revoked")
"""How a server says that it does not let us in."""


class Lost(Exception):
    """The connection has ended."""


class NoStream(Exception):
    """The engine has no stream for us, for now; the text says why."""


class Unfit(Error):
    """The engine is not what the config says, and no waiting mends that; the text says what to do."""


def isMistake(error: Exception) -> bool:
    """Tell whether an attempt has failed by what somebody has set, here or there: no waiting helps then."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_code != _EARLY
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return False
        case ssl.SSLError() | Unfit():
            return True
        case _:
            return _isLogin(error)


def reasonOf(error: Exception, settings: EngineSettings, url: str) -> str:
    """Say in which way an attempt at a server has failed."""
    match error:
        case NoStream() | Unfit():
            return str(error)
        case Lost():
            return "the connection was lost"
        case Error() if _isLogin(error):
            if settings.credentials is not None:
                return "it does not let us in: the credentials are wrong, or have expired"
            if settings.token is not None or "@" in urlsplit(url).netloc:
                return "it does not let us in: the credentials are wrong"
            return "it does not let us in: it asks for credentials, and [rooms] has none"
        case ssl.SSLCertVerificationError():
            what = f"its certificate is not accepted: {error.verify_message}"
            if error.verify_code not in _UNKNOWN:
                return what
            needed = "" if url.startswith("tls:") else ", with a tls: URL"
            return f"{what}: ca of [rooms] names who has signed it{needed}"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS: {reason.lower().replace('_', ' ')}"
        case ssl.SSLError() | socket.gaierror():
            return str(error.strerror).lower()
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case TimeoutError():
            return "it does not answer"
        case _:
            return (" ".join(str(error).split()) or type(error).__name__).removeprefix("nats: ")


def _isLogin(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, Error) and any(each in text for each in _LOGIN)
