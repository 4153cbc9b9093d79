"""What docstrings say of a Factory and its options."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from docstring_parser import Docstring, ParseError, parse, parse_from_object


def summaryOf(found: Any) -> str:
    """Give the first sentence or so of an object's own docstring, on one line; "" if it has none."""
    text = getattr(found, "__doc__", None)
    # A dataclass without a docstring is given its signature.
    own = f"{found.__name__}(" if isinstance(found, type) and dataclasses.is_dataclass(found) else None
    if not isinstance(text, str) or (own and text.startswith(own)):
        return ""
    # What is not there yet when the parameters begin is none: `"""@param marks: ..."""`
    paragraph = re.split(r"\n\s*\n|^\s*[@:](?=\w+.*:)", inspect.cleandoc(text), maxsplit=1, flags=re.MULTILINE)[0]
    return _line(paragraph)


def docsOf(found: Any, options: Iterable[str]) -> dict[str, str]:
    """Give what is said of options, each on one line.

    Read are, of a class and then of those it inherits from, the docstrings of `__init__` and of the class
    (epytext, reStructuredText, Google's or numpy's form), and the strings below its attributes.
    """
    options = [*options]
    said: dict[str, str] = {}
    for docstring in _docstrings(found):
        for each in docstring.params:
            # attrs has the option `marks` for the attribute `_marks`.
            name = each.arg_name if each.arg_name in options else each.arg_name.removeprefix("_")
            if name in options and each.description:
                said.setdefault(name, _line(each.description))
        if len(said) == len(options):
            break
    return said


def _docstrings(found: Any) -> Iterator[Docstring]:
    if isinstance(found, type):
        for each in found.__mro__:
            if "__init__" in vars(each):
                yield _parsed(vars(each)["__init__"].__doc__)
            yield _parsed(each.__doc__)
            try:
                yield parse_from_object(each)
            except (ParseError, OSError, TypeError, SyntaxError):
                # There is no source, or none that stands alone: the strings below attributes are not found.
                continue
    else:
        yield _parsed(found.__doc__)


def _parsed(text: str | None) -> Docstring:
    try:
        return parse(text)
    except ParseError:
        return Docstring()


def _line(text: str) -> str:
    """Give text on one line, and epytext's `C{None}` as `None`."""
    return re.sub(r"\b[BCILU]\{([^{}]*)\}", r"\1", " ".join(text.split()))
