"""The pages of the console that are for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request

if TYPE_CHECKING:
    from ..lab import Lab
    from ..metrics.lag import ReactorLag

_PLAIN: Final = "text/plain; charset=utf-8"


def answer(request: Request, status: int, text: str, kind: str = _PLAIN) -> bytes:
    """Give the body of an answer, and set what goes before it."""
    request.setResponseCode(status)
    request.setHeader("content-type", kind)
    return text.encode()


class TextPage(Resource):
    """A page of text that is made when it is asked for."""

    isLeaf = True

    def __init__(self, say: Callable[[], tuple[int, str]], kind: str = _PLAIN) -> None:
        """@param say: gives the status and the text.
        @param kind: its media type.
        """
        super().__init__()
        self._say = say
        self._kind = kind

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        return answer(request, *self._say(), self._kind)


class MetricsPage(Resource):
    """`/metrics`, in the form that the asker prefers: Prometheus's own text, or OpenMetrics."""

    isLeaf = True

    def __init__(self, lab: Lab, lag: ReactorLag) -> None:
        super().__init__()
        # Imported late: prometheus-client need not be there for the other pages.
        from ..metrics.collector import registryOf

        self._registry = registryOf(lab, lag)

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        from prometheus_client.exposition import choose_encoder

        encode, kind = choose_encoder(request.getHeader("accept") or "")
        body: bytes = encode(self._registry)
        request.setHeader("content-type", kind)
        return body


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> Resource:
        return TextPage(lambda: (404, "There is no such page.\n"))


def pagesOf(lab: Lab, lag: ReactorLag, metrics: bool) -> Resource:
    """Give the root of the pages for programs."""
    root = _Root()
    pages: dict[str, Any] = {
        "healthz": TextPage(lambda: (200, "ok\n")),
        "readyz": TextPage(lambda: readiness(lab)),
        "status": lab.makeStatus(),
        "metrics": lab.makeMetrics(lag) if metrics else TextPage(lambda: (404, _NO_METRICS)),
    }
    for name, page in pages.items():
        root.putChild(name.encode(), page)
    return root


def readiness(lab: Lab) -> tuple[int, str]:
    """Give the status and the text of `/readyz`."""
    missing = f": missing: {lab.missing}" if lab.missing else ""
    return (200, f"ready{missing}\n") if lab.ready else (503, f"not ready{missing}\n")


_NO_METRICS: Final = (
    "There are no metrics here: they are off in [console], or prometheus-client is not installed "
    "(pip install 'socklab[lab]').\n"
)
