"""Why the engine cannot be reached, for the operator."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence

from nats.errors import Error

from ..settings import shownUrl
from .stream import NoStream


class Lost(Exception):
    """The connection has ended."""


def explained(error: Exception, urls: Sequence[str]) -> str:
    """Say in which way an attempt has failed, without what is secret in URLs.

    @param urls: where the engine may be; the first was tried last.
    """
    where = shownUrl(urls[0]) if len(urls) == 1 else f"{shownUrl(urls[0])} and others"
    match error:
        case NoStream():
            what = str(error)
        case Lost():
            what = "the connection was lost"
        case Error() if "authorization" in str(error).lower():
            what = "it does not let us in: the credentials are wrong"
        case ssl.SSLError() | socket.gaierror():
            what = str(error.strerror).lower()
        case OSError(errno=int(number)):
            what = os.strerror(number).lower()
        case TimeoutError():
            what = "it does not answer"
        case _:
            what = (" ".join(str(error).split()) or type(error).__name__).removeprefix("nats: ")
    return f"{where}: {what}"
