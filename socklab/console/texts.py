"""What the console says: a code and values, which a page tells in its user's language; in English for the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

ENGLISH: Final[dict[str, str]] = json.loads((files(__package__) / "page" / "en.json").read_text("utf-8"))
"""The texts by their codes; `{name}` stands for a value. `ko.json` has the same in Korean."""

_LONGEST: Final = 300
"""Characters of a reason that is looked at: what a peer has sent may be within it."""


@dataclass(frozen=True)
class Said:
    """A text, in any language."""

    code: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ENGLISH[self.code].format_map(self.values)

    def told(self) -> dict[str, Any]:
        """Give it for a page."""
        values = {name: each.told() if isinstance(each, Said) else each for name, each in self.values.items()}
        return {"code": self.code, "values": values}


class Wrong(ValueError):
    """This cannot be done; the text says why."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.said = Said(code, values)

    def __str__(self) -> str:
        return str(self.said)

    @classmethod
    def because(cls, error: Exception) -> Wrong:
        """Give it for what another part of socklab says."""
        wrong = cls("plain")
        wrong.said = reason(str(error))
        return wrong


@lru_cache(1024)
def reason(text: str) -> Said:
    """Give what another part of socklab says in English, for the log: why it cuts a peer, say.

    It is known again by its form: so a reason costs a transport no more than the text, and one of a protocol's
    author passes as it is.
    """
    for code, form in _forms():
        if found := form.fullmatch(text[:_LONGEST]):
            values: dict[str, Any] = found.groupdict()
            for name in values.keys() & {"why", "spoken"}:
                values[name] = reason(values[name])
            return Said(code, values)
    return Said("plain", {"text": text[:_LONGEST]})


@lru_cache(1)
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    """Give the forms of reasons; that which has most words of its own comes first."""
    found = {code: text for code, text in ENGLISH.items() if code.startswith("why-")}
    return [
        (code, re.compile("".join(_patterns(text)), re.DOTALL))
        for code, text in sorted(found.items(), key=lambda each: -len(re.sub(r"\{\w+\}", "", each[1])))
    ]


def _patterns(text: str) -> Iterator[str]:
    for index, part in enumerate(re.split(r"\{(\w+)\}", text)):
        yield f"(?P<{part}>.*?)" if index % 2 else re.escape(part)
