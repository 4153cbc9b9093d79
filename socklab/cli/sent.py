"""What `socklab send` tells of what came back."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

from ..client.address import Address
from ..client.exchange import Answer
from ..client.mistaken import looksLike, whatElse
from ..client.seam import Connection, End
from ..client.sending import Outcome, Plan, Watcher
from ..client.summary import Summary
from ..text import printable
from .progress import Progress
from .shown import Form, plain, shown

BROKEN = 1
UNANSWERED = 3
UNEXPECTED = 4


def remark(text: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(click.style(f"# {printable(text)}", dim=True), err=True)


class Told(Watcher):
    """Prints answers as they come, and remarks on connections; in the end it knows the status."""

    def __init__(
        self,
        address: Address,
        encoding: str,
        expect: re.Pattern[str] | None,
        form: Form | None,
        asJson: bool,
        showsReads: bool,
        plan: Plan,
    ) -> None:
        """@param form: None to print no answers, only the summary.
        @param showsReads: whether it says what each read brought.
        """
        self._address = address
        self._encoding = encoding
        self._expect = expect
        self._form = form
        self._asJson = asJson
        self._showsReads = showsReads
        self._plan = plan
        self._isSummed = plan.repeat > 1
        self._summary = Summary()
        self._items: list[dict[str, Any]] = []
        self._said: set[str] = set()
        self._told: End | None = None
        self.progress = Progress(plan.count) if self._isSummed and not asJson else Progress(0)

    def opened(self, connection: Connection) -> None:
        """Say from which port."""
        if not self._isQuiet:
            own = connection.host or "a Unix socket"
            agreed = "".join(f", {name} {value}" for name, value in connection.about.items())
            remark(f"{own} -> {self._address.scheme} {connection.peer}{agreed}")

    def closed(self, connection: Connection, end: End) -> None:
        """Say who closed, if it was not us as usual."""
        if not self._isQuiet and (end.by != "us" or not end.clean) and end is not self._told:
            remark(str(end))

    @property
    def _isQuiet(self) -> bool:
        return self._asJson or self._isSummed

    def unasked(self, answer: Answer) -> None:
        """Print what came when nothing was asked."""
        if self._form is not None and not self._asJson:
            self._print(answer)

    def happened(self, outcome: Outcome) -> None:
        """Print the answer, or say that there is none."""
        self.progress.one()
        isExpected = self._isExpected(outcome.answer)
        self._summary.add(outcome, isExpected)
        if self._asJson:
            if not self._isSummed:
                self._items.append(self._item(outcome, isExpected))
            return
        answer = outcome.answer
        if answer is None:
            self._saidOnce(str(outcome.error))
        elif self._form is not None:
            self._print(answer)
            if self._showsReads and answer.reads:
                reads = "1 read" if len(answer.reads) == 1 else f"{len(answer.reads)} reads"
                remark(f"{sum(answer.reads)} B came in {reads}: {_sizes(answer.reads)}")
            if hint := looksLike(self._address, outcome.message.payload, answer.payload):
                remark(hint)
            if not answer.isWhole:
                remark(self._missing(outcome, answer))
            elif not isExpected:
                remark(f"not as expected: {self._expect.pattern if self._expect else ''}")

    def _saidOnce(self, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            left = "" if self._plan.count == 1 else f" (message {self._summary.sent + self._summary.unsent})"
            click.echo(f"Error: {printable(why)}{left}", err=True)

    def _missing(self, outcome: Outcome, answer: Answer) -> str:
        until = self._plan.until
        if answer.payload:
            return f"the answer is not whole: {len(answer.payload)} B of it came"
        if isinstance(outcome.error, End):
            self._told = outcome.error
            return f"no answer: {outcome.error}{whatElse(self._address)}"
        hint = ""
        isStream = self._address.kind == "stream"
        if isStream and until.kind == "eof" and not self._plan.halfClose:
            hint = "; the server may wait for our end: --half-close"
        elif isStream and not outcome.message.payload.endswith(b"\n"):
            hint = "; a server of lines waits for the end of the line: --lines"
        return f"no answer within {self._plan.wait:g} s{hint}"

    def _print(self, answer: Answer) -> None:
        encoding = self._encodingOf(answer)
        if self._form == "raw":
            sys.stdout.buffer.write(answer.payload)
            sys.stdout.buffer.flush()
        elif answer.payload or (answer.isWhole and self._address.kind != "stream"):
            assert self._form is not None
            click.echo(shown(answer.payload, self._form, encoding), nl=False)

    def _encodingOf(self, answer: Answer) -> str:
        return "utf-8" if self._address.kind == "websocket" and not answer.isBinary else self._encoding

    def _isExpected(self, answer: Answer | None) -> bool:
        if self._expect is None or answer is None or not answer.isWhole:
            return True
        text = answer.payload.decode(self._encodingOf(answer), "replace").replace("\r\n", "\n")
        return self._expect.search(text) is not None

    def _item(self, outcome: Outcome, isExpected: bool) -> dict[str, Any]:
        sent, answer = outcome.message, outcome.answer
        item: dict[str, Any] = {
            "number": outcome.number,
            "source": outcome.source or None,
            "sent": plain(sent.payload, sent.isBinary, self._encoding),
            "answered": answer is not None and answer.isWhole,
            "answer": None,
            "milliseconds": None,
            "error": None if outcome.error is None else str(outcome.error),
        }
        if answer is not None and (answer.payload or answer.isWhole):
            item["answer"] = plain(answer.payload, answer.isBinary, self._encoding)
        if answer is not None and answer.isWhole:
            item["milliseconds"] = round(answer.seconds * 1000, 3)
        if self._expect is not None:
            item["expected"] = isExpected and answer is not None and answer.isWhole
        return item

    def finish(self) -> int:
        """Print the sum, and give the status."""
        summary = self._summary
        status = self._status()
        if self._asJson:
            figures = {name: round(value, 3) for name, value in summary.figures().items()}
            numbers = {
                "sent": summary.sent,
                "answered": summary.answered,
                "lost": summary.lost,
                "unsent": summary.unsent,
                "unexpected": summary.unexpected,
                "connections": len(summary.sources),
                "milliseconds": figures,
            }
            found = {"url": str(self._address), "messages": self._items, "summary": numbers, "status": status}
            click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        elif self._isSummed:
            for line in self._sum():
                click.echo(line)
        return status

    def _sum(self) -> list[str]:
        summary = self._summary
        parts = [f"sent {summary.sent}", f"answered {summary.answered}", f"lost {summary.lost}"]
        if summary.unexpected:
            parts.append(f"not as expected {summary.unexpected}")
        if summary.unsent:
            why = ", ".join(f"{kind} {number}" for kind, number in summary.errors.most_common())
            parts.append(f"not sent {summary.unsent} ({why})")
        lines = [", ".join(parts)]
        ports = len(summary.sources)
        if self._address.isNetwork and ports:
            lines.append(f"{ports} source port{'s' if ports > 1 else ''}")
        if figures := summary.figures():
            lines.append(", ".join(f"{name} {value:.2f} ms" for name, value in figures.items()))
        return lines

    def _status(self) -> int:
        summary = self._summary
        if summary.unsent or summary.broken:
            return BROKEN
        if summary.lost:
            return UNANSWERED
        return UNEXPECTED if summary.unexpected else 0


def _sizes(reads: list[int]) -> str:
    """Give the first few sizes."""
    text = ", ".join(map(str, reads[:8]))
    return f"{text}, ..." if len(reads) > 8 else text
