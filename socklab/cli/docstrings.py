"""What docstrings say of a Factory and its options."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from docstring_parser import Docstring, DocstringParam, ParseError, parse, parse_from_object
from pydantic import BaseModel


def unwrapped(found: Any) -> Any:
    """Give what a `functools.partial` calls in the end; anything else as it is."""
    while isinstance(found, partial):
        found = found.func
    return found


def summaryOf(found: Any) -> str:
    """Give the first paragraph of a class's or function's own docstring, on one line; "" if it has none."""
    text = found.__doc__ if isinstance(found, type) or inspect.isroutine(found) else None
    if text is None or (dataclasses.is_dataclass(found) and text.startswith(f"{getattr(found, '__name__', '')}(")):
        # A dataclass without a docstring is given its signature.
        return ""
    # There may be nothing before the parameters: """@param marks: ..."""
    paragraph = re.split(r"\n\s*\n|^\s*[@:](?=\w+.*:)", inspect.cleandoc(text), maxsplit=1, flags=re.MULTILINE)[0]
    return _line(paragraph)


def docsOf(found: Any, options: Iterable[str]) -> dict[str, str]:
    """Give what is said of options, each on one line.

    Read are, of a class and then of those it inherits from, the docstrings of `__init__` and of the class
    (epytext, reStructuredText, Google's or numpy's form), and the strings below its attributes.
    """
    options = [*options]
    said: dict[str, str] = {}
    for docstring in _docstrings(unwrapped(found)):
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
        if issubclass(found, BaseModel):
            yield _described(found)
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


def _described(model: type[BaseModel]) -> Docstring:
    """Give what pydantic's own `Field(description=...)` says."""
    docstring = Docstring()
    for name, field in model.model_fields.items():
        docstring.meta.append(DocstringParam([], field.description, name, None, None, None))
    return docstring


def _parsed(text: str | None) -> Docstring:
    try:
        return parse(text)
    except ParseError:
        return Docstring()


def _line(text: str) -> str:
    """Give text on one line, and epytext's `C{None}` as `None`."""
    return re.sub(r"\b[BCILU]\{([^{}]*)\}", r"\1", " ".join(text.split()))
