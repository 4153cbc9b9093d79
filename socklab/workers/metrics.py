"""`/metrics` of all workers: asked for when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from twisted.internet.defer import DeferredList
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ..metrics.collector import registryOf
from .merging import mergedMetrics

if TYPE_CHECKING:
    from ..metrics.lag import ReactorLag
    from .parent import WorkersLab


class _Told(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Give them."""
        yield from self._metrics


class WorkersMetricsPage(Resource):
    """`/metrics`: sums, and a label `worker` for what each process has for itself; the parent is 0."""

    isLeaf = True

    def __init__(self, lab: WorkersLab, lag: ReactorLag) -> None:
        super().__init__()
        self._lab = lab
        self._own = registryOf(lab, lag)

    def render_GET(self, request: Request) -> int:
        """Answer, when the workers have."""
        crew = self._lab.crew
        asked = [*crew.ask({"do": "metrics"})]
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def answer(found: list[Any]) -> None:
            if not gone:
                told = [(number, text) for (number, _), (isGood, text) in zip(asked, found, strict=True) if isGood]
                encode, kind = choose_encoder(request.getHeader("accept") or "")
                registry = CollectorRegistry(auto_describe=False)
                registry.register(_Told([*self._collect(told)]))
                request.setHeader("content-type", kind)
                request.write(encode(registry))
                request.finish()

        DeferredList([each for _, each in asked], consumeErrors=True).addCallback(answer).addErrback(
            request.processingFailed
        )
        return NOT_DONE_YET

    def _collect(self, told: list[tuple[int, str]]) -> Iterator[Metric]:
        crew = self._lab.crew
        yield GaugeMetricFamily("socklab_workers", "Processes that should serve.", value=crew.count)
        yield GaugeMetricFamily(
            "socklab_workers_serving", "Processes that serve, and have answered by now.", value=len(told)
        )
        yield CounterMetricFamily(
            "socklab_worker_restarts", "Workers that were replaced because they had died.", value=crew.restarts
        )
        yield from mergedMetrics(generate_latest(self._own).decode(), told)
