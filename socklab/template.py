"""Texts with fields, as `{count}: {request}`, in an operator's config."""

from __future__ import annotations

from collections.abc import Mapping, Set
from string import Formatter
from typing import Final


def checkFields(option: str, text: str, known: Set[str]) -> None:
    """Check that a template names known fields only; `{{` and `}}` stand for the braces themselves.

    @raise ValueError: it does not; the message begins with the option's name.
    """
    expected = ", ".join(f"{{{name}}}" for name in sorted(known))
    try:
        for _, field, spec, conversion in Formatter().parse(text):
            if field is not None and (field not in known or spec or conversion):
                form = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                raise ValueError(f"there is no field {{{field}{form}}}")
    except ValueError as error:
        raise ValueError(f"{option}: expected text with the fields {expected}: {error}") from None


class Template:
    """A checked template that is filled with bytes."""

    def __init__(self, option: str, text: str, known: Set[str]) -> None:
        """@raise ValueError: as `checkFields`."""
        checkFields(option, text, known)
        self._parts = [(literal, field) for literal, field, _, _ in Formatter().parse(text)]
        self.fields: Final = frozenset(field for _, field in self._parts if field is not None)
        """Those that it has: what others are need not be found out."""

    def render(self, encoding: str, values: Mapping[str, bytes | str | int]) -> bytes:
        """Fill in: bytes as they are, all else as text; what the encoding lacks becomes `?`."""
        parts = []
        for literal, field in self._parts:
            parts.append(literal.encode(encoding, "replace"))
            if field is not None:
                value = values[field]
                parts.append(value if isinstance(value, bytes) else str(value).encode(encoding, "replace"))
        return b"".join(parts)
