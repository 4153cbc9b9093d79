"""Serves a page with Twisted's own web server: a callable that returns a Factory can be a protocol, too."""

from pathlib import Path

from twisted.web.server import Site
from twisted.web.static import Data


def pageFactory(page: Path) -> Site:
    """@param page: the HTML file to serve, whatever path is asked for; read once, at the start."""
    root = Data(page.read_bytes(), "text/html; charset=utf-8")
    root.isLeaf = True
    return Site(root)
