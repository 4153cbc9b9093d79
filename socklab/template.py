"""Texts with fields, as `{count}: {request}`, in an operator's config."""

from __future__ import annotations

from collections.abc import Callable, Set
from string import Formatter


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

    def render(self, encoding: str, valueOf: Callable[[str], bytes | str | int]) -> bytes:
        """Fill in: bytes as they are, all else as text; what the encoding lacks becomes `?`.

        @param valueOf: gives what stands for a field.
        """
        parts = []
        for literal, field in self._parts:
            if literal:
                parts.append(literal.encode(encoding, "replace"))
            if field is not None:
                value = valueOf(field)
                parts.append(value if isinstance(value, bytes) else str(value).encode(encoding, "replace"))
        return b"".join(parts)
