"""`/status` of all workers: asked for when it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredList
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ..console.pages import answer
from ..console.status import Status
from .merging import mergedStatus

if TYPE_CHECKING:
    from .parent import WorkersLab


class WorkersStatusPage(Resource):
    """What the parent knows, and what the workers have counted."""

    isLeaf = True

    def __init__(self, lab: WorkersLab) -> None:
        super().__init__()
        self._lab = lab
        self._own = Status(lab)

    def render_GET(self, request: Request) -> int:
        """Answer, when the workers have."""
        asked = [each for _, each in self._lab.crew.ask({"do": "status"})]
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def tell(found: list[Any]) -> None:
            if not gone:
                status, own = self._own()
                workers = [told for isGood, told in found if isGood]
                text = json.dumps(mergedStatus(json.loads(own), workers), ensure_ascii=False)
                request.write(answer(request, status, f"{text}\n", "application/json"))
                request.finish()

        DeferredList(asked, consumeErrors=True).addCallback(tell).addErrback(request.processingFailed)
        return NOT_DONE_YET
