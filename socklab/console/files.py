"""The page itself: a fixed list of files, read once."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Final

from twisted.web.resource import Resource
from twisted.web.server import Request

_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing of anybody else's, and nothing that stands in it (CSP3)."""


class FilePage(Resource):
    """One file of the page."""

    isLeaf = True

    def __init__(self, name: str, data: bytes, sockets: Callable[[Request], str]) -> None:
        """@param sockets: gives which WebSockets the page may open."""
        super().__init__()
        self._kind = _KINDS[name.rpartition(".")[2]]
        self._data = data
        self._sockets = sockets

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        request.setHeader("content-type", self._kind)
        request.setHeader("content-security-policy", _POLICY.format(self._sockets(request)))
        request.setHeader("cross-origin-opener-policy", "same-origin")
        request.setHeader("cross-origin-resource-policy", "same-origin")
        return self._data


def putFiles(root: Resource, sockets: Callable[[Request], str]) -> None:
    """Put the page's files below a root: `/`, and `/page/NAME`."""
    folder = Resource()
    for each in (files(__package__) / "page").iterdir():
        if each.name.rpartition(".")[2] in _KINDS:
            page = FilePage(each.name, each.read_bytes(), sockets)
            folder.putChild(each.name.encode(), page)
            if each.name == "index.html":
                root.putChild(b"", page)
    root.putChild(b"page", folder)
