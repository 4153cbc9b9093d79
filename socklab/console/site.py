"""HTTP for the console: who may ask, how much, and how many at a time."""

from __future__ import annotations

from typing import Any, Final, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from ..policy.gate import Refusal
from ..policy.origin import PagePolicy
from .pages import answer

_BODY: Final = 1024 * 1024
"""Bytes that a request may have beside its head; Twisted would keep any number in a file."""
_AT_ONCE: Final = 100
"""Connections; one more is closed."""
_IDLE: Final = 60
"""Seconds without a byte, until a connection is closed."""


class BoundedRequest(Request):
    """One request, whose body is bounded."""

    _size = 0

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body has come."""
        self._size += len(data)
        if self._size > _BODY:
            self.channel.forceAbortClient()
        else:
            super().handleContentChunk(data)


class _Forbidden(Resource):
    isLeaf = True

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self._refusal = refusal

    def render(self, request: Request) -> bytes:
        # The policy is that of WebSocket listeners, and names their table.
        why = f"{self._refusal.name}: {self._refusal.reason}".replace("service.websocket", "console")
        return answer(request, self._refusal.status, f"{why.removeprefix('websocket.')}\n")


class ConsoleSite(Site):
    """Gives pages to whoever asks by a name of this server; a page of another server has no business here."""

    noisy = False
    displayTracebacks = False

    def __init__(self, root: Resource, pages: PagePolicy, clock: Any) -> None:
        """@param pages: which Host and Origin a request may have."""
        super().__init__(root, requestFactory=BoundedRequest, timeout=_IDLE, reactor=clock)
        self.pages = pages
        self._open = 0

    def getResourceFor(self, request: Any) -> IResource:
        """Find the page that is asked for, if it may be had."""
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        headers = {name: value for name in ("host", "origin") if (value := request.getHeader(name)) is not None}
        refusal = self.pages.forbids(request.path.decode("latin-1"), headers)
        if refusal is not None:
            return cast(IResource, _Forbidden(refusal))
        return cast(IResource, super().getResourceFor(request))

    def log(self, request: Any) -> None:
        """Say nothing: Prometheus asks four times a minute."""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection was accepted."""
        if self._open >= _AT_ONCE:
            return None
        channel: Any = super().buildProtocol(addr)
        lost = channel.connectionLost

        def connectionLost(reason: Failure = connectionDone) -> None:
            self._open -= 1
            lost(reason)

        self._open += 1
        channel.connectionLost = connectionLost
        return channel


_HEADERS: Final = {
    "server": "socklab",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Of each answer; a page may set others."""
